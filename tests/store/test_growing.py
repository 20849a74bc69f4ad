"""Stores grow: what a spec with larger splits makes of a smaller store is, byte for byte, what it makes at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import CorruptStore, IncompleteStore, StoreMismatch
from pdemill.inspect import report
from pdemill.solvers import growing
from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate
from pdemill.store import encode as encoding
from pdemill.store import store as storing
from pdemill.store.layout import Shard
from pdemill.store.placing import sweep
from pdemill.store.root import ROOT, read_root
from pdemill.store.store import ShardData, Store
from pdemill.testing import Crash, FailingDisk, MemoryDisk

type Json = dict[str, Any]

FIELDS: Json = {
    "problem": {
        "family": "helmholtz", "resolution": [12, 8], "wavenumber": {"uniform": [3, 9]},
        "coefficient": {"field": "lognormal", "std": 0.3, "modes": 8},
    },
    "splits": {"train": 10, "test": 3}, "store": {"shard": 4}, "seed": 11,
    "solver": {"method": "skr", "restart": 10, "recycle": 4},
}  # fmt: skip
TRAJECTORIES: Json = {
    "problem": {
        "family": "kuramoto_sivashinsky", "resolution": [32], "domain": {"lengths": [16]},
        "initial": {"field": "sines", "terms": 3, "waves": [1, 2]}, "time": {"end": 1.0, "intervals": 2},
    },
    "splits": {"train": 6}, "store": {"shard": 4}, "solver": {"method": "etdrk4"},
}  # fmt: skip
POINTS: Json = {
    "problem": {
        "family": "poisson", "domain": {"shape": "disk", "radius": {"uniform": [0.5, 1.0]}}, "points": {"random": 5},
        "source": {"uniform": [1, 4]}, "boundary": {"boundary": {"dirichlet": 0}},
    },
    "splits": {"train": 6}, "store": {"shard": 4}, "solver": {"method": "walks", "walks": 50},
}  # fmt: skip
ARRAYS: Json = {
    "problem": {"family": "darcy", "resolution": [8, 6],
                "coefficient": {"field": "array", "rows": {"train": [0, 12], "test": [12, 20]}}},
    "splits": {"train": 6}, "store": {"shard": 4}, "solver": {"method": "direct"},
}  # fmt: skip


def with_splits(spec: Json, **splits: int) -> Json:
    return {**spec, "splits": splits}


def content(store: Path) -> str:
    found = pdemill.verify(store, samples=1)
    assert found.ok, found.faults
    return str(found.content)


@pytest.mark.parametrize(
    ("spec", "larger", "kept", "again"),
    [
        (FIELDS, {"train": 17, "test": 6, "valid": 2}, 2, 5),
        pytest.param(TRAJECTORIES, {"train": 9}, 1, 2, marks=pytest.mark.slow),
        pytest.param(POINTS, {"train": 9, "test": 2}, 1, 2, marks=pytest.mark.slow),
        pytest.param(ARRAYS, {"train": 9, "test": 2}, 1, 2, marks=pytest.mark.slow),
    ],
    ids=["fields", "trajectories", "points", "arrays"],
)
def test_a_grown_store_is_the_one_that_is_made_at_once(
    spec: Json, larger: dict[str, int], kept: int, again: int, tmp_path: Path
) -> None:
    if spec is ARRAYS:
        np.save(tmp_path / "k.npy", np.exp(np.random.default_rng(0).standard_normal((20, 8, 6))))
        field = {**spec["problem"]["coefficient"], "file": str(tmp_path / "k.npy")}
        spec = {**spec, "problem": {**spec["problem"], "coefficient": field}}
    grown, whole = tmp_path / "grown.zarr", tmp_path / "whole.zarr"
    assert not pdemill.generate(spec, grown, workers=0).grown
    stays = {path: path.stat().st_ino for path in grown.glob("train/solution/c/0/**/*") if path.is_file()}
    summary = pdemill.generate(with_splits(spec, **larger), grown, workers=0)
    assert (summary.ok, summary.grown, summary.shards_kept, summary.samples_again) == (True, True, kept, again)
    assert {path: path.stat().st_ino for path in stays} == stays
    pdemill.generate(with_splits(spec, **larger), whole, workers=0)
    assert content(grown) == content(whole)
    runs = {name: json.loads(path.read_text())["run"]["run"] for path in grown.glob("_manifest/*-*.json")
            if (name := path.stem)}  # fmt: skip
    assert runs["train-00000"]["number"] == 1
    assert {run["number"] for name, run in runs.items() if name != "train-00000" and name != "train-00001"} == {2}
    assert sum((row.runs for row in report(grown)[1]), start=report(grown)[1][0].runs.__class__()).total() == len(runs)
    nothing = pdemill.generate(with_splits(spec, **larger), grown, workers=0)
    assert (nothing.ok, nothing.grown) == (True, False)


@pytest.mark.slow
def test_certificates_that_come_out_otherwise_are_made_again(tmp_path: Path) -> None:
    """More than 20 estimates have their algebraic errors by another way."""
    spec = {
        "problem": {"family": "poisson", "resolution": [8, 8], "source": {"uniform": [0, 1]}},
        "splits": {"train": 16}, "store": {"shard": 8}, "certify": {"refine": 1.0},
    }  # fmt: skip
    grown, whole = tmp_path / "grown.zarr", tmp_path / "whole.zarr"
    pdemill.generate(spec, grown, workers=0)
    summary = pdemill.generate(with_splits(spec, train=24), grown, workers=0)
    assert (summary.shards_kept, summary.samples_again) == (0, 16)
    pdemill.generate(with_splits(spec, train=24), whole, workers=0)
    assert content(grown) == content(whole)


@pytest.mark.slow
def test_an_unfinished_store_grows(tmp_path: Path) -> None:
    def end(tally: pdemill.Tally) -> None:
        if tally.done >= 4:
            raise KeyboardInterrupt

    larger = with_splits(FIELDS, train=13, test=3)
    with pytest.raises(KeyboardInterrupt):
        pdemill.generate(FIELDS, tmp_path / "grown.zarr", workers=0, watcher=end)
    assert pdemill.generate(larger, tmp_path / "grown.zarr", workers=0).shards_kept in (1, 2)
    pdemill.generate(larger, tmp_path / "whole.zarr", workers=0)
    assert content(tmp_path / "grown.zarr") == content(tmp_path / "whole.zarr")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small") / "small.zarr"
    assert pdemill.generate(FIELDS, out, workers=0).ok
    return out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"splits": {"train": 9, "test": 3}}, "10 samples of train, and the spec asks for 9 of them: splits can only"),
        ({"splits": {"train": 20}}, "3 samples of test, and the spec asks for none"),
        ({"splits": {"train": 20, "test": 3}, "seed": 12}, "another spec"),
        ({"splits": {"train": 20, "test": 3}, "store": {"shard": 5}}, "another spec"),
    ],
)
def test_what_is_no_growth_is_refused_and_changes_nothing(change: Json, words: str, small: Path) -> None:
    before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
    with pytest.raises(StoreMismatch, match=words):
        pdemill.generate({**FIELDS, **change}, small, workers=0)
    assert {path: path.read_bytes() for path in small.rglob("*") if path.is_file()} == before


def test_a_split_that_would_become_the_first_is_refused(tmp_path: Path) -> None:
    spec = with_splits(POINTS, test=2)
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    with pytest.raises(StoreMismatch, match="the split train would come before test"):
        pdemill.generate(with_splits(POINTS, test=2, train=2), tmp_path / "s.zarr", workers=0)


def test_who_reads_meanwhile_is_told_or_sees_what_is_right(tmp_path: Path) -> None:
    """A reader that was opened before gives whole shards as they are; of the last one, what it was or an error."""
    store = tmp_path / "s.zarr"
    pdemill.generate(FIELDS, store, workers=0)
    before, new = pdemill.open(store), pdemill.open(store)
    rows = [before[i] for i in range(10)]

    def look(tally: pdemill.Tally) -> None:
        for i in range(10):
            np.testing.assert_array_equal(before[i]["x"], rows[i]["x"])
            np.testing.assert_allclose(before[i]["y"], rows[i]["y"], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(new[3]["y"], rows[3]["y"])
        with pytest.raises((IncompleteStore, CorruptStore), match=r"not finished|has grown"):
            new[9]
        if tally.done < tally.total:
            assert not pdemill.open(store).attributes["complete"]

    pdemill.generate(with_splits(FIELDS, train=13, test=3), store, workers=0, watcher=look)
    assert len(pdemill.open(store)) == 13


SMALL: Json = {"problem": {"family": "poisson", "resolution": [4, 4], "source": {"uniform": [0, 1]}},
               "splits": {"train": 5, "test": 2}, "store": {"shard": 3}, "solver": {"method": "fft"}}  # fmt: skip


def _data(store: Store, shard: Shard) -> ShardData:
    """Rows that depend on the samples of a shard, as those do that recycle; seconds that tell how many there were."""
    rng = np.random.default_rng([shard.index, len(shard)])
    arrays = {p.name: (100 * rng.random((len(shard), *p.shape))).astype(p.dtype) for p in store.layout.arrays}
    arrays["solve_seconds"] = np.full(len(shard), len(shard), np.float32)
    return ShardData(arrays, (), {"iterations": 3}, {"attempt": 1})


@pytest.fixture(scope="module")
def make() -> Iterator[Callable[[Any, Json], None]]:
    """What ``generate`` does to a disk, with samples that are there already and what is encoded known."""
    jobs = {str(spec): FieldJob(validate(spec)) for spec in (SMALL, with_splits(SMALL, train=7, test=2, valid=1))}
    known: dict[Any, Any] = {}
    patch = pytest.MonkeyPatch()
    patch.setattr(storing, "process_time", lambda: 0.0)

    def metadata(layout: Any) -> Any:
        key = str(layout.attributes)
        if key not in known:
            known[key] = encoding.metadata(layout)
        return known[key]

    patch.setattr(storing, "metadata", metadata)

    def run(disk: Any, spec: Json) -> None:
        job = jobs[str(spec)]
        store = Store(disk, job.layout).as_begun()
        store, _ = growing.grow(job, store, False, lambda job, store: None)
        sweep(disk, alone=True)
        store.create()
        for shard in store.missing():
            store.commit(shard, _data(store, shard))
        store.finish()

    yield run
    patch.undo()


@pytest.mark.parametrize(
    ("how", "keep", "step"),
    [
        ("after", "nothing", 11),
        *(
            pytest.param(how, keep, 1, marks=pytest.mark.slow)
            for how in ("before", "half", "after")
            for keep in ("everything", "nothing")
        ),
    ],
)
def test_growth_that_ends_at_any_operation_is_finished_by_the_next_run(
    make: Callable[[Any, Json], None], how: str, keep: str, step: int
) -> None:
    larger = with_splits(SMALL, train=7, test=2, valid=1)
    whole, begun = MemoryDisk(), MemoryDisk()
    make(whole, larger)
    make(begun, SMALL)
    counting = FailingDisk(begun.crash("everything"), 0, "never")
    make(counting, larger)
    assert counting.files == whole.files
    for at in [*range(1, 20), *range(20, counting.operations + 1, step)]:
        disk = FailingDisk(begun.crash("everything"), at, how)
        with suppress(Crash):  # a name that is taken is an operation, too, that goes on
            make(disk, larger)
        found = disk.crash(keep)
        attributes = read_root(found, "the disk")["attributes"]
        if not attributes["complete"]:
            assert attributes["spec"]["splits"] == larger["splits"]
        elif attributes["spec"]["splits"] == SMALL["splits"]:
            smaller = found.crash("everything")
            make(smaller, SMALL)
            assert smaller.files == begun.files
        make(found, larger)
        assert found.files == whole.files, f"ended {how} operation {at}"
    assert json.loads(whole.files[ROOT])["attributes"]["complete"]


DESIGNED: Json = {
    "problem": {
        "family": "helmholtz", "resolution": [12, 8], "wavenumber": {"uniform": [3, 9]},
        "source": {"field": "expression", "formula": "a*x", "where": {"a": {"normal": [1, 0.1]}}},
    },
    "store": {"shard": 4}, "solver": {"method": "direct"},
}  # fmt: skip


def test_designs_grow_where_they_can_be_extended(tmp_path: Path) -> None:
    def placed(samples: int, method: str) -> Json:
        return {**DESIGNED, "splits": {"train": {"samples": samples, "design": {"method": method}}, "test": 2}}

    pdemill.generate(placed(6, "sobol"), tmp_path / "s.zarr", workers=0)
    grown = pdemill.generate(placed(14, "sobol"), tmp_path / "s.zarr", workers=0)
    assert (grown.grown, grown.ok) == (True, True)
    pdemill.generate(placed(14, "sobol"), tmp_path / "whole.zarr", workers=0)
    assert pdemill.verify(tmp_path / "s.zarr").content == pdemill.verify(tmp_path / "whole.zarr", samples=0).content
    with pytest.raises(StoreMismatch, match="train of the store has another problem or design"):
        pdemill.generate(placed(20, "halton"), tmp_path / "s.zarr", workers=0)
    pdemill.generate(placed(6, "latin_hypercube"), tmp_path / "l.zarr", workers=0)
    with pytest.raises(StoreMismatch, match="placed by latin_hypercube, which cannot be extended"):
        pdemill.generate(placed(14, "latin_hypercube"), tmp_path / "l.zarr", workers=0)


def test_a_split_that_needs_another_method_is_refused(tmp_path: Path) -> None:
    small = {"problem": {"family": "darcy", "resolution": [64, 64]}, "splits": {"train": 2}}
    varies = {"coefficient": {"field": "expression", "formula": "1+x"}}
    pdemill.generate(small, tmp_path / "s.zarr", workers=0)
    before = pdemill.verify(tmp_path / "s.zarr", samples=0).content
    with pytest.raises(StoreMismatch, match=r"are solved by fft .* and with the new splits by direct"):
        pdemill.generate(
            {**small, "splits": {"train": 2, "ood": {"samples": 2, "problem": varies}}}, tmp_path / "s.zarr", workers=0
        )
    assert pdemill.verify(tmp_path / "s.zarr", samples=0).content == before
