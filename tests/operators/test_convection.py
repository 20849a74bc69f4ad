"""Convection at all cell Peclet numbers: which flux, its matrix, exact layers, honest estimates."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse.linalg import spsolve

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.certify import discretisation_error
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.convection import WEIGHTS
from pdemill.spec import validate
from tests.operators.test_grid_orders import GRIDS, SIDES, Equation, _problem
from tests.spectral.test_trajectories import arrays

if TYPE_CHECKING:
    from tests.operators.conftest import Begin, Solve

MONOTONE = ("upwind", "fitted")


def formula(text: str) -> dict[str, str]:
    return {"field": "expression", "formula": text}


def job_of(**keys: Any) -> FieldJob:
    problem = {"family": "convection_diffusion", **keys}
    return FieldJob(validate({"problem": problem, "samples": 4}))


def grid_of(job: FieldJob) -> BoxGrid:
    assert isinstance(job.discretisation, BoxGrid)
    return job.discretisation


def solution(job: FieldJob, refined: bool = False) -> Array:
    """That of the first sample, by SuperLU."""
    grid = job.refined if refined else job.discretisation
    system = grid.assemble(job.instance("train", 0))
    return np.asarray(spsolve(system.matrix.sparse().tocsc(), system.rhs).reshape(grid.points.shape))


def errors(job: FieldJob, exact: Array) -> tuple[float, float]:
    """The true relative error and its estimate."""
    u, grid = solution(job), grid_of(job)
    order = grid.order_of(job.instance("train", 0))
    estimate = discretisation_error(u, grid.restrict(solution(job, refined=True)), order)
    return float(np.linalg.norm(u - exact) / np.linalg.norm(exact)), estimate


def test_weights_are_consistent() -> None:
    """Exact for linear u, and central ones for small z."""
    z = np.array([-1e4, -30.0, -1.0, -1e-3, 0.0, 1e-12, 1e-3, 1.0, 30.0, 1e4])
    for name, weight in WEIGHTS.items():
        np.testing.assert_allclose(weight(-z) - weight(z), z, rtol=1e-12, atol=1e-13, err_msg=name)
    assert all((WEIGHTS[name](z) >= 0.0).all() for name in MONOTONE)
    np.testing.assert_allclose(WEIGHTS["fitted"](z[3:7]), WEIGHTS["central"](z[3:7]), atol=1e-6 / 12.0)


def test_a_spec_that_names_no_flux_has_the_hash_that_it_had() -> None:
    problem = {"family": "convection_diffusion", "resolution": [8], "velocity": [1.0]}
    plain = validate({"problem": problem, "samples": 1})
    assert "flux" not in plain.canonical()
    assert plain.sha256() == "efbeed7fcf608e8851a0172e011ccb56ecc5af97914c7a007192554b69ff1632"
    named = {flux: validate({"problem": {**problem, "flux": flux}, "samples": 1}) for flux in ("auto", *WEIGHTS)}
    hashes = {flux: spec.sha256() for flux, spec in named.items()}
    assert hashes["auto"] == plain.sha256()
    assert len(set(hashes.values())) == 4


def test_auto_is_central_up_to_a_cell_peclet_number_of_2_and_decides_by_sample() -> None:
    keys: dict[str, Any] = {"resolution": [16, 8], "velocity": [{"uniform": [16, 48]}, 1.0]}
    job, central, fitted = job_of(**keys), job_of(**keys, flux="central"), job_of(**keys, flux="fitted")
    seen = set()
    for number in range(4):
        instance = job.instance("train", number)
        steep = grid_of(job).cell_peclet(instance) > 2.0
        seen.add(steep)
        other = fitted if steep else central
        for refined in (False, True):
            mine, theirs = ((one.refined if refined else one.discretisation).assemble(one.instance("train", number))
                            for one in (job, other))  # fmt: skip
            assert mine.matrix.values.tobytes() == theirs.matrix.values.tobytes()
            assert mine.rhs.tobytes() == theirs.rhs.tobytes()
        coarser = job.discretisation.coarsened()
        assert isinstance(coarser, BoxGrid)
        assert coarser.flux_of(instance) == ("fitted" if steep else "central")
    assert seen == {False, True}


def test_stores_of_schema_1_keep_central_differences() -> None:
    job, central = job_of(resolution=[16], velocity=[100]), job_of(resolution=[16], velocity=[100], flux="central")
    old = job.of_schema(1)
    for mine, theirs in ((old.discretisation, central.discretisation), (old.refined, central.refined)):
        one, other = (grid.assemble(job.instance("train", 0)).matrix for grid in (mine, theirs))
        assert one.values.tobytes() == other.values.tobytes()


@pytest.mark.parametrize("flux", MONOTONE)
@pytest.mark.parametrize(("sides", "dimension"), list(product(SIDES, GRIDS)))
def test_matrices_are_m_matrices(sides: str, dimension: int, flux: str, begin: Begin) -> None:
    problem, _ = _problem(Equation("convection_diffusion", k="diagonal", velocity=("3*sin(9*x)",) * 3, reaction="0.1"),
                          SIDES[sides], dimension)  # fmt: skip
    problem["velocity"] = [formula(f"300*sin({9 + i}*x)") for i in range(dimension)]
    job = begin(problem | {"resolution": (7, 6, 5)[:dimension], "flux": flux})
    matrix = job.discretisation.assemble(job.instance("train", 0)).matrix.sparse().toarray()
    off = matrix - np.diag(matrix.diagonal())
    assert off.max() <= 0.0
    assert (matrix.sum(axis=1) >= 0.1 - 1e-12 * matrix.diagonal()).all()


@pytest.mark.parametrize(
    ("flux", "order", "sides", "dimension"),
    [("fitted", 2.0, sides, n) for sides, n in product(("mixed", "robin", "mixed with periodic"), GRIDS)]
    + [("upwind", 1.0, "robin", n) for n in GRIDS],
)
def test_order(flux: str, order: float, sides: str, dimension: int, begin: Begin, solve: Solve) -> None:
    equation = Equation("convection_diffusion", k="scalar", velocity=("-2-x", "1+x**2", "x"), reaction="0.7")
    problem, u = _problem(equation, SIDES[sides], dimension)
    off = []
    for shape in GRIDS[dimension]:
        job = begin(problem | {"resolution": shape, "flux": flux})
        exact = u.at(shape)
        off.append(np.linalg.norm(solve(job, job.discretisation).field - exact) / np.linalg.norm(exact))
    slope = np.polyfit(np.log([1 / shape[0] for shape in GRIDS[dimension]]), np.log(off), 1)[0]
    assert slope >= 0.9 * order, off


def layered(x: Array, b: float) -> Array:
    """-u'' + b u' = b, u = 0 at both ends."""
    return np.asarray(x - np.exp(b * (x - 1.0)) * (1.0 - np.exp(-b * x)) / (1.0 - np.exp(-b)))


@pytest.mark.parametrize("b", [-1e3, 1.0, 100.0, 200.0, 1e3, 1e5])
def test_layers_on_a_line(b: float) -> None:
    """A layer that the grid of 64 cells resolves, or does not: the truth is at most 3 times the estimate."""
    job = job_of(resolution=[64], velocity=[b], source=abs(b))
    x = grid_of(job).centres["x"]
    true, estimate = errors(job, layered(x if b > 0 else 1.0 - x, abs(b)))
    assert true <= 3.0 * estimate + 1e-12
    assert true < 0.06
    if abs(b) >= 1e3:
        assert true < 1e-3
        poor, _ = errors(job_of(resolution=[64], velocity=[abs(b)], source=abs(b), flux="central"), layered(x, abs(b)))
        assert poor > 1.0


@pytest.mark.parametrize("b", [30.0, 100.0, 200.0, 1e3, 1e5])
def test_layers_beside_what_is_smooth(b: float) -> None:
    """First order where the layer is not resolved; away from it a few per cent."""
    source = formula(f"{b!r}*(2*cos(2*x) + 1) + 4*sin(2*x)")
    job = job_of(resolution=[32], velocity=[b], source=source)
    x = grid_of(job).centres["x"]
    exact = np.sin(2.0 * x) + x - (np.sin(2.0) + 1.0) * np.exp(b * (x - 1.0))
    true, estimate = errors(job, exact)
    assert 0.5 * estimate <= true <= 2.0 * estimate
    assert true < 0.05
    away = x < 0.9
    assert np.abs(solution(job) - exact)[away].max() < 0.05 * np.abs(exact).max()


def test_a_jump_that_is_carried_across() -> None:
    """Upwind for k = 1e-5 |b|: the jump is smeared, nothing rings, and the estimate is within a factor of 3."""
    sides = {
        "left": {"dirichlet": formula("0.5*(1+sign(0.3-y))")},
        "bottom": {"dirichlet": 1},
        "default": {"neumann": 0},
    }
    for cells in (32, 64):
        job = job_of(resolution=[cells, cells], velocity=[1e5, 5e4], source=0, boundary=sides)
        x, y = np.meshgrid(*grid_of(job).centres.values(), indexing="ij")
        exact = (y - 0.5 * x < 0.3).astype(float)
        u, (true, estimate) = solution(job), errors(job, exact)
        assert -1e-12 <= u.min() <= u.max() <= 1.0 + 1e-12
        assert true <= 3.0 * estimate
    away = np.abs(y - 0.5 * x - 0.3) > 0.15
    assert np.abs(u - exact)[away].max() < 0.1


def test_a_store_is_certified_flagged_and_verified_where_central_differences_miss_the_limit(tmp_path: Path) -> None:
    problem: dict[str, Any] = {
        "family": "convection_diffusion", "resolution": [64], "velocity": [{"uniform": [20, 1000]}], "source": 100,
    }  # fmt: skip
    spec = {"problem": problem, "samples": 8, "certify": {"error_rtol": 0.1}}
    assert not pdemill.generate(spec, tmp_path / "auto.zarr", workers=0).failures
    assert pdemill.verify(tmp_path / "auto.zarr", resolve=True).faults == ()
    columns = arrays(tmp_path / "auto.zarr")
    np.testing.assert_array_equal(columns["flags"] & 1, columns["params"][:, 0] / 64.0 > 2.0)
    assert np.nanmax(columns["error_estimate"]) < 0.1
    poor = pdemill.generate({**spec, "problem": {**problem, "flux": "central"}}, tmp_path / "poor.zarr", workers=0)
    assert {failure.reason.split(":")[0] for failure in poor.failures} == {"UNRESOLVED"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"resolution": {"h": 0.2}, "flux": "upwind"},
            "problem.flux: the discretiser elements takes convection in its",
        ),
        ({"resolution": [8, 8], "flux": "limited"}, "problem.flux: "),
        ({"resolution": [8, 8], "family": "darcy", "velocity": None, "flux": "upwind"}, "flux: unknown key"),
    ],
)
def test_what_is_not_supported_is_refused(keys: dict[str, Any], told: str) -> None:
    problem = {"family": "convection_diffusion", "velocity": [1, 0], **keys}
    problem = {name: value for name, value in problem.items() if value is not None}
    with pytest.raises(SpecError, match=told):
        validate({"problem": problem, "samples": 1})
