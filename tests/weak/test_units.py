"""Forms that mix quantities of very different sizes, and matrices that are nearly singular."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import eigvalsh

import pdemill
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.weak.units import balanced_units
from tests.weak.problems import POISSON, formula, opened, solved

TAYLOR_HOOD = {"u": {"element": "P2", "shape": "vector", "test": "v"}, "p": {"element": "P1", "test": "q"}}
STEEL: dict[str, Any] = POISSON | {
    "domain": {"lengths": [0.1, 0.1]}, "resolution": [4, 4], "unknowns": TAYLOR_HOOD,
    "coefficients": {"E": {"uniform": [1.9e11, 2.3e11]}},
    "definitions": {"mu": "E/(2*(1 + 0.4999))", "lmbda": "E*0.4999/((1 + 0.4999)*(1 - 2*0.4999))"},
    "form": (
        "2*mu*inner(sym(grad(u)), sym(grad(v)))*dx - p*div(v)*dx - q*div(u)*dx - p*q/lmbda*dx + 1e6*v[1]*ds('right')"
    ),
    "boundary": {"left": {"u": {"dirichlet": [0.0, 0.0]}}, "default": "natural"},
}  # fmt: skip
"""A block of steel in metres and pascals: displacements of 1e-6 m beside pressures of 1e7 Pa."""


@pytest.mark.parametrize(
    ("blocks", "least"),
    [
        ([[1e-6, 0.1], [0.1, 0.0]], 0.5),
        ([[2e11, 0.1], [0.1, 1e-13]], 0.5),
        ([[1e11, 0.1], [0.1, 1e-30]], 0.0),
        ([[0.0, 1e5], [3.0, 2.0]], 0.5),
    ],
)
def test_units_bring_blocks_to_size_one(blocks: list[list[float]], least: float) -> None:
    given = np.array(blocks)
    units = balanced_units(given)
    found = given * units.rows[:, None] * units.columns
    assert found.max() < 4.0
    assert found[found > 0.0].min() > least
    assert (np.log2(units.rows) % 1.0 == 0.0).all()
    if (given == given.T).all():
        np.testing.assert_array_equal(units.rows, units.columns)


@pytest.mark.needs("ffcx")
def test_a_block_in_si_units_is_certified_in_every_channel(tmp_path: Path) -> None:
    report = pdemill.generate(
        {"problem": STEEL, "samples": 2, "certify": {"refine": 0}}, tmp_path / "s.zarr", workers=0
    )
    assert report.ok
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()
    job = opened(STEEL)
    fields, label = solved(job)
    assert label.unknowns is not None
    assert np.abs(fields[2]).max() > 1e11 * np.abs(fields[:2]).max()
    instance = job.instance("train", 0)
    equation = job.discretisation.equation(instance)
    for part in job.discretisation.parts:  # each alone is off by a thousandth, in its own size
        wrong = fields.copy()
        wrong[part] *= 1.0 + 1e-3 * np.random.default_rng(0).standard_normal(wrong[part].shape)
        u = job.discretisation.from_fields(wrong)
        assert equation.relative_residual(u) > 1e3 * job.method.rtol
        assert job.discretisation.relative(u - label.unknowns, label.unknowns) > 1e-4
    assert equation.relative_residual(label.unknowns) < job.method.rtol


@pytest.mark.needs("ffcx")
@pytest.mark.parametrize("nu", [1e-6, 1e6])
def test_stokes_flow_of_any_viscosity(nu: float) -> None:
    """Flow between plates, u = 4 y (1 - y) and p = 8 nu (1 - x), which the elements hold exactly."""
    problem = POISSON | {
        "unknowns": TAYLOR_HOOD, "resolution": [4, 4], "coefficients": {"nu": nu},
        "form": "nu*inner(grad(u), grad(v))*dx - p*div(v)*dx - q*div(u)*dx",
        "boundary": {
            "left": {"u": {"dirichlet": [formula("4*y*(1-y)"), 0.0]}}, "right": "natural",
            "default": {"u": {"dirichlet": [0.0, 0.0]}},
        },
    }  # fmt: skip
    job = opened(problem)
    (u, v, p), _ = solved(job)
    x, y = job.discretisation.points.coordinates.values()
    np.testing.assert_allclose(u, 4.0 * y * (1.0 - y), atol=1e-11)
    np.testing.assert_allclose(v, 0.0, atol=1e-11)
    np.testing.assert_allclose(p, 8.0 * nu * (1.0 - x), atol=1e-10 * nu)


@pytest.mark.needs("ffcx")
def test_nothing_is_certified_beside_an_eigenvalue_whose_vector_has_no_load() -> None:
    """The solution holds as much of that vector as rounding puts into the system, which no residual tells."""
    problem = POISSON | {
        "unknowns": {"u": "P2"}, "resolution": [4, 4], "form": "inner(grad(u), grad(v))*dx - lam*u*v*dx - v*dx",
    }  # fmt: skip

    def dense(lam: float) -> Any:
        job = opened(problem | {"coefficients": {"lam": lam}})
        return job.discretisation.equation(job.instance("train", 0)).linearised(np.empty(0)).matrix.sparse().toarray()

    stiffness = dense(1e-300)
    third = eigvalsh(stiffness, stiffness - dense(1.0))[2]
    for near, result in ((1e-4, Result.CONVERGED), (1e-12, Result.UNDETERMINED)):
        job = opened(problem | {"coefficients": {"lam": float(third * (1.0 + near))}})
        equation = job.discretisation.equation(job.instance("train", 0))
        (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
        assert label.result is result
