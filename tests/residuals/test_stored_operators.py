"""Operators that a store keeps, for whom nothing else can make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import pdemill
from pdemill.errors import SpecError, StoreError
from pdemill.solvers.estimate import estimate
from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate

MESH = {
    "family": "thermal", "resolution": {"h": 0.12}, "coefficient": {"field": "lognormal", "std": 0.5},
    "boundary": {"default": {"dirichlet": 3.25}, "left": {"neumann": 1.0}},
}  # fmt: skip
CUT = {
    "family": "convection_diffusion", "resolution": [10, 8], "velocity": [1.0, {"field": "gaussian"}],
    "domain": {"without": [{"shape": "disk", "radius": {"uniform": [0.1, 0.2]}}]},
}  # fmt: skip


def spec_of(problem: dict[str, Any]) -> dict[str, Any]:
    return {
        "problem": problem, "splits": {"train": 3, "test": 2}, "store": {"operator": True, "dtype": "float64"},
        "solver": {"method": "direct"}, "certify": {"refine": 0},
    }  # fmt: skip


@pytest.fixture(scope="module", params=[MESH, CUT], ids=["mesh", "obstacles"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    store = tmp_path_factory.mktemp("operators") / "store.zarr"
    spec = spec_of(request.param)
    assert not pdemill.generate(spec, store, workers=0).failures
    return spec, store


def test_they_are_those_that_were_solved(made: tuple[dict[str, Any], Path]) -> None:
    """The level 3.25 of the mesh, without which it is solved, is in b."""
    spec, store = made
    job, data = FieldJob(validate(spec)), pdemill.open(store, "test")
    unknowns = data.shared()["operator_unknowns"]
    numbers = np.random.default_rng(0)
    for number in range(2):
        equation = job.discretisation.equation(job.instance("test", number))
        matrix, rhs = data.operator(number)
        u = numbers.standard_normal(len(unknowns))
        exact = equation.linearised(u).matrix
        assert np.abs(matrix.data - exact.values).max() <= 1e-13 * np.abs(exact.values).max()
        assert np.abs(rhs - matrix @ u - equation.residual(u)).max() <= 1e-13 * np.abs(rhs).max()
        label = np.asarray(xarray.open_zarr(store, group="test")["solution"][number]).reshape(-1)[unknowns]
        assert np.abs(rhs - matrix @ label).max() <= 1e-11 * np.abs(rhs).max()
    with pytest.raises(IndexError):
        data.operator(2)


def test_batches_hold_what_residuals_need(made: tuple[dict[str, Any], Path]) -> None:
    spec, store = made
    job, data = FieldJob(validate(spec)), pdemill.open(store)
    batch = {key: values.astype(np.float64) for key, values in data[:].items()}
    residual = pdemill.residual(store)
    left = residual(batch["operator"], batch["rhs"], batch["y"])
    assert left.shape == batch["y"].shape
    assert np.abs(left).max() <= 1e-5 * np.abs(batch["rhs"]).max()  # the reader's values are of float32
    matrix, rhs = data.operator(1)
    u = np.random.default_rng(1).standard_normal((1, *batch["y"].shape[1:]))
    found = residual(matrix.data[None], rhs[None], u)[0]
    equation = job.discretisation.equation(job.instance("train", 1))
    expected = equation.residual(job.discretisation.from_fields(u[0]))
    assert np.abs(job.discretisation.from_fields(found) - expected).max() <= 1e-13 * np.abs(expected).max()
    given = np.ones(u[0].size, dtype=bool)
    given[data.shared()["operator_unknowns"]] = False
    assert not found.reshape(-1)[given].any()


def test_energies_of_symmetric_ones(made: tuple[dict[str, Any], Path]) -> None:
    spec, store = made
    residual: Any = pdemill.residual(store)
    matrix, rhs = pdemill.open(store).operator(0)
    u, way = np.random.default_rng(2).standard_normal((2, 1, *pdemill.open(store)[0]["y"].shape))
    batch = matrix.data[None], rhs[None]
    if spec["problem"] is CUT:
        with pytest.raises(SpecError, match="has no energy"):
            residual.energy(*batch, u)
        return
    change = (residual.energy(*batch, u + way) - residual.energy(*batch, u - way)) / 2.0
    assert change[0] == pytest.approx(-(residual(*batch, u) * way).sum(), rel=1e-9)


def test_they_are_verified(made: tuple[dict[str, Any], Path]) -> None:
    assert not pdemill.verify(made[1], resolve=True).faults


def test_their_bytes_are_told_beforehand() -> None:
    spec = validate({**spec_of({**MESH, "resolution": {"h": 0.02}}), "store": {"operator": True}})
    pattern = FieldJob(spec).discretisation.pattern
    cost = estimate(spec)
    assert cost.operator_bytes == pytest.approx(5 * 4 * (len(pattern.indices) + pattern.size), rel=0.1)
    assert cost.bytes - cost.operator_bytes == estimate(validate({**spec.model_dump(), "store": {}})).bytes


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ({"family": "darcy", "resolution": [8, 8]}, "pdemill.residual makes it of the spec"),
        ({"family": "semilinear", "resolution": [8, 8], "reaction": {"law": "u**3"}}, "depends on u"),
        ({"family": "heat", "resolution": [8, 8], "initial": 1.0, "time": {"end": 1.0, "intervals": 2}}, "no one"),
        ({"family": "poisson", "domain": {"shape": "box", "lengths": [1.0, 1.0]}, "points": {"random": 4}}, "no one"),
    ],
)
def test_they_are_refused_where_there_are_none_to_keep(problem: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as refused:
        pdemill.residual({"problem": problem, "samples": 2, "store": {"operator": True}})
    assert refused.value.faults[0].path == ("store", "operator")


def test_a_store_without_them_says_so(darcy_store: Path) -> None:
    with pytest.raises(StoreError, match="keeps no operators"):
        pdemill.open(darcy_store).operator(0)
    with pytest.raises(SpecError, match="give the store"):
        pdemill.residual(spec_of(MESH))


def test_streams_give_them_too() -> None:
    sample = next(iter(pdemill.stream(spec_of(CUT), workers=0)))
    assert np.shape(sample["operator"]) == (364,)
    assert np.shape(sample["rhs"]) == (80,)
