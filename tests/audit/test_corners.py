"""Singular functions of inward corners, and fits on meshes."""

from __future__ import annotations

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.audit.corners import singular_functions
from pdemill.solvers.audit.surrogate import Fit
from pdemill.solvers.walks.equation import Equation
from pdemill.solvers.walks.shapes.polygon import Polygon as Geometry
from pdemill.spec.domain import Polygon

ELL = Polygon(outline=((0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)))
PLATE = Polygon(
    outline=((0, 1), (2, 1), (2, 0), (0, 0)), holes=(((0.4, 0.3), (0.7, 0.3), (0.7, 0.6), (0.4, 0.6)),)
)  # fmt: skip


def inside(domain: Polygon, count: int) -> Array:
    return Geometry(domain.outline, domain.holes, resolution=32).interior(count, (1, 2), margin=1e-3)


def test_only_inward_corners_have_them() -> None:
    assert [(f.corner, round(f.power, 6)) for f in singular_functions(ELL)] == [
        (0.5 + 0.5j, 0.666667), (0.5 + 0.5j, 1.333333)
    ]  # fmt: skip
    assert {f.corner for f in singular_functions(PLATE)} == {0.4 + 0.3j, 0.7 + 0.3j, 0.7 + 0.6j, 0.4 + 0.6j}
    assert singular_functions(Polygon(outline=((0, 0), (1, 0), (1, 1), (0, 1)))) == []


@pytest.mark.parametrize("domain", [ELL, PLATE], ids=["ell", "plate"])
def test_they_are_smooth_inside_and_their_derivatives_are_right(domain: Polygon) -> None:
    """A branch cut inside the domain would show as a jump in the difference quotients."""
    places, step = inside(domain, 400), 1e-5
    for function in singular_functions(domain):
        _, gradient, laplacian = function.derivatives(places)
        shifted = [[function.value(places + sign * step * unit) for sign in (1, -1)] for unit in np.eye(2)]
        assert np.allclose(gradient, np.stack([(a - b) / (2 * step) for a, b in shifted], axis=1), atol=1e-4)
        bend = sum((a + b - 2 * function.value(places) for a, b in shifted), np.zeros(len(places))) / step**2
        far = np.abs(places @ [1, 1j] - function.corner) > 0.02
        assert np.allclose(laplacian[far], bend[far], atol=1e-3 * np.abs(bend).max())


@pytest.mark.parametrize("domain", [ELL, PLATE], ids=["ell", "plate"])
def test_they_vanish_on_the_edges(domain: Polygon) -> None:
    for loop in (domain.outline, *domain.holes):
        a, b = np.array(loop), np.roll(loop, -1, axis=0)
        rim = (a + np.linspace(0.01, 0.99, 50)[:, None, None] * (b - a)).reshape(-1, 2)
        assert all(np.abs(f.value(rim)).max() < 1e-12 for f in singular_functions(domain))


def cubic(places: Array) -> Array:
    """x²y + y, whose Laplacian is 2y."""
    return np.asarray(places[:, 0] ** 2 * places[:, 1] + places[:, 1])


def test_a_fit_finds_a_singular_solution() -> None:
    """A cubic polynomial plus a singular function is in the space, so that it is found with its Laplacian."""
    nodes, places = inside(ELL, 1500), inside(ELL, 300)[:200]
    function = singular_functions(ELL)[0]
    found = Fit(nodes, ELL, 0.75)(cubic(nodes) + 0.3 * function.value(nodes), Equation())
    assert np.allclose(found.value(places), cubic(places) + 0.3 * function.value(places), atol=1e-5)
    expected = -2 * places[:, 1] - 0.3 * function.derivatives(places)[2]
    assert np.sqrt(np.mean((found.applied(places) - expected) ** 2)) < 0.02 * np.sqrt(np.mean(expected**2))
