"""Restriction from the refined grid, the error estimate that rests on it, and the certificate of a residual."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.certify import discretisation_error, rounding_residual
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import LinearEquation, relative_residual
from pdemill.solvers.operators.system import Matrix, Pattern, System

if TYPE_CHECKING:
    from tests.operators.conftest import Begin, Solve

LENGTHS = (1.3, 0.7, 1.1)
PERIODIC = {"left": "periodic", "right": "periodic"}
U, U_X, U_Y = "sin(2*x+0.3)*cos(y)", "2*cos(2*x+0.3)*cos(y)", "-sin(2*x+0.3)*sin(y)"
K, M = "(1.5+0.5*sin(x+2*y))", "0.5*cos(x+2*y)"


def _expression(formula: str) -> dict[str, str]:
    return {"field": "expression", "formula": formula}


def _problem(resolution: tuple[int, ...], boundary: dict[str, Any]) -> dict[str, Any]:
    domain = {"lengths": LENGTHS[: len(resolution)]}
    return {"family": "poisson", "resolution": resolution, "domain": domain, "boundary": boundary}


def _centres(grid: Discretisation) -> list[Array]:
    axes = [values for _, (_, values) in grid.arrays().items()]
    return [np.asarray(x, dtype=np.float64) for x in np.meshgrid(*axes, indexing="ij")]


@pytest.mark.parametrize("resolution", [(4,), (7,), (4, 5), (7, 6), (4, 5, 6)])
def test_cubics_are_restricted_exactly(resolution: tuple[int, ...], begin: Begin) -> None:
    job = begin(_problem(resolution, {}))
    powers = list(product(range(4), repeat=len(resolution)))
    factors = np.random.default_rng(0).normal(size=len(powers))

    def cubic(grid: Discretisation) -> Array:
        x = _centres(grid)
        monomials = [np.prod([x_i**p for x_i, p in zip(x, power, strict=True)], axis=0) for power in powers]
        return np.asarray(np.tensordot(factors, monomials, axes=1))

    exact = cubic(job.discretisation)
    restricted = job.discretisation.restrict(cubic(job.refined))
    assert restricted.shape == resolution
    np.testing.assert_allclose(restricted, exact, atol=1e-13 * np.abs(exact).max())


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_periodic_axes_are_restricted_to_fourth_order(dimension: int, begin: Begin) -> None:
    """A wave along the periodic x, cubics along the other axes."""
    errors = []
    for n in (8, 16, 32):
        job = begin(_problem((n, 5, 4)[:dimension], PERIODIC) | {"compatibility": "project"})
        here, there = (
            np.sin(2 * np.pi * x[0] / LENGTHS[0] + 0.4) * np.prod([1 + x_i**3 for x_i in x[1:]], axis=0)
            for x in (_centres(job.discretisation), _centres(job.refined))
        )
        errors.append(np.abs(job.discretisation.restrict(there) - here).max() / np.abs(here).max())
    slope = np.polyfit(np.log([1 / 8, 1 / 16, 1 / 32]), np.log(errors), 1)[0]
    assert slope >= 3.9, f"slope {slope}, errors {errors}"


def _side(n_x: int, n_y: int, kind: str) -> dict[str, Any]:
    return {kind: _expression(U if kind == "dirichlet" else f"{K}*({n_x}*{U_X}+{n_y}*({U_Y}))")}


@pytest.mark.parametrize("kind", ["dirichlet", "neumann"])
@pytest.mark.parametrize("family", ["darcy", "thermal, P1", "thermal, P2"])
def test_estimated_error_is_the_true_one(family: str, kind: str, begin: Begin, solve: Solve) -> None:
    sides = {"bottom": (0, -1), "right": (1, 0), "top": (0, 1), "left": (-1, 0)}
    problem: dict[str, Any] = {
        "coefficient": _expression(K),
        "source": _expression(f"5*{K}*{U}-{M}*({U_X}+2*({U_Y}))"),
        "boundary": {side: _side(*normal, kind) for side, normal in sides.items()},
        "compatibility": "project",
    }
    if family == "darcy":
        problem |= {"family": "darcy", "resolution": [20, 14], "domain": {"lengths": LENGTHS[:2]}}
    else:
        outline = [[0, 0], [LENGTHS[0], 0], LENGTHS[:2], [0, LENGTHS[1]]]
        domain = {"shape": "polygon", "outline": outline, "sides": list(sides)}
        problem |= {"family": "thermal", "resolution": {"h": 0.08}, "order": int(family[-1]), "domain": domain}
    job = begin(problem)
    grid = job.discretisation
    coarse, fine = (solve(job, level).field for level in (grid, job.refined))
    x, y = _centres(grid) if family == "darcy" else grid.arrays()["points"][1].T
    exact = np.sin(2 * x + 0.3) * np.cos(y)
    if kind == "neumann":  # the solution whose integral is zero
        width, height = LENGTHS[:2]
        exact -= (np.cos(0.3) - np.cos(2 * width + 0.3)) / 2 * np.sin(height) / (width * height)
    true = np.linalg.norm(coarse - exact) / np.linalg.norm(exact)
    estimate = discretisation_error(coarse, grid.restrict(fine), grid.order)
    assert true / 1.3 < estimate < 1.3 * true, f"estimated {estimate}, true {true}"


def _system(A: Array, b: Array, begin: Begin) -> System:
    """A dense system, without a grid; its properties are those of any problem."""
    size = len(b)
    indptr = np.arange(0, size * size + 1, size, dtype=np.int32)
    pattern = Pattern(indptr, np.tile(np.arange(size, dtype=np.int32), size))
    properties = begin(_problem((4,), {})).problem.properties
    return System(Matrix(pattern, np.asarray(A, dtype=np.float64).reshape(-1), properties), b)


def test_relative_residual_of_systems_by_hand(begin: Begin) -> None:
    A = np.array([[2.0, 1.0], [-1.0, 3.0]])
    system = _system(A, np.array([3.0, 4.0]), begin)
    assert relative_residual(system, np.array([5 / 7, 11 / 7])) < 1e-16
    assert relative_residual(system, np.zeros(2)) == 1.0
    assert relative_residual(system, np.array([0.0, 1.0])) == pytest.approx(5**0.5 / 5, rel=1e-15)
    homogeneous = _system(A, np.zeros(2), begin)
    assert relative_residual(homogeneous, np.zeros(2)) == 0.0
    assert relative_residual(homogeneous, np.array([0.0, 2.0])) == pytest.approx(40**0.5, rel=1e-15)
    assert not relative_residual(system, np.array([np.nan, 0.0])) <= 1.0


@pytest.mark.parametrize("case", range(50))
def test_rounding_residual_bounds_what_rounding_does(case: int, begin: Begin) -> None:
    draw = np.random.default_rng(case)
    A = draw.normal(size=(30, 30)) * 10 ** draw.uniform(-3, 3, (30, 1))
    u = draw.normal(size=30) * 10.0 ** (draw.integers(-42, 30) if case % 2 else draw.uniform(-42, 30, 30))
    system = _system(A, np.asarray(A @ u), begin)
    exact = relative_residual(system, u)
    rounded = relative_residual(system, u.astype(np.float32).astype(np.float64))
    bound = rounding_residual(LinearEquation(system), u, "float32")
    assert rounded <= exact + bound
    if np.abs(u).max() > 1e-28:  # far above the smallest number the bound is also of the right size
        assert bound < 1e2 * rounded
