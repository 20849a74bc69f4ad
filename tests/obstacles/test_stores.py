"""Stores of domains with obstacles: labels, masks, certificates, and what verify says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.cut_box import CutBoxGrid
from pdemill.spec import validate

type Json = dict[str, Any]
SCATTERED: Json = {"shape": "scattered", "of": {"shape": "disk", "radius": {"uniform": [0.1, 0.15]}}, "count": [1, 3]}


def spec(problem: Json, **more: Any) -> Json:
    known: Json = {"family": "darcy", "resolution": [24, 24], "coefficient": {"field": "lognormal"}}
    return {
        "problem": known | problem, "samples": 6, "solver": {"method": "multigrid"}, "certify": {"refine": 1.0},
    } | more  # fmt: skip


CASES = {
    "no flux": spec({"domain": {"without": [SCATTERED]}}),
    "given": spec({"domain": {"without": [SCATTERED]}, "boundary": {"obstacles": {"dirichlet": {"uniform": [1, 2]}}}}),
    "singular": spec(
        {"domain": {"without": [SCATTERED]}, "boundary": {"default": {"neumann": 0}}, "compatibility": "project",
         "source": {"field": "gaussian"}}
    ),
    "constant": spec(
        {"family": "poisson", "source": {"field": "gaussian"}, "coefficient": None,
         "domain": {"without": [{"shape": "disk"}]}}, solver={"method": "direct"},
    ),
}  # fmt: skip
CASES["constant"]["problem"].pop("coefficient")


@pytest.mark.parametrize("case", CASES)
def test_stores_hold_masks_and_zeros_and_are_verified(case: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    pdemill.generate(CASES[case], store, workers=0)
    report = pdemill.verify(store)
    assert not report.faults, report.faults
    group: Any = zarr.open_group(store, mode="r")
    channels = group.attrs["input_channels"]
    train, mask = group["train"], channels.index("mask")
    kept, u = train["input"][:, mask] > 0.0, train["solution"][:, 0]
    good = train["method"][:] > 0
    assert good.sum() >= 4
    job = FieldJob(validate(CASES[case]))
    assert isinstance(job.discretisation, CutBoxGrid)
    for sample in np.flatnonzero(good):
        assert np.array_equal(kept[sample], job.discretisation.kept(job.instance("train", int(sample))))
        assert not u[sample][~kept[sample]].any()
        assert u[sample][kept[sample]].all()
    assert "thin" in train["flags"].attrs["flag_meanings"]
    assert np.isfinite(train["error_estimate"][:][good]).all()
    if case == "given":
        assert channels == ["coefficient", "obstacles_dirichlet", "mask"]


@pytest.mark.parametrize("array", ["input", "solution"])
def test_what_is_changed_in_cut_cells_is_found(array: str, tmp_path: Path) -> None:
    from pdemill.solvers.field_check import check_certificates
    from pdemill.store.layout import Shard

    store = tmp_path / "store"
    pdemill.generate(CASES["no flux"], store, workers=0)
    job = FieldJob(validate(CASES["no flux"]))
    found: Any = zarr.open_group(store, mode="r")
    columns = {name: np.asarray(part[...]) for name, part in found["train"].arrays()}
    cut = np.argwhere(columns["input"][0, -1] == 0.0)[0]
    columns[array][(0, -1, *cut)] = 1.0
    forged = {"train": columns}
    faults = check_certificates(job, forged, Shard("train", 0, 0, 6), np.arange(6))  # type: ignore[arg-type]
    assert any(f"its {array}" in fault and "sample 0 " in fault for fault in faults), faults


def test_a_mask_of_ones_own_cuts_its_cells_on_every_grid(tmp_path: Path) -> None:
    """In space, where means over the nearest cells would lose the edges of a block."""
    solid = np.zeros((2, 6, 6, 6))
    solid[0, 2:5, 2:5, 2:5], solid[1, 1:4, 2:5, 3:6] = 1.0, 1.0
    np.save(tmp_path / "solid.npy", solid)
    own = {"shape": "solid", "mask": {"field": "array", "file": str(tmp_path / "solid.npy")}}
    data = {
        "problem": {"family": "poisson", "resolution": [6, 6, 6], "domain": {"without": [own]}},
        "samples": 2, "solver": {"method": "direct"},
    }  # fmt: skip
    store = tmp_path / "store"
    pdemill.generate(data, store, workers=0)
    assert not pdemill.verify(store).faults
    group: Any = zarr.open_group(store, mode="r")
    assert np.array_equal(group["train/input"][:, -1], 1.0 - solid)
    job = FieldJob(validate(group.attrs["spec"]))
    fine, grid = job.refined, job.discretisation
    assert isinstance(fine, CutBoxGrid)
    instance = job.instance("train", 1)
    assert np.array_equal(fine.kept(instance), np.kron(solid[1], np.ones((2, 2, 2))) == 0.0)
    assert grid.order_of(instance) == 2
    assert grid.coarsened() is None


def test_statistics_beside_exports_and_pictures_are_of_what_is_kept(tmp_path: Path) -> None:
    from io import BytesIO

    import yaml
    from matplotlib.image import imread

    from pdemill.service.pages.pictures import paint

    store = tmp_path / "store"
    pdemill.generate(CASES["constant"] | {"certify": {"refine": 0}}, store, workers=0)
    pdemill.export(store, tmp_path / "out", to="well")
    told = yaml.safe_load((tmp_path / "out" / "stats.yaml").read_text())
    of_store = pdemill.open(store).attributes["stats"]
    for channel in ("source", "mask", "u"):
        name = f"solution/{channel}" if channel == "u" else f"input/{channel}"
        assert told["mean"][channel] == pytest.approx(of_store[name]["mean"], rel=1e-6, abs=1e-9)
        assert told["std"][channel] == pytest.approx(of_store[name]["std"], rel=1e-6)
    picture = imread(BytesIO(paint(store, "train", 0, "light")))
    assert (np.abs(picture - [0.65, 0.65, 0.65, 1.0]) < 0.01).all(axis=2).mean() > 0.01  # cut cells, on any page
