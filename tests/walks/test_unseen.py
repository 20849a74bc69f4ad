"""Standard errors of few walks: as large as the errors are, and honest where the walks that count may be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.points import Array
from pdemill.solvers.walks.job import PointJob
from pdemill.solvers.walks.labels import Labeller
from pdemill.spec import validate

type Json = dict[str, Any]
type Exact = Callable[..., Array]

DISK: Json = {"shape": "disk"}
SQUARE: Json = {"shape": "box", "lengths": [1, 1]}
CUBE: Json = {"shape": "box", "lengths": [1] * 10}
STAR: Json = {"shape": "star", "edges": 200, "harmonics": [{"order": 4, "cosine": 0.2}]}
MANY, SHARED = {"random": 1000}, {"random": 4000, "shared": True}
HOT: Json = {"left": {"dirichlet": 1}, "default": {"dirichlet": 0}}
GRADED: Json = {"family": "darcy", "coefficient": {"field": "expression", "formula": "exp(3*x)"}}


def held(formula: str) -> Json:
    return {"default": {"dirichlet": {"field": "expression", "formula": formula}}}


def labeller(problem: Json, samples: int, **solver: Any) -> Labeller:
    options = {"method": "walks", "walks": 10, "control_variate": "none", "epsilon": 1e-5, **solver}
    problem = {"family": "poisson", "source": 0, **problem}
    return Labeller(PointJob(validate({"problem": problem, "samples": samples, "solver": options})), "train")


def measured(problem: Json, exact: Exact, samples: int = 1, **solver: Any) -> tuple[Array, Array, Array]:
    """Errors, standard errors and distances to the boundary of all points."""
    labels = labeller(problem, samples, **solver)
    found = []
    for number in range(samples):
        drawn = labels.draw(number)
        label = labels.label(drawn)
        found.append((label.value - exact(*drawn.points.T), label.stderr, drawn.geometry.distance(drawn.points)))
    errors, stderrs, distances = (np.concatenate(part) for part in zip(*found, strict=True))
    return errors, stderrs, distances


def rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))


def heat(x: Array, y: Array) -> tuple[Array, Array]:
    """u and ∇u [n, 2] in the unit square with u = 1 on the left and 0 elsewhere, by its series."""
    u, gradient = np.zeros(len(x)), np.zeros((len(x), 2))
    for k in range(1, 2001, 2):
        a = k * np.pi
        part, back = 4 / a * np.exp(-a * x) / (1 - np.exp(-2 * a)), np.exp(-2 * a * (1 - x))
        u += part * np.sin(a * y) * (1 - back)
        gradient += a * part[:, None] * np.stack([-np.sin(a * y) * (1 + back), np.cos(a * y) * (1 - back)], axis=1)
    return u, gradient


def slit(x: Array, y: Array) -> Array:
    """Harmonic about a corner of 270°, 0 on its two edges."""
    return np.cbrt(x * x + y * y) * np.cos(2 / 3 * np.arctan2(y, x))


SLIT = "(x*x + y*y)**0.3333333333333333 * cos(0.6666666666666666*atan2(y, x))"
TIP = [[r * np.cos(t), r * np.sin(t)] for r in (1e-3, 0.01, 0.03) for t in np.linspace(-2, 2, 500)]
CORNER: Json = {"shape": "polygon", "outline": [[0, 0], [-0.7, -0.7], [0, -1.4], [1.4, 0], [0, 1.4], [-0.7, 0.7]]}
SUM = "+".join(f"x{axis}" for axis in range(1, 11))

INTERIOR: dict[str, tuple[Json, Exact, int, float, Json]] = {
    "centre of a disk": (
        {"domain": DISK, "points": {"list": [[0, 0]]}, "boundary": held("x")}, lambda x, y: x, 3000, 0.0, {},
    ),
    "disk": ({"domain": DISK, "points": MANY, "boundary": held("x")}, lambda x, y: x, 6, 0.2, {}),
    "disk, 4th harmonic": (
        {"domain": DISK, "points": MANY, "boundary": held("x**4 - 6*x*x*y*y + y**4")},
        lambda x, y: x**4 - 6 * x * x * y * y + y**4, 6, 0.2, {},
    ),
    "disk, walks that are shared": (
        {"domain": DISK, "points": SHARED, "boundary": held("x*x - y*y")}, lambda x, y: x * x - y * y, 1, 0.2,
        {"estimator": "shared"},
    ),
    "star": ({"domain": STAR, "points": MANY, "boundary": held("x")}, lambda x, y: x, 6, 0.1, {}),
    "square with a source": (
        {"domain": SQUARE, "points": MANY, "source": 4, "boundary": held("x - x*x - y*y")},
        lambda x, y: x - x * x - y * y, 6, 0.1, {},
    ),
    "ten dimensions": ({"domain": CUBE, "points": MANY, "boundary": held(SUM)}, lambda *x: sum(x), 6, 0.0, {}),
    "ten dimensions, centre": (
        {"domain": CUBE, "points": {"list": [[0.5] * 10]}, "boundary": held("x1*x1 - x2*x2")},
        lambda *x: x[0] ** 2 - x[1] ** 2, 2000, 0.0, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INTERIOR)
def test_ten_walks_know_their_error_in_the_interior(name: str) -> None:
    problem, exact, samples, margin, solver = INTERIOR[name]
    errors, stderrs, distances = measured(problem, exact, samples, **solver)
    inside = distances > margin
    z = errors[inside] / stderrs[inside]
    assert 0.85 < rms(z) < 1.15
    assert 0.85 < rms(stderrs[inside]) / rms(errors[inside]) < 1.15


def test_ten_walks_know_their_error_in_the_preset() -> None:
    """Against 2000 others."""
    few, many = (
        pdemill.preset("wos-no-poisson", [f"solver.walks={walks}", "samples=4", "problem.points.random=500"])
        for walks in (10, 2000)
    )
    labels, others = Labeller(PointJob(validate(few)), "train"), Labeller(PointJob(validate(many)), "train", epoch=1)
    z = []
    for number in range(4):
        drawn = labels.draw(number)
        one, other = labels.label(drawn), others.label(others.draw(number))
        inside = drawn.geometry.distance(drawn.points) > 0.1
        z.append(((one.value - other.value) / np.hypot(one.stderr, other.stderr))[inside])
    assert 0.85 < rms(np.concatenate(z)) < 1.15


CLOSE: dict[str, tuple[Json, Exact, float, float]] = {
    "disk": ({"domain": DISK, "points": {"random": 9000}, "boundary": held("x")}, lambda x, y: x, 0.05, 1.5),
    "square with a hot side": (
        {"domain": SQUARE, "points": {"random": 9000}, "boundary": HOT}, lambda x, y: heat(x, y)[0], 0.05, 1.5,
    ),
    "thin annulus": (
        {
            "domain": {"shape": "annulus", "inner": 0.9, "outer": 1}, "points": {"random": 5000},
            "boundary": {"inner": {"dirichlet": 1}, "outer": {"dirichlet": 0}},
        },
        lambda x, y: np.log(np.hypot(x, y)) / np.log(0.9), 0.03, 1.5,
    ),
    "a corner of 270°": (
        {"domain": CORNER, "points": {"list": TIP}, "boundary": held(SLIT)}, slit, 0.1, 1.5,
    ),
    "between mirrors": (
        {
            "domain": SQUARE, "points": {"random": 9000},
            "boundary": {"left": {"dirichlet": 1}, "right": {"dirichlet": 0}, "default": {"neumann": 0}},
        },
        lambda x, y: 1 - x, 0.1, 1.5,
    ),
    "where k varies": (
        GRADED | {"domain": SQUARE, "points": {"random": 9000}, "boundary": held("exp(-3*x)")},
        lambda x, y: np.exp(-3 * x), 0.1, 1.7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("walks", [10, 50])
@pytest.mark.parametrize("name", CLOSE)
def test_few_walks_are_honest_close_to_the_boundary(name: str, walks: int) -> None:
    """Without a guess at what is missing, standard errors would be 0 at most of these points."""
    problem, exact, margin, most = CLOSE[name]
    errors, stderrs, distances = measured(problem, exact, walks=walks)
    close = distances < margin
    assert (np.abs(errors[close]) < 2 * stderrs[close] + 1e-5).mean() > 0.93
    assert rms(stderrs[close]) / rms(errors[close]) < most


@pytest.mark.parametrize("walks", [10, 200])
def test_gradients_are_honest_where_all_walks_end_on_equal_data(walks: int) -> None:
    labels = labeller({"domain": SQUARE, "points": {"random": 2000}, "boundary": HOT}, 1, walks=walks, gradients=True)
    drawn = labels.draw(0)
    label = labels.label(drawn)
    assert label.gradient is not None
    assert label.gradient_stderr is not None
    known = drawn.points[:, 0] > 3e-3  # where the series has converged
    errors = (label.gradient - heat(*drawn.points.T)[1])[known]
    stderrs = label.gradient_stderr[known]
    assert stderrs.min() > 0
    assert rms(errors / stderrs) < 1.2
    assert (np.abs(errors) < 2 * stderrs).mean() > 0.94


def test_constant_data_leave_nothing_unseen() -> None:
    labels = labeller({"domain": DISK, "points": MANY, "boundary": held("3")}, 1, gradients=True)
    label = labels.label(labels.draw(0))
    assert label.gradient_stderr is not None
    assert label.gradient_stderr.max() == 0.0
    assert label.stderr.max() < 1e-6


@pytest.mark.parametrize(
    ("problem", "solver"),
    [
        ({"domain": STAR, "points": MANY, "boundary": held("x*y")}, {"gradients": True}),
        ({"domain": CUBE, "points": MANY, "boundary": held(SUM)}, {}),
        ({"domain": SQUARE, "points": MANY, "boundary": held("exp(x*y)")}, {"control_variate": "harmonic"}),
        (GRADED | {"domain": SQUARE, "points": MANY, "boundary": held("x*y")}, {}),
    ],
)
def test_a_standard_error_does_not_depend_on_other_points(problem: Json, solver: Json) -> None:
    labels = labeller(problem, 1, **solver)
    drawn = labels.draw(0)
    some = np.array([3, 500, 77])
    alone, together = labels.label_at(drawn, drawn.points[some], some), labels.label(drawn)
    np.testing.assert_array_equal(alone.stderr, together.stderr[some])
