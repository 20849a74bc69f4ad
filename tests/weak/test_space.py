"""Ready families in three dimensions, on boxes and on given meshes: orders of known solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.weak.mesh import box_mesh
from tests.weak.problems import formula, opened, solved

pytestmark = [pytest.mark.needs("ffcx"), pytest.mark.slow]

WHIRL = ("sin(pi*y)*sin(pi*z)", "sin(pi*x)*sin(pi*z)", "sin(pi*x)*sin(pi*y)")
"""Without divergence; minus its Laplacian is 2 pi^2 times it."""
SLOPE = ("-pi*sin(pi*x)*cos(pi*y)*cos(pi*z)", "-pi*cos(pi*x)*sin(pi*y)*cos(pi*z)", "-pi*cos(pi*x)*cos(pi*y)*sin(pi*z)")
PRESSURE = "cos(pi*x)*cos(pi*y)*cos(pi*z)"
CARRIED = (
    f"({WHIRL[1]})*pi*cos(pi*y)*sin(pi*z) + ({WHIRL[2]})*pi*sin(pi*y)*cos(pi*z)",
    f"({WHIRL[0]})*pi*cos(pi*x)*sin(pi*z) + ({WHIRL[2]})*pi*sin(pi*x)*cos(pi*z)",
    f"({WHIRL[0]})*pi*cos(pi*x)*sin(pi*y) + ({WHIRL[1]})*pi*sin(pi*x)*cos(pi*y)",
)
SHEAR = ("0.3*sin(2*y + z)", "0*x", "0*x")
"""Large shear keeps volumes, and its stress is mu times its strain, in neo-Hookean bodies too."""
WAVE = ("cos(x + 2*y + 2*z)", "sin(x + 2*y + 2*z)")


def fields(*texts: str) -> list[dict[str, str]]:
    return [formula(text) for text in texts]


ELASTIC = {
    "family": "elasticity", "E": 2.6, "nu": 0.3, "body_force": fields(*(f"2*pi**2*({u})" for u in WHIRL)),
    "boundary": {"default": {"displacement": fields(*WHIRL)}},
}  # fmt: skip
LARGE = {
    "family": "hyperelasticity", "E": 2.6, "nu": 0.3, "body_force": [formula("1.5*sin(2*y + z)"), 0, 0],
    "boundary": {"default": {"displacement": fields(*SHEAR)}},
}  # fmt: skip
SLOW = {
    "family": "stokes", "body_force": fields(*(f"2*pi**2*({u}) + {p}" for u, p in zip(WHIRL, SLOPE, strict=True))),
    "boundary": {"default": {"velocity": fields(*WHIRL)}},
}  # fmt: skip
STEADY = {
    "family": "navier_stokes_steady", "viscosity": 1.0,
    "body_force": fields(*(f"2*pi**2*({u}) + {p} + {c}" for u, p, c in zip(WHIRL, SLOPE, CARRIED, strict=True))),
    "boundary": {"default": {"velocity": fields(*WHIRL)}},
}  # fmt: skip
WAVES = {
    "family": "helmholtz_absorbing", "wavenumber": 3.0,
    "boundary": {"default": {"u_real": formula(WAVE[0]), "u_imaginary": formula(WAVE[1])}},
}  # fmt: skip
CASES: list[tuple[dict[str, Any], tuple[str, ...], float]] = [  # problem, solution, least order
    (ELASTIC | {"element": "P1"}, WHIRL, 1.7), (ELASTIC, WHIRL, 2.7), (LARGE | {"element": "P1"}, SHEAR, 1.7),
    (LARGE, SHEAR, 2.7), (SLOW, WHIRL, 2.6), (STEADY, WHIRL, 2.6), (WAVES | {"element": "P1"}, WAVE, 1.7),
    (WAVES, WAVE, 2.7),
]  # fmt: skip
NAMES = [f"{problem['family']}-{problem.get('element', 'P2')}" for problem, _, _ in CASES]


def error(problem: dict[str, Any], exact: tuple[str, ...]) -> float:
    """The relative error of the first channels together, in the mean square."""
    job = opened(problem)
    found, _ = solved(job)
    x, y, z = job.discretisation.points.coordinates.values()
    names = {"x": x, "y": y, "z": z, "pi": np.pi, "sin": np.sin, "cos": np.cos}
    known: Array = np.stack([eval(text, names) for text in exact])
    return float(np.linalg.norm(found[: len(exact)] - known) / np.linalg.norm(known))


@pytest.mark.parametrize(("problem", "exact", "least"), CASES, ids=NAMES)
def test_orders_on_boxes(problem: dict[str, Any], exact: tuple[str, ...], least: float) -> None:
    cells = 6 if problem.get("element") == "P1" else 3
    coarse, fine = (error(problem | {"resolution": [n * cells] * 3}, exact) for n in (1, 2))
    assert np.log2(coarse / fine) > least


@pytest.mark.parametrize(("problem", "exact", "least"), CASES, ids=NAMES)
def test_orders_on_given_meshes(problem: dict[str, Any], exact: tuple[str, ...], least: float) -> None:
    """A box whose inner points are moved, and whose cells are then cut."""
    cells, first = 3, 1 if problem.get("element") == "P1" else 0
    mesh = box_mesh((cells,) * 3, (1.0, 1.0, 1.0))
    points = mesh.points.copy()
    inside = ((points > 0.01) & (points < 0.99)).all(axis=1)
    points[inside] += np.random.default_rng(0).uniform(-0.15 / cells, 0.15 / cells, points[inside].shape)
    domain = {"shape": "mesh", "points": points.tolist(), "cells": mesh.cells.tolist()}
    coarse, fine = (error(problem | {"domain": domain, "resolution": {"refine": first + n}}, exact) for n in (0, 1))
    assert np.log2(coarse / fine) > least - 0.3
