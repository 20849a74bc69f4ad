"""The same samples on several grids, and to several tolerances, in one store."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError, StoreError
from pdemill.inspect import report
from pdemill.solvers.estimate import estimate
from pdemill.solvers.opening import open_work, plan_work, work_on
from pdemill.solvers.verify import verify
from pdemill.spec.load import validate
from pdemill.store.layout import MEASURED
from pdemill.store.root import read_attributes
from tests.service.api import serving, without_broker

POISSON: dict[str, Any] = {
    "family": "poisson",
    "resolution": [8, 8],
    "source": {"field": "gaussian", "alpha": 2, "modes": 8},
    "boundary": {"left": {"dirichlet": {"uniform": [0, 1]}}},
}
OOD = {"samples": 3, "problem": {"source": {"std": 2.0}}}
LOOSE = {"solver": {"rtol": 1e-3}, "certify": {"algebraic_rtol": 1e-2, "stored_rtol": 1e-2}}
SPEC: dict[str, Any] = {
    "problem": POISSON,
    "splits": {"train": {"samples": 5, "design": {"method": "sobol"}}, "ood": OOD},
    "solver": {"method": "cg"},
    "store": {"shard": 4},
    "certify": {"refine": 0},
    "fidelities": {"16": {"resolution": [16, 12]}, "loose": LOOSE},
}
WAVES: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [12],
        "initial": {"field": "sines", "terms": 2, "waves": [1, 2]},
        "time": {"times": [0.0, 0.05]},
    },
    "samples": 2,
    "fidelities": {"24": {"resolution": [24]}, "rough": {"solver": {"time_rtol": 1e-2}}},
}


def separate(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """The spec of one fidelity, as one would write it."""
    told = spec["fidelities"][name]
    own = {key: {**spec.get(key, {}), **told[key]} for key in ("solver", "certify") if key in told}
    problem = {**spec["problem"], **({"resolution": told["resolution"]} if "resolution" in told else {})}
    return {**{key: value for key, value in spec.items() if key != "fidelities"}, **own, "problem": problem}


def same(one: Path, group: str, other: Path, split: str) -> None:
    """All lasting arrays of two groups have the same bits."""
    mine: Any = zarr.open_group(one, mode="r")[group]
    theirs: Any = zarr.open_group(other, mode="r")[split]
    assert sorted(mine.array_keys()) == sorted(theirs.array_keys())
    for name in theirs.array_keys():
        if name not in MEASURED:
            assert np.asarray(mine[name][...]).tobytes() == np.asarray(theirs[name][...]).tobytes(), name


@pytest.mark.parametrize("spec", [SPEC, WAVES], ids=["fields", "trajectories"])
def test_each_has_the_bits_of_a_job_of_its_own(spec: dict[str, Any], tmp_path: Path) -> None:
    assert pdemill.generate(spec, tmp_path / "all", workers=0).ok
    for name in ("", *spec["fidelities"]):
        plain = {key: value for key, value in spec.items() if key != "fidelities"}
        assert pdemill.generate(separate(spec, name) if name else plain, tmp_path / f"own{name}", workers=0).ok
        for split in validate(spec).splits:
            group = f"{split}@{name}" if name else split
            same(tmp_path / "all", group, tmp_path / f"own{name}", split)
            mine, theirs = pdemill.open(tmp_path / "all", group), pdemill.open(tmp_path / f"own{name}", split)
            assert mine.shared().keys() == theirs.shared().keys()
            for key, values in theirs.shared().items():
                assert np.array_equal(mine.shared()[key], values)
            told = {key: value for key, value in theirs.attributes["plan"].items() if key != "bank"}
            assert mine.attributes["plan"] == told
    found = verify(tmp_path / "all", resolve=True)
    assert found.ok, found.faults
    reports = report(tmp_path / "all")[1]
    assert [row.split for row in reports] == list(validate(spec).groups)
    assert sum(row.certified for row in reports) == validate(spec).samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of SPEC, made in this process."""
    root = tmp_path_factory.mktemp("fidelities") / "s"
    assert pdemill.generate(SPEC, root, workers=0).ok
    return root


@pytest.mark.slow
def test_it_grows_at_all_of_them(made: Path, tmp_path: Path) -> None:
    train, ood = SPEC["splits"]["train"], SPEC["splits"]["ood"]
    larger = {**SPEC, "splits": {"train": {**train, "samples": 9}, "ood": {**ood, "samples": 4}, "test": 1}}
    copytree(made, tmp_path / "grown")
    for name in ("grown", "at once"):
        assert pdemill.generate(larger, tmp_path / name, workers=0).ok
    found = [verify(tmp_path / name) for name in ("grown", "at once")]
    assert all(one.ok for one in found), found
    assert len({one.content for one in found}) == 1


def test_workers_and_a_run_that_ended_early_change_nothing(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "early"
    root.mkdir()
    job, store = open_work(root, validate(SPEC))
    job, store = plan_work(job, store)
    store.create()
    for shard in list(store.layout.shards())[1::3]:
        work_on(job, store, shard, 1, lambda progress: None)
    assert pdemill.generate(SPEC, root, workers=2).ok
    found = [verify(path) for path in (root, made)]
    assert all(one.ok for one in found), found
    assert len({one.content for one in found}) == 1


def test_pairs_are_read_together(made: Path) -> None:
    root = made
    pairs = pdemill.paired(root, fidelities=["16", ""])
    assert len(pairs) == 5
    fine, coarse = pairs[3]
    assert (fine["y"].shape, coarse["y"].shape) == ((1, 16, 12), (1, 8, 8))
    for got, split in zip(pairs[[4, 0]], ("train@16", "train"), strict=True):
        assert np.array_equal(got["x"], pdemill.open(root, split)[[4, 0]]["x"])
    (first, _), _ = pairs.__getitems__([1, 2])
    assert np.array_equal(first["y"], pdemill.open(root, "train@16")[1]["y"])
    assert [data.split for data in pdemill.paired(root, "ood").datasets] == ["ood", "ood@16", "ood@loose"]
    params = [np.concatenate([d.column(s, "params") for s in d.shards]) for d in pairs.datasets]
    assert np.array_equal(params[0], params[1])
    here, there = (pdemill.open(root, split, sensors={"random": 4})[2] for split in ("train@16", "train"))
    assert np.array_equal(here["sensors"], there["sensors"])
    with pytest.raises(ValueError, match="fidelities should be a list of names"):
        pdemill.paired(root, fidelities="16")
    with pytest.raises(StoreError, match="has no fidelity '32'; it has 16, loose"):
        pdemill.paired(root, fidelities=["32", ""])


def test_one_is_exported(made: Path, tmp_path: Path) -> None:
    import h5py

    for name, cells in (("", 8), ("16", 16)):
        told = pdemill.export(made, tmp_path / f"well{name}", "well", fidelity=name)
        assert told.samples == {"train": 5, "ood": 3}
        with h5py.File(next(path for path in told.files if "train" in str(path))) as file:
            assert file["dimensions/x"].shape == (cells,)
    with pytest.raises(StoreError, match="has no fidelity 'fine'"):
        pdemill.export(made, tmp_path / "x", "well", fidelity="fine")


def test_a_server_serves_and_tells_of_each(made: Path, tmp_path: Path) -> None:
    with serving(without_broker(tmp_path / "data")) as api:
        job, dataset = api.finished(made)
        there = pdemill.paired(f"{api.url}/v1/datasets/{dataset}/store")
        assert np.array_equal(there[2][1]["y"], pdemill.open(made, "train@16")[2]["y"])
        results = api.get(f"/v1/jobs/{job}/results").json
        assert {row["split"]: row["certified"] for row in results["splits"]} == validate(SPEC).groups
        sample = api.get(f"/v1/jobs/{job}/samples/2?split=train@16").json
        assert (sample["split"], len(sample["y"]["u"])) == ("train@16", 16)
        for page in ("", "/gallery?split=train@16"):
            assert "train@16" in api.get(f"/jobs/{job}{page}").text
        assert api.get(f"/jobs/{job}/samples/ood@16/1.png").status == 200


def test_what_it_costs_counts_all_of_them() -> None:
    whole, parts = validate(SPEC), [validate({k: v for k, v in SPEC.items() if k != "fidelities"})]
    parts += [validate(separate(SPEC, name)) for name in SPEC["fidelities"]]
    costs = [estimate(one) for one in parts]
    found = estimate(whole)
    assert found.bytes == sum(cost.bytes for cost in costs)
    assert found.shards == sum(cost.shards for cost in costs) == len(list(open_layout(whole)))
    assert whole.samples == 24


def open_layout(spec: Any) -> Any:
    from pdemill.solvers.job import open_job

    return open_job(spec).layout.shards()


def test_a_store_tells_of_each(tmp_path: Path) -> None:
    assert pdemill.generate(WAVES, tmp_path / "s", workers=0).ok
    told = read_attributes(tmp_path / "s")["fidelities"]
    assert told["24"]["unknowns"] == 2 * read_attributes(tmp_path / "s")["unknowns"]
    assert told["rough"]["plan"]["time_rtol"] == 1e-2
    root = zarr.open_group(tmp_path / "s", mode="r")
    assert {"x", "x@24", "t"} <= set(root.array_keys())
    solution: Any = root["train@24/solution"]
    assert solution.metadata.dimension_names == ("sample", "solution_channel", "t", "x@24")
    assert pdemill.open(tmp_path / "s", "train@24").in_time


@pytest.mark.parametrize(
    ("fidelities", "message"),
    [
        ({"a b": {"resolution": [4, 4]}}, "fidelities.a b: is not a name for a fidelity"),
        ({"16": {}}, "fidelities.16: says nothing: give resolution, solver or certify"),
        ({"16": {"resolution": [16]}}, "fidelities.16.resolution: is not in 2 dimensions"),
        ({"16": {"resolution": [2, 2]}}, "fidelities.16.resolution[0]: should be greater than or equal to 4"),
        ({"16": {"problem": {}}}, "fidelities.16.problem: unknown key"),
        ({"16": {"resolution": {"h": 0.1}}}, "fidelities.16: would be solved by elements"),
        ({"16": {"solver": {"rtol": 2}}}, "fidelities.16.solver.rtol: should be less than or equal to 0.1"),
        ({"16": {"solver": {"method": "walks"}}}, "fidelities.16.solver.method"),
        ({"16": {"certify": {"refin": 1}}}, "fidelities.16.certify.refin: unknown key"),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(fidelities: Any, message: str) -> None:
    with pytest.raises(SpecError) as error:
        validate({**SPEC, "fidelities": fidelities})
    assert message in str(error.value)


def test_names_may_be_read_as_numbers() -> None:
    spec = {**SPEC, "fidelities": {16: {"resolution": [16, 16]}}}
    assert list(validate(spec).fidelities) == ["16"]
