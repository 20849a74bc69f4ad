"""Flags of samples against known answers; they are stored, counted, checked again, and read by others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr
from scipy.sparse.linalg import spsolve

import pdemill
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.flags import FLAGS, Evidence, StoredField, counts, disputed, told
from pdemill.solvers.operators.equation import LinearEquation
from pdemill.spec import validate
from pdemill.store.disk import LocalDisk
from pdemill.store.layout import Shard
from pdemill.store.manifest import read

type Json = dict[str, Any]

PECLET, ESTIMATE, RESIDUAL, LEVEL, ORDER = 1, 2, 4, 8, 16
WIND: Json = {"family": "convection_diffusion", "resolution": [16, 8], "source": 1}


def field_of(problem: Json) -> StoredField:
    """The first sample of a problem, its unknowns left open."""
    job = FieldJob(validate({"problem": problem, "samples": 1}))
    instance = job.instance("train", 0)
    return StoredField(job.discretisation, instance, job.discretisation.equation(instance), np.empty(0))


def flags_of(problem: Json, unknowns: Array | None = None) -> int:
    found = field_of(problem)
    size = found.grid.pattern.size
    return told(Evidence({}, replace(found, unknowns=np.sin(np.arange(size)) if unknowns is None else unknowns)))


def test_names_masks_and_texts_are_those_of_one_table() -> None:
    """What stores hold does not change its meaning: a new flag takes the next bit."""
    masks = {flag.name: flag.mask for flag in FLAGS}
    assert list(masks.values()) == [1 << bit for bit in range(len(FLAGS))]
    assert masks.items() >= {"peclet": 1, "estimate": 2, "residual": 4, "level": 8, "order": 16}.items()


@pytest.mark.parametrize(
    ("changed", "flagged"),
    [
        ({"velocity": [31, 0]}, False),  # |b| h / k = 31 / 16
        ({"velocity": [33, 0]}, True),
        ({"velocity": [-33, 0]}, True),
        ({"velocity": [0, 15]}, False),  # 15 / 8
        ({"velocity": [0, 17]}, True),
        ({"velocity": [33, 0], "coefficient": 2}, False),
        ({"velocity": [33, 0], "coefficient": {"diagonal": [1, 100]}}, True),
        ({"velocity": [33, 0], "coefficient": {"diagonal": [2, 0.1]}}, False),
        ({"velocity": [33, 0], "domain": {"lengths": [0.5, 1]}}, False),
        ({"velocity": [{"field": "expression", "formula": "34*x"}, 0]}, True),  # 34 x at x = 31 / 32
        ({"velocity": [{"field": "expression", "formula": "33*x"}, 0]}, False),
    ],
)
def test_the_cell_peclet_number_of_grids(changed: Json, flagged: bool) -> None:
    assert bool(flags_of(WIND | changed) & PECLET) == flagged


@pytest.mark.parametrize(("velocity", "k", "flagged"), [(1.9, 1, False), (2.1, 1, True), (2.1, 1.2, False)])
def test_the_cell_peclet_number_of_meshes(velocity: float, k: float, flagged: bool) -> None:
    """It is that of the triangle with the longest edge."""
    problem = WIND | {"resolution": {"h": 0.2}, "velocity": [0, 1], "coefficient": {"diagonal": [50, k]}}
    mesh: Any = field_of(problem).grid
    corners = mesh.mesh.points[mesh.mesh.cells]
    longest = max(np.linalg.norm(corners[:, i] - corners[:, j], axis=1).max() for i, j in ((0, 1), (1, 2), (0, 2)))
    assert bool(flags_of(problem | {"velocity": [0, velocity / longest]}) & PECLET) == flagged


def test_without_convection_there_is_no_peclet_number() -> None:
    assert not flags_of({"family": "darcy", "resolution": [8, 8]}) & PECLET


@pytest.mark.parametrize(
    ("columns", "flags"),
    [
        ({"error_estimate": 0.099}, 0), ({"error_estimate": 0.101}, ESTIMATE), ({"error_estimate": np.nan}, 0),
        ({"error_order": 1.01}, 0), ({"error_order": 0.99}, ORDER), ({"error_order": -0.5}, ORDER),
        ({"error_order": 0.0}, ORDER), ({"error_order": np.nan}, 0), ({}, 0),
    ],
)  # fmt: skip
def test_flags_of_columns(columns: Json, flags: int) -> None:
    assert told(Evidence(columns)) == flags


def with_residual(cells: int, residual: Array) -> int:
    """The flags of a solution on a line that leaves this residual."""
    found = field_of({"family": "poisson", "resolution": [cells], "source": 1})
    assert isinstance(found.equation, LinearEquation)
    system = found.equation.system
    unknowns = spsolve(system.matrix.sparse().tocsc(), system.rhs - residual)
    return told(Evidence({}, replace(found, unknowns=unknowns))) & RESIDUAL


@pytest.mark.parametrize(("cells", "rows", "part", "flagged"), [
    (300, 3, 0.91, True), (300, 3, 0.89, False), (300, 4, 0.91, False), (300, 1, 0.91, True), (99, 1, 0.99, False),
])  # fmt: skip
def test_few_rows_are_one_in_a_hundred_and_dominate_by_nine_tenths(
    cells: int, rows: int, part: float, flagged: bool
) -> None:
    squares = np.full(cells, (1.0 - part) / (cells - rows))
    squares[cells // 2 : cells // 2 + rows] = part / rows
    assert bool(with_residual(cells, 1e-3 * np.sqrt(squares))) == flagged


def test_residuals_of_rounding_to_float64_have_no_dominating_rows() -> None:
    residual = np.zeros(300)
    residual[7] = 1.0
    assert with_residual(300, 1e-3 * residual)
    assert not with_residual(300, 1e-13 * residual)


@pytest.mark.parametrize(("level", "flagged"), [(0, False), (99.9, False), (100.1, True), (-100.1, True), (1e6, True)])
def test_a_level_is_large_above_a_hundred_times_what_varies(level: float, flagged: bool) -> None:
    problem = {"family": "poisson", "resolution": [8, 8]}
    assert bool(flags_of(problem, level + np.tile([1.0, -1.0], 32)) & LEVEL) == flagged


def test_constants_are_all_level_and_zeros_none() -> None:
    problem = {"family": "poisson", "resolution": [8, 8]}
    assert flags_of(problem, np.full(64, 3.0)) & LEVEL
    assert not flags_of(problem, np.zeros(64)) & LEVEL


def test_the_level_of_meshes_is_weighted_by_area() -> None:
    problem = {
        "family": "poisson",
        "resolution": {"h": 0.2},
        "boundary": {"default": {"robin": {"coefficient": 1, "value": 0}}},
    }
    points: Any = field_of(problem).grid.points
    linear = 12**0.5 * (points.coordinates["x"] - 0.5)  # of norm 1 and mean 0 on the unit square
    assert not flags_of(problem, 99.9 + linear) & LEVEL
    assert flags_of(problem, 100.1 + linear) & LEVEL


def test_bits_near_their_limit_may_be_either_elsewhere() -> None:
    near, far = Evidence({"error_estimate": 0.101}), Evidence({"error_estimate": 0.2})
    assert disputed(near, 0, here=True) == disputed(far, 0, here=False) == ["estimate"]
    assert disputed(near, 0, here=False) == disputed(far, ESTIMATE, here=True) == []
    assert disputed(far, ESTIMATE | 1024, here=True) == ["an unknown bit"]


def test_certified_rows_are_counted() -> None:
    arrays = {"method": np.array([1, 0, 2, 1]), "flags": np.array([3, 2, 2, 0])}
    assert counts(arrays) == {"flagged": 2, "flags": {"peclet": 1, "estimate": 2}}
    assert counts({"method": np.array([1])}) == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_store_tells_counts_and_checks_them(tmp_path: Path, dtype: str) -> None:
    """A constant velocity of 20 to 44 on cells of 1 / 16: half of the samples have a number above 2."""
    spec = {
        "problem": WIND | {"resolution": [16, 16], "velocity": [{"uniform": [20, 44]}, 0], "flux": "central"},
        "samples": 8,
        "store": {"dtype": dtype}, "certify": {"refine": 1},
    }  # fmt: skip
    store = tmp_path / "a.zarr"
    assert pdemill.generate(spec, store, workers=0).ok
    group: Any = zarr.open_group(store, mode="r")["train"]
    expected = PECLET * (group["params"][:, 0] > 32) + ESTIMATE * (group["error_estimate"][...] > 0.1)
    assert group["flags"][...].tolist() == expected.tolist()
    assert 0 < np.count_nonzero(expected & PECLET) < 8
    manifest = read(LocalDisk(store), Shard("train", 0, 0, 8))
    assert manifest is not None
    assert manifest.summary["flagged"] == np.count_nonzero(expected)
    assert manifest.summary["flags"]["peclet"] == np.count_nonzero(expected & PECLET)
    assert pdemill.verify(store).ok
    assert pdemill.open(store).flags.names(3) == ("peclet", "estimate")


def test_the_order_that_was_observed_is_flagged_below_one(tmp_path: Path) -> None:
    problem = {"family": "poisson", "resolution": [16, 16], "source": {"field": "gaussian", "alpha": 1.05, "tau": 1}}
    store = tmp_path / "a.zarr"
    assert pdemill.generate({"problem": problem, "samples": 8, "certify": {"refine": 1}}, store, workers=0).ok
    group: Any = zarr.open_group(store, mode="r")["train"]
    orders, flagged = group["error_order"][...], (group["flags"][...] & ORDER) > 0
    assert np.isnan(orders).any()
    assert 0 < np.count_nonzero(orders < 1) < np.count_nonzero(orders > 0)
    assert flagged.tolist() == (orders < 1).tolist()
    assert pdemill.verify(store).ok


def test_xarray_keeps_what_flags_mean(tmp_path: Path) -> None:
    problem = {"family": "darcy", "resolution": [8, 8], "boundary": {"default": {"dirichlet": 20}}}
    pdemill.generate({"problem": problem, "samples": 2, "store": {"dtype": "float64"}}, tmp_path / "a.zarr", workers=0)
    flags = xarray.open_datatree(tmp_path / "a.zarr", engine="zarr")["train"]["flags"]
    assert flags.dtype == np.int32
    assert np.asarray(flags).tolist() == [LEVEL] * 2
    masks = dict(zip(flags.attrs["flag_meanings"].split(), flags.attrs["flag_masks"], strict=True))
    known = [flag for flag in FLAGS if not flag.of_obstacles]
    assert masks == {flag.name: flag.mask for flag in known}
    assert flags.attrs["flag_descriptions"] == [flag.text for flag in known]


def test_a_level_in_float64_passes_its_check(tmp_path: Path) -> None:
    """The residual was certified before the level was added, which rounds u."""
    problem = {"family": "darcy", "resolution": [16, 16], "boundary": {"default": {"dirichlet": 1e4}}}
    pdemill.generate({"problem": problem, "samples": 2, "store": {"dtype": "float64"}}, tmp_path / "a.zarr", workers=0)
    assert pdemill.verify(tmp_path / "a.zarr").faults == ()


def test_samples_without_a_solution_have_no_flags(tmp_path: Path) -> None:
    """The level is lost in float32."""
    problem = {"family": "darcy", "resolution": [8, 8], "boundary": {"default": {"dirichlet": 1e4}}}
    assert pdemill.generate({"problem": problem, "samples": 2}, tmp_path / "a.zarr", workers=0).failures
    group: Any = zarr.open_group(tmp_path / "a.zarr", mode="r")["train"]
    assert group["flags"][...].tolist() == [0, 0]


def test_points_are_flagged_by_their_standard_errors(tmp_path: Path) -> None:
    spec = {
        "problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 8},
                    "boundary": {"boundary": {"dirichlet": {"field": "expression", "formula": "a*x+1",
                                                            "where": {"a": {"uniform": [0, 8]}}}}}},
        "samples": 8, "solver": {"method": "walks", "walks": 32},
    }  # fmt: skip
    assert pdemill.generate(spec, tmp_path / "a.zarr", workers=0).ok
    group: Any = zarr.open_group(tmp_path / "a.zarr", mode="r")["train"]
    expected = ESTIMATE * (group["error_estimate"][...] > 0.1)
    assert group["flags"][...].tolist() == expected.tolist()
    assert 0 < np.count_nonzero(expected) < 8
    assert pdemill.verify(tmp_path / "a.zarr").ok
