"""Streams from a real server: the samples of the local stream, grown ahead of who takes them, gone on with later."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.client import Client
from pdemill.errors import JobError, ServerError, SpecError
from pdemill.service.testing import Server, until

SPEC: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [12, 10], "coefficient": {"field": "lognormal", "std": 0.5}},
    "samples": 3, "store": {"shard": 4}, "solver": {"method": "direct"}, "certify": {"refine": 0},
}  # fmt: skip
SLOPED = {"field": "expression", "formula": "1 + a*x", "where": {"a": {"uniform": [-2, 2]}}}
FAILING = {**SPEC, "problem": {**SPEC["problem"], "coefficient": SLOPED}}
WALKS: dict[str, Any] = {
    "problem": {
        "family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 5}, "source": {"uniform": [1, 2]},
    },
    "samples": 3, "store": {"shard": 4}, "solver": {"method": "walks", "walks": 64},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), workers=1) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as found:
        yield found


def _taken(stream: Any, samples: int) -> list[dict[str, Any]]:
    found = iter(stream)
    try:
        return list(islice(found, samples))
    finally:
        found.close()


def _same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) and _kind(a[key]) == _kind(b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )


def _kind(value: Any) -> Any:
    return np.asarray(value).dtype


def _jobs(client: Client) -> list[Any]:
    """Jobs of streams that were not given up."""
    return [job for job in client.jobs() if job.state["name"].startswith("stream ") and job.status != "dismissed"]


@pytest.mark.slow
def test_a_server_streams_what_is_streamed_here_and_grows_as_it_is_taken(client: Client) -> None:
    with client.stream(SPEC, ahead=2) as stream:
        found = _taken(stream, 21)
        assert _same(found, _taken(pdemill.stream(SPEC, workers=0), 21))
        (largest, *left) = sorted((job.state["samples_total"] for job in _jobs(client)), reverse=True)
        assert largest <= 4 * (6 + 2 + 2 * 2)
        assert len(left) <= 1
        state = stream.state_dict()
    resumed = pickle.loads(pickle.dumps(client.stream(SPEC, ahead=2)))
    resumed.load_state_dict(state)
    local = pdemill.stream(SPEC, workers=0)
    local.load_state_dict(state)
    with resumed:
        assert _same(_taken(resumed, 3), _taken(local, 3))
    wrong = client.stream(SPEC)
    wrong.load_state_dict({**state, "method": {"method": "cg"}})
    with pytest.raises(ValueError, match="the state is of samples solved by cg"):
        next(iter(wrong))
    assert client.delete_stream(SPEC) >= 1
    assert not _jobs(client)


@pytest.mark.slow
@pytest.mark.parametrize("store", [{}, {"dtype": "float64"}], ids=["float32", "float64"])
def test_blocks_and_types_are_those_of_the_local_stream(client: Client, store: dict[str, Any]) -> None:
    spec = {**SPEC, "store": store}
    with client.stream(spec, start=60, samples=10, ahead=1) as stream:
        assert _same(list(stream), list(pdemill.stream(spec, workers=0, start=60, samples=10)))


@pytest.mark.slow
def test_values_at_points_and_what_fails(client: Client) -> None:
    with client.stream(WALKS, samples=6, ahead=1) as stream:
        assert _same(list(stream), list(pdemill.stream(WALKS, workers=0, samples=6)))
    here = pdemill.stream(FAILING, workers=0, samples=16)
    with client.stream(FAILING, samples=16) as stream:
        assert _same(list(stream), list(here))
        assert stream.failed == here.failed > 0


@pytest.mark.slow
def test_ranks_share_one_stream_and_one_store(client: Client, server: Server) -> None:
    spec, before = {**SPEC, "seed": 3}, {job.id for job in _jobs(client)}
    with (
        client.stream(spec, samples=30, rank=0, world_size=2, ahead=2) as one,
        client.stream(spec, samples=30, rank=1, world_size=2, ahead=2) as two,
    ):
        found = [sample["sample"] for stream in (one, two) for sample in stream]
    assert sorted(found) == list(range(30))
    stores = [
        server.data_dir / "datasets" / f"{job.state['dataset']}.zarr" for job in _jobs(client) if job.id not in before
    ]
    assert len({(store / "_manifest" / "stream-00000.json").stat().st_ino for store in stores}) == 1


@pytest.mark.slow
def test_what_a_server_refuses_is_told(client: Client, server: Server, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"problem\.coefficient"):
        client.stream({**SPEC, "problem": {**SPEC["problem"], "coefficient": -1}})
    with pytest.raises(SpecError, match="is the name of the stream"):
        client.stream({**{k: v for k, v in SPEC.items() if k != "samples"}, "splits": {"stream": 3}})
    with pytest.raises(ServerError, match="no answer from"):
        Client("http://127.0.0.1:9").stream(SPEC)
    spec = {**SPEC, "seed": 5}
    with client.stream(spec, ahead=1) as stream:
        _taken(stream, 4)
        client.switch("paused", True)
        canceller = Thread(target=lambda: until(lambda: [job for job in _jobs(client) if not job.finished])[0].cancel())
        canceller.start()
        with pytest.raises(JobError, match=r"the stream's job .* is dismissed"):
            _taken(stream, 100)
        canceller.join()
        client.switch("paused", False)
    with (
        Server(tmp_path / "small", workers=1, PDEMILL_MAX_STORED_BYTES="20000") as small,
        small.client() as other,
        other.stream(SPEC, ahead=1) as stream,
        pytest.raises(ServerError, match=r"the stream cannot go on to \d+ samples at .*more than the 20,000") as error,
    ):
        _taken(stream, 1000)
    assert error.value.status == 403
