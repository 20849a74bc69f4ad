"""Distances, nearest points, boundaries and interior points of every shape."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.geometry import Geometry, reach, reach2, reach3, touch, touch2, touch3
from pdemill.solvers.walks.philox import levels
from pdemill.solvers.walks.shapes.ball import Ball
from pdemill.solvers.walks.shapes.box import Box
from pdemill.solvers.walks.shapes.mesh import Mesh
from pdemill.solvers.walks.shapes.polygon import Polygon
from pdemill.solvers.walks.shapes.shell import Shell
from pdemill.solvers.walks.shapes.star import Star
from pdemill.surface import Surface, blob, icosphere

COMB = [(0, 0), (3, 0), (3, 2), (2.4, 2), (2.2, 0.5), (2, 2), (1.5, 0.2), (1, 2), (0.9, 0.25), (0.8, 2), (0, 2)]
HOLES = [[(0.2, 0.2), (0.6, 0.2), (0.4, 0.6)], [(2.5, 0.1), (2.9, 0.4), (2.5, 0.4)]]


def _dented() -> Surface:
    """A sphere with every third corner moved in: sharp concave edges and corners."""
    n, cells = icosphere(2)
    return Surface(n * np.where(np.arange(len(n)) % 3, 1.0, 0.6)[:, None], cells)


class Case(NamedTuple):
    make: Callable[[], Geometry]
    volume: float | None = None
    area: float | None = None


CASES = {
    "disk": Case(lambda: Ball((1.0, 2.0), 0.5), math.pi / 4, math.pi),
    "ball": Case(lambda: Ball((0.0, 1.0, 2.0), 2.0), 32 * math.pi / 3, 16 * math.pi),
    "ball in 20 dimensions": Case(
        lambda: Ball(np.zeros(20)), math.pi**10 / math.factorial(10), 20 * math.pi**10 / math.factorial(10)
    ),
    "annulus": Case(lambda: Shell((0.0, 1.0), 0.5, 1.0), 0.75 * math.pi, 3 * math.pi),
    "shell": Case(lambda: Shell((0.0, 1.0, 2.0), 0.5, 1.0), 7 * math.pi / 6, 5 * math.pi),
    "rectangle": Case(lambda: Box((1.0, 2.0), (2.0, 0.5)), 1.0, 5.0),
    "box": Case(lambda: Box((0.0, 1.0, 2.0), (1.0, 2.0, 3.0)), 6.0, 22.0),
    "box in 10 dimensions": Case(lambda: Box(np.zeros(10), np.full(10, 2.0)), 1024.0, 20 * 512.0),
    "comb": Case(lambda: Polygon(COMB, HOLES, resolution=64)),
    "clockwise comb": Case(lambda: Polygon(COMB[::-1], [hole[::-1] for hole in HOLES], resolution=16)),
    "star": Case(lambda: Star((0.0, 0.0, 0.2), (0.3,), edges=500, resolution=64)),
    "blob": Case(lambda: Mesh(blob(2), resolution=24)),
    "dented ball": Case(lambda: Mesh(_dented(), resolution=48)),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Geometry, Case]:
    chosen = CASES[request.param]
    return chosen.make(), chosen


@njit  # type: ignore[untyped-decorator]
def _probe2(shape: Any, points: Any, radii: Any, feet: Any, elements: Any) -> None:
    for p in range(len(points)):
        radii[p], hint = reach2(shape, points[p, 0], points[p, 1])
        feet[p, 0], feet[p, 1], elements[p] = touch2(shape, hint, points[p, 0], points[p, 1])


@njit  # type: ignore[untyped-decorator]
def _probe3(shape: Any, points: Any, radii: Any, feet: Any, elements: Any) -> None:
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        radii[p], hint = reach3(shape, x, y, z)
        feet[p, 0], feet[p, 1], feet[p, 2], elements[p] = touch3(shape, hint, x, y, z)


@njit  # type: ignore[untyped-decorator]
def _probe(shape: Any, points: Any, radii: Any, feet: Any, elements: Any) -> None:
    for p in range(len(points)):
        feet[p] = points[p]
        radii[p], hint = reach(shape, feet[p])
        elements[p] = touch(shape, hint, feet[p])


def probe(geometry: Geometry, points: Array) -> tuple[Array, Array, NDArray[np.int32]]:
    """Radii, nearest points and elements as compiled code sees them."""
    radii, feet, elements = np.empty(len(points)), np.empty_like(points), np.empty(len(points), np.int32)
    {2: _probe2, 3: _probe3}.get(geometry.dimension, _probe)(geometry.shape, points, radii, feet, elements)
    return radii, feet, elements


def around(geometry: Geometry, count: int, margin: float = 0.1) -> Array:
    """Points in the bounding box and a little beyond it."""
    u = levels((1, 2), 0, count, geometry.dimension)
    return np.asarray(geometry.lower + geometry.extent * ((1 + 2 * margin) * u - margin))


def test_distances_are_those_to_the_boundary(case: tuple[Geometry, Case]) -> None:
    geometry, _ = case
    x = np.concatenate([around(geometry, 150), geometry.interior(150, (3, 4))])
    distance, (rim, _) = geometry.distance(x), geometry.boundary(5000)
    np.testing.assert_allclose(geometry.distance(rim), 0.0, atol=1e-13)
    nearest = np.array([np.linalg.norm(rim - point, axis=1).min() for point in x])
    assert (np.abs(distance) <= nearest + 1e-12).all()
    if geometry.dimension <= 3:
        assert (nearest <= np.abs(distance) + 0.05 * geometry.diameter).all()


def test_reach_is_safe_and_exact_near_the_boundary(case: tuple[Geometry, Case]) -> None:
    geometry, _ = case
    x = geometry.interior(2000, (3, 4))
    distance = geometry.distance(x)
    radii, feet, elements = probe(geometry, x)
    assert (radii > 0).all()
    assert (radii <= distance + 1e-12).all()
    near = distance < geometry.largest_epsilon
    assert near.any()
    np.testing.assert_allclose(radii[near], distance[near], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(feet - x, axis=1), distance, atol=1e-12)
    np.testing.assert_allclose(geometry.distance(feet), 0.0, atol=1e-12)
    side = geometry.side_of(elements)
    assert side.min() >= 0
    assert side.max() < len(geometry.sides)
    assert geometry.side_of([-1]) == -1


def test_the_sign_tells_inside_from_outside(case: tuple[Geometry, Case]) -> None:
    geometry, _ = case
    x = around(geometry, 1000)
    inside = geometry.distance(x) > 0
    if isinstance(geometry, Polygon):
        table = geometry.shape.edges
        a, b = (np.subtract.outer(ends[:, 0] + 1j * ends[:, 1], x[:, 0] + 1j * x[:, 1]) for ends in _ends(table))
        assert np.array_equal(inside, np.angle(b / a).sum(axis=0) > np.pi)
    elif isinstance(geometry, Mesh):
        assert np.array_equal(inside, _solid_angle(geometry.shape.table, x) > 2 * np.pi)
    else:
        assert ((x >= geometry.lower) & (x <= geometry.lower + geometry.extent))[inside].all()


def _ends(edges: Array) -> tuple[Array, Array]:
    return edges[:, :2], edges[:, :2] + edges[:, 2:4]


def _solid_angle(table: Array, x: Array) -> Array:
    """Seen from x: 4 pi inside a closed mesh and 0 outside (van Oosterom and Strackee 1983)."""
    a = table[:, None, :3] - x
    b, c = a + table[:, None, 3:6], a + table[:, None, 6:9]
    la, lb, lc = (np.linalg.norm(side, axis=2) for side in (a, b, c))
    volume = (a * np.cross(b, c)).sum(axis=2)
    rest = la * lb * lc + (a * b).sum(axis=2) * lc + (b * c).sum(axis=2) * la + (c * a).sum(axis=2) * lb
    return np.asarray(2 * np.arctan2(volume, rest).sum(axis=0))


def test_measures(case: tuple[Geometry, Case]) -> None:
    geometry, (_, volume, area) = case
    if area is not None:
        assert geometry.volume == pytest.approx(volume)
        assert sum(geometry.measure(side) for side in geometry.sides) == pytest.approx(area)
    else:
        share = (geometry.distance(around(geometry, 20_000, margin=0.0)) > 0).mean()
        assert geometry.volume == pytest.approx(share * geometry.extent.prod(), rel=0.05)
    assert geometry.extent.max() <= geometry.diameter


def test_boundary_points_are_spread_evenly_over_the_sides(case: tuple[Geometry, Case]) -> None:
    geometry, _ = case
    rim, side = geometry.boundary(1000)
    assert len(rim) == len(side) == 1000
    again, _ = geometry.boundary(1000)
    assert np.array_equal(rim, again)
    sizes = np.array([geometry.measure(name) for name in geometry.sides])
    np.testing.assert_allclose(np.bincount(side, minlength=len(sizes)), 1000 * sizes / sizes.sum(), atol=1.001)


def test_interior_points_are_uniform_and_keep_their_distance(case: tuple[Geometry, Case]) -> None:
    geometry, _ = case
    x = geometry.interior(4000, (5, 6), stream=7, margin=0.01)
    assert x.shape == (4000, geometry.dimension)
    assert geometry.distance(x).min() > 0.01
    assert np.array_equal(geometry.interior(10, (5, 6), stream=7, margin=0.01), x[:10])
    assert not np.array_equal(geometry.interior(10, (5, 6), stream=8, margin=0.01), x[:10])
    if isinstance(geometry, Ball | Box | Shell):
        middle = geometry.lower + geometry.extent / 2
        np.testing.assert_allclose(x.mean(axis=0), middle, atol=4 * geometry.extent.max() / math.sqrt(12 * 4000))


def test_no_interior_points_beyond_the_greatest_distance() -> None:
    with pytest.raises(SolverError, match="make epsilon smaller"):
        Ball().interior(10, (1, 2), margin=1.0)


def test_names_of_sides() -> None:
    assert Box(np.zeros(4), np.ones(4)).sides == (
        *("x1_low", "x1_high", "x2_low", "x2_high"),
        *("x3_low", "x3_high", "x4_low", "x4_high"),
    )
    assert Polygon(COMB, HOLES).sides == (*(f"edge{i}" for i in range(11)), "hole0", "hole1")
    assert Shell().sides == ("inner", "outer")
    with pytest.raises(SolverError, match="there is no side 'rim'; the sides are inner, outer"):
        Shell().measure("rim")


@pytest.mark.parametrize("loop", [COMB, COMB[::-1]])
def test_edges_keep_their_names_in_either_direction(loop: list[tuple[float, float]]) -> None:
    polygon = Polygon(loop, HOLES)
    for i, (a, b) in enumerate(zip(loop, loop[1:] + loop[:1], strict=True)):
        assert polygon.measure(f"edge{i}") == pytest.approx(math.dist(a, b))
    rim, side = polygon.boundary(500)
    assert {polygon.sides[i] for i in side} == set(polygon.sides)
    assert (np.linalg.norm(rim[side == 0] - loop[0], axis=1) <= math.dist(*loop[:2])).all()


def test_a_named_side_can_have_many_edges() -> None:
    polygon = Polygon([(0, 0), (1, 0), (1, 1), (0, 1)], names=("wall", "door", "wall", "wall"))
    assert polygon.sides == ("wall", "door")
    assert (polygon.measure("wall"), polygon.measure("door")) == (3.0, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Star((1.2,)), "make the amplitudes smaller"),
        (lambda: Polygon([(0, 0), (1, 0)]), "three or more corners"),
        (lambda: Polygon([(0, 0), (1, 0), (1, 0), (0, 1)]), "two equal corners in a row"),
        (lambda: Polygon(COMB, names=("a",)), "needs 11 names"),
        (lambda: Shell(inner=1.0, outer=1.0), "0 < inner < outer"),
        (lambda: Ball(radius=0.0), "positive radius"),
        (lambda: Ball(np.zeros(21)), "2 to 20 dimensions"),
        (lambda: Box((0.0, 0.0), (1.0, 0.0)), "positive lengths"),
        (lambda: Box((0.0, 0.0), (1.0, 1.0, 1.0)), "one per dimension"),
        (lambda: Ball().distance(np.zeros((3, 3))), r"shape \[n, 2\]"),
    ],
)
def test_refusals(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SolverError, match=message):
        make()
