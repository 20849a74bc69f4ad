"""Coefficients that jump, or vary by much within a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.weak.mesh import EDGES, box_mesh
from pdemill.solvers.weak.ranges import extremes
from pdemill.spec import validate
from tests.weak.problems import POISSON, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx")
DARCY = POISSON | {"unknowns": {"u": "P2"}, "form": "k*inner(grad(u), grad(v))*dx - v*dx"}
TWO_PHASES = {"field": "threshold", "low": 1.0, "high": 1000.0, "of": {"field": "gaussian", "alpha": 2.0, "tau": 3.0}}


def test_those_that_jump_have_one_value_in_each_cell() -> None:
    """The maximum principle holds as it does not where P2 elements overshoot."""
    job = opened(DARCY | {"coefficients": {"k": TWO_PHASES}})
    fields, _ = solved(job)
    assert fields.min() > -1e-12
    (k,) = job.discretisation.packed(job.instance("train", 0)).values.values()  # type: ignore[attr-defined]
    assert set(np.unique(k)) == {1.0, 1000.0}
    assert len(k) == 2 * 8 * 8


def test_what_changes_its_sign_between_nodes_is_refused(tmp_path: Path) -> None:
    """tanh jumps within a cell: P2 elements interpolate it to values below 0."""
    steep = formula("1 + 999/(1 + exp(-200*(x - 0.52)))")
    spec: dict[str, Any] = {"problem": DARCY | {"coefficients": {"k": steep}}, "samples": 1}
    report = pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    (failure,) = report.failures
    assert "k has one sign at all nodes, and reaches -" in str(failure)
    fine = spec | {"problem": spec["problem"] | {"cellwise": ["k"]}}
    assert pdemill.generate(fine, tmp_path / "t.zarr", workers=0).ok


@pytest.mark.parametrize("shape", [(2, 2), (1, 1, 1)])
def test_extremes_of_quadratic_functions(shape: tuple[int, ...]) -> None:
    """Against values at many points of every cell."""
    d = len(shape)
    mesh = box_mesh(shape, (1.0,) * d)
    cells = mesh.cell_nodes(2)
    dice = np.random.default_rng(0)
    steps = 60 if d == 2 else 24
    grid = np.stack(np.meshgrid(*[np.arange(steps + 1)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    inner = grid[grid.sum(axis=1) <= steps] / steps
    corners = np.concatenate([1.0 - inner.sum(axis=1, keepdims=True), inner], axis=1)
    shapes = [corners[:, i] * (2.0 * corners[:, i] - 1.0) for i in range(d + 1)]
    shapes += [4.0 * corners[:, i] * corners[:, j] for i, j in EDGES[d]]
    for _ in range(20):
        nodal = dice.standard_normal(len(mesh.nodes(2))) + 2.0
        found = nodal[cells] @ np.array(shapes)
        least, most = extremes(nodal, cells, d)
        assert least == pytest.approx(found.min(), abs=0.02)
        assert most == pytest.approx(found.max(), abs=0.02)
        assert least <= found.min() + 1e-12
        assert most >= found.max() - 1e-12


def test_splits_have_their_own_coefficients(tmp_path: Path) -> None:
    spec: dict[str, Any] = {
        "problem": DARCY | {"coefficients": {"k": {"uniform": [1.0, 2.0]}}},
        "splits": {"train": 1, "far": {"samples": 1, "problem": {"coefficients": {"k": {"uniform": [8.0, 9.0]}}}}},
    }
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    near, far = (float(pdemill.open(tmp_path / "s.zarr", split=split)[0]["y"].max()) for split in ("train", "far"))
    assert near > 3.0 * far
    spec["splits"]["far"]["problem"] = {"coefficients": {"k": {"field": "lognormal", "std": 0.5}}}
    with pytest.raises(SpecError, match=r"splits\.far\.problem\.coefficients\.k: is a field here and a number in"):
        validate(spec)
