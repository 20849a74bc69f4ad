"""Jobs whose sides have a flux, and coefficients that vary, against exact solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError
from pdemill.spec import validate
from tests.sampling import sample

type Json = dict[str, Any]


def formula(text: str) -> Json:
    return {"field": "expression", "formula": text}


HYPERBOLA = formula("x**2 - y**2")
L_SHAPE = {
    "shape": "polygon",
    "outline": [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]],
    "sides": ["bottom", "right", "step", "wall", "top", "left"],
}
CASES: dict[str, tuple[Json, Any]] = {
    "flux through faces of a box": (
        {
            "family": "darcy",
            "domain": {"shape": "box", "lengths": [1, 1]},
            "coefficient": 2,
            "source": 0,
            "boundary": {"right": {"neumann": 4.0}, "top": {"neumann": -4.0}, "default": {"dirichlet": HYPERBOLA}},
        },
        lambda p: p[0] ** 2 - p[1] ** 2,
    ),
    "insulated faces in space": (
        {
            "family": "poisson",
            "domain": {"shape": "box", "lengths": [1, 1, 1]},
            "source": formula("4*pi**2*cos(2*pi*x)"),
            "boundary": {
                "left": {"neumann": 0},
                "right": {"neumann": 0},
                "bottom": {"neumann": 0},
                "default": {"dirichlet": formula("cos(2*pi*x)")},
            },
        },
        lambda p: np.cos(2 * np.pi * p[0]),
    ),
    "insulated faces in five dimensions": (
        {
            "family": "screened_poisson",
            "domain": {"shape": "box", "lengths": [1, 1, 1, 1, 1]},
            "screening": 3,
            "source": formula("3*x2"),
            "boundary": {
                "x1_low": {"neumann": 0},
                "x1_high": {"neumann": 0},
                "x4_low": {"neumann": 0},
                "default": {"dirichlet": formula("x2")},
            },
        },
        lambda p: p[1],
    ),
    "flux through sides of an L": (
        {
            "family": "poisson",
            "domain": L_SHAPE,
            "source": 0,
            "boundary": {
                "right": {"neumann": 4.0},
                "step": {"neumann": -2.0},
                "wall": {"neumann": 2.0},
                "left": {"neumann": 0.0},
                "default": {"dirichlet": HYPERBOLA},
            },
        },
        lambda p: p[0] ** 2 - p[1] ** 2,
    ),
    "coefficients that vary in a star": (
        {
            "family": "darcy",
            "domain": {"shape": "star", "harmonics": [{"order": 3, "cosine": 0.2}]},
            "coefficient": formula("exp(x)"),
            "reaction": formula("1 + y**2"),
            "source": formula("(1 + y**2)*(x + y) - exp(x)"),
            "boundary": {"boundary": {"dirichlet": formula("x + y")}},
        },
        lambda p: p[0] + p[1],
    ),
    "coefficients that vary in a shell": (
        {
            "family": "darcy",
            "domain": {"shape": "shell", "inner": 0.4},
            "coefficient": formula("exp(z)"),
            "source": formula("-exp(z)"),
            "boundary": {"default": {"dirichlet": formula("z + x*y")}},
        },
        lambda p: p[2] + p[0] * p[1],
    ),
    "a drawn annulus": (
        {
            "family": "poisson",
            "domain": {"shape": "annulus", "inner": {"uniform": [0.2, 0.4]}},
            "source": 0,
            "boundary": {"default": {"dirichlet": HYPERBOLA}},
        },
        lambda p: p[0] ** 2 - p[1] ** 2,
    ),
    "a closed mesh": (
        {
            "family": "poisson",
            "domain": {"shape": "mesh", "blob": {"subdivisions": 2}},
            "source": 0,
            "boundary": {"default": {"dirichlet": formula("x**2 + y**2 - 2*z**2")}},
        },
        lambda p: p[0] ** 2 + p[1] ** 2 - 2 * p[2] ** 2,
    ),
}


QUICK = ("flux through faces of a box", "insulated faces in five dimensions", "a drawn annulus")


@pytest.mark.parametrize("name", sample(CASES, *QUICK))
def test_scores_are_normal(name: str, tmp_path: Path) -> None:
    problem, exact = CASES[name]
    spec = {
        "problem": problem | {"points": {"random": 100}, "sensors": 0},
        "samples": 2,
        "seed": 1,
        "solver": {"method": "walks", "walks": 600, "epsilon": 1e-4, "control_variate": "none"},
    }
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    places = np.moveaxis(group["points"][:], 2, 0)
    z = (group["solution"][:] - exact(places)) / group["stderr"][:]
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 0.85 < np.sqrt((z**2).mean()) < 1.15


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"domain": {"shape": "disk"}, "boundary": {"boundary": {"neumann": 0}}}, "problem.boundary"),
        ({"domain": {"shape": "annulus"}, "boundary": {"inner": {"neumann": 0}}}, "solver.method"),
        ({"boundary": {"left": {"robin": {"coefficient": 1, "value": 0}}}}, "problem.boundary.left"),
        ({"boundary": {"left": "periodic", "right": "periodic"}}, "problem.boundary.left"),
        ({"coefficient": formula("1 + x"), "boundary": {"left": {"neumann": 0}}}, "solver.method"),
        (
            {"coefficient": {"field": "threshold", "low": 1, "high": 2, "of": {"field": "gaussian"}}},
            "solver.method: walks need smooth coefficients, and coefficient jumps",
        ),
    ],
)
def test_what_walks_cannot_do_is_refused(change: Json, path: str) -> None:
    problem = {"family": "darcy", "domain": {"shape": "box", "lengths": [1, 1]}, "points": {"random": 5}} | change
    with pytest.raises(SpecError, match=path):
        validate({"problem": problem, "samples": 1})
