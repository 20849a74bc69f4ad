"""Streams give what a store would hold, in the same order whoever solves it, and go on where they were left."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError, WorkerError
from pdemill.solvers.streaming.pool import AHEAD, Pool
from pdemill.spec.load import validate

SPEC: dict[str, Any] = {
    "problem": {
        "family": "darcy", "resolution": [12, 10], "coefficient": {"field": "lognormal", "std": 0.5},
    },
    "samples": 3, "store": {"shard": 4}, "solver": {"method": "direct"},
}  # fmt: skip
SLOPED = {"field": "expression", "formula": "1 + a*x", "where": {"a": {"uniform": [-2, 2]}}}
FAILING = {**SPEC, "problem": {**SPEC["problem"], "coefficient": SLOPED}}
"""Where a is below -1, k is not positive everywhere."""
TRAJECTORIES: dict[str, Any] = {
    "problem": {
        "family": "kuramoto_sivashinsky", "resolution": [32], "domain": {"lengths": [16]},
        "initial": {"field": "sines", "terms": 3, "waves": [1, 2]}, "time": {"end": 1.0, "intervals": 2},
    },
    "samples": 3, "store": {"shard": 4}, "solver": {"method": "etdrk4"},
}  # fmt: skip
WALKS: dict[str, Any] = {
    "problem": {
        "family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 5}, "source": {"uniform": [1, 2]},
    },
    "samples": 3, "store": {"shard": 4}, "solver": {"method": "walks", "walks": 64},
}  # fmt: skip


def taken(stream: Any, samples: int) -> list[dict[str, Any]]:
    found = iter(stream)
    try:
        return list(islice(found, samples))
    finally:
        found.close()


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("spec", [SPEC, TRAJECTORIES, WALKS], ids=["steady", "in time", "at points"])
def test_a_stream_gives_what_a_store_holds(tmp_path: Path, spec: dict[str, Any]) -> None:
    own = {key: value for key, value in spec.items() if key != "samples"} | {"splits": {"stream": 8}}
    pdemill.generate(own, tmp_path / "s.zarr", workers=0)
    data = pdemill.open(tmp_path / "s.zarr", split="stream")
    found = taken(pdemill.stream(spec, workers=0), 8)
    assert same(found, [{**data[number], "sample": number} for number in range(8)])
    assert not np.array_equal(found[0]["x"], pdemill_train(tmp_path, spec))


def pdemill_train(folder: Path, spec: dict[str, Any]) -> Any:
    """The first input of the split that the spec has."""
    pdemill.generate({**spec, "samples": 1}, folder / "train.zarr", workers=0)
    return pdemill.open(folder / "train.zarr")[0]["x"]


def test_processes_give_the_same_as_none() -> None:
    here = taken(pdemill.stream(SPEC, workers=0), 21)
    assert [sample["sample"] for sample in here] == list(range(21))
    assert same(taken(pdemill.stream(SPEC, workers=2), 21), here)


def test_a_stream_goes_on_where_it_was_left() -> None:
    whole = taken(pdemill.stream(SPEC, workers=0), 14)
    stream = pdemill.stream(SPEC, workers=0)
    begin = taken(stream, 6)
    assert same(begin + taken(stream, 8), whole)
    other = pdemill.stream(SPEC, workers=0)
    taken(other, 9)
    resumed = pickle.loads(pickle.dumps(pdemill.stream(SPEC, workers=0, start=2)))
    resumed.load_state_dict(other.state_dict())
    assert same(taken(resumed, 5), whole[9:])
    assert same(taken(pdemill.stream(SPEC, workers=0, start=5), 9), whole[5:])
    with pytest.raises(ValueError, match="another spec"):
        resumed.load_state_dict(pdemill.stream({**SPEC, "seed": 1}, workers=0).state_dict())


def test_epochs_follow_one_another() -> None:
    stream = pdemill.stream(SPEC, workers=0, samples=6, start=1)
    numbers = [[sample["sample"] for sample in stream] for _ in range(3)]
    assert numbers == [list(range(1, 7)), list(range(7, 13)), list(range(13, 19))]
    stream.set_epoch(1)
    assert [sample["sample"] for sample in stream] == numbers[1]
    with pytest.raises(ValueError, match="has no epochs"):
        pdemill.stream(SPEC, workers=0).set_epoch(1)


def test_ranks_share_a_stream() -> None:
    each = [
        [sample["sample"] for sample in pdemill.stream(SPEC, workers=0, samples=23, start=3, rank=rank, world_size=3)]
        for rank in range(3)
    ]
    assert sorted(chain.from_iterable(each)) == list(range(3, 26))
    assert all(each)
    with pytest.raises(ValueError, match="rank should be below world_size"):
        pdemill.stream(SPEC, workers=0, rank=3, world_size=3)


def test_what_is_not_certified_is_left_out_and_counted(tmp_path: Path) -> None:
    own = {key: value for key, value in FAILING.items() if key != "samples"} | {"splits": {"stream": 16}}
    summary = pdemill.generate(own, tmp_path / "s.zarr", workers=0)
    lost = {failure.sample for failure in summary.failures}
    assert 0 < len(lost) < 16
    stream = pdemill.stream(FAILING, workers=0, samples=16)
    assert [sample["sample"] for sample in stream] == [number for number in range(16) if number not in lost]
    assert stream.failed == len(lost)


def test_processes_work_no_further_ahead_than_there_are_places() -> None:
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        for number in count():
            asked.append(number)
            yield number

    blocks = Pool(validate(SPEC), "stream", None, 1).blocks(numbers())
    for taken_blocks in range(1, 4):
        next(blocks)
        assert len(asked) == AHEAD + taken_blocks - 1
    blocks.close()


def test_the_end_of_a_process_is_told() -> None:
    blocks = Pool(validate(SPEC), "stream", None, 1).blocks(count())
    next(blocks)
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="utf-8").split():
        os.kill(int(child), signal.SIGKILL)
    with pytest.raises(WorkerError, match="a process of the stream ended"):
        list(blocks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": None, "splits": {"stream": 4}}, "splits.stream: is the name of the stream"),
    ],
)  # fmt: skip
def test_what_is_not_streamed_is_refused(changes: dict[str, Any], message: str) -> None:
    spec = {key: value for key, value in {**SPEC, **changes}.items() if value is not None}
    with pytest.raises(SpecError, match=message.replace(".", r"\.")):
        pdemill.stream(spec, workers=0)
