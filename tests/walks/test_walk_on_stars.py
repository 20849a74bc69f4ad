"""Walk on stars against exact solutions, and against finite elements on a plate with a slot."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.families.thermal import Thermal
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.walks.mixed import MixedRecords
from pdemill.solvers.walks.walk_on_stars import MixedPolygon, star_walk
from pdemill.spec import load_preset
from tests.sampling import sample
from tests.walks.scores import check_scores, scores, slope

POINTS, WALKS = 300, 512
OPTIONS: dict[str, Any] = {"epsilon": 2e-4, "max_steps": 100_000, "key": (6, 7), "stream": 1}

L_SHAPE = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]
HOLE = [(0.3, 0.35), (0.6, 0.35), (0.65, 0.6), (0.4, 0.7)]


class Case(NamedTuple):
    """-Δu + λ u = f; u and its gradient, and f / u or None for f = 0."""

    polygon: MixedPolygon
    u: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], tuple[Array, Array]]
    ratio: float = 0.0
    screening: float = 0.0

    def h(self, points: Array, element: NDArray[np.int32]) -> Array:
        edges = self.polygon.shape.edges[element]
        length = np.hypot(edges[..., 2], edges[..., 3])
        a, b = self.gradient(points[..., 0], points[..., 1])
        return np.asarray((edges[..., 3] * a - edges[..., 2] * b) / length)


def cubic(x: Array, y: Array) -> Array:
    return np.asarray(x**3 - 3 * x * y**2 + x * y + y)


def cubic_gradient(x: Array, y: Array) -> tuple[Array, Array]:
    return np.asarray(3 * x**2 - 3 * y**2 + y), np.asarray(-6 * x * y + x + 1)


def wave(x: Array, y: Array) -> Array:
    return np.asarray(np.sin(2 * x) * np.cos(y))


def wave_gradient(x: Array, y: Array) -> tuple[Array, Array]:
    return np.asarray(2 * np.cos(2 * x) * np.cos(y)), np.asarray(-np.sin(2 * x) * np.sin(y))


CORNER = MixedPolygon(L_SHAPE, fluxes=("edge2", "edge3", "edge4"))
RIM = MixedPolygon(SQUARE, [HOLE], fluxes=("hole0", "edge1"))
NARROW = MixedPolygon(L_SHAPE, fluxes=("edge0", "edge2", "edge3", "edge4", "edge5"))
CASES = {
    "L, harmonic": Case(CORNER, cubic, cubic_gradient),
    "L, source": Case(CORNER, wave, wave_gradient, 5.0),
    "hole, harmonic": Case(RIM, cubic, cubic_gradient),
    "hole, screened": Case(RIM, wave, wave_gradient, 9.0, 4.0),
    "L held on one side": Case(NARROW, wave, wave_gradient, 5.0),
}


def run(what: Case, first: int = 0, walks: int = WALKS, rows: slice = slice(None)) -> MixedRecords:
    points = what.polygon.interior(POINTS, (2, 2), margin=0.15)
    return star_walk(
        what.polygon, points[rows], np.arange(POINTS)[rows], first, walks, screening=what.screening, **OPTIONS
    )


@pytest.mark.parametrize("name", sample(CASES, "L, harmonic", "hole, screened"))
def test_exact_solutions(name: str) -> None:
    what = CASES[name]
    records = run(what)
    assert records.source is not None
    assert records.flux is not None
    assert records.flux_element is not None
    f = what.ratio * what.u(*np.moveaxis(records.source, -1, 0))
    values = records.mixed_values(
        what.u(*np.moveaxis(records.exit, -1, 0)), f, what.h(records.flux, records.flux_element)
    )
    exact = what.u(*what.polygon.interior(POINTS, (2, 2), margin=0.15).T)
    check_scores(scores(values, exact))
    assert slope(values, exact) == pytest.approx(-0.5, abs=0.05)
    assert not records.truncated.any()


@pytest.mark.slow
def test_heat_around_a_slot_is_that_of_finite_elements() -> None:
    """The plate of skr-thermal: three insulated edges and rims, and heat that flows out of the fourth."""
    changes = ["problem.resolution.h=0.03", "problem.order=2", "solver.method=direct"]
    changes += ["problem.boundary.left.dirichlet=1", "problem.boundary.right.neumann=-2"]
    job = FieldJob(load_preset("skr-thermal", changes))
    instance = job.instance("train", 0)
    system = job.discretisation.assemble(instance)
    solution = Direct(method="direct").solver().solve(system, None)
    field = job.discretisation.to_field(solution.value, instance)
    assert isinstance(job.problem, Thermal)
    domain = job.problem.domain
    polygon = MixedPolygon(domain.outline, domain.holes, domain.sides, ("bottom", "right", "top", "hole0"))
    nodes = np.stack([job.discretisation.points.coordinates[axis] for axis in "xy"], axis=-1)
    chosen = np.flatnonzero(polygon.distance(nodes) > 0.4)[::60]
    records = star_walk(polygon, nodes[chosen], chosen, 0, WALKS, **OPTIONS)
    assert records.flux_element is not None
    outflow = np.where(polygon.side_of(records.flux_element) == polygon.side_number("right"), -2.0, 0.0)
    values = records.mixed_values(np.ones(records.weight.shape), 0.0, outflow)
    check_scores(scores(values, field[chosen]), 0.75, 1.25)  # three standard deviations of the root mean square of 70


def test_walks_do_not_depend_on_their_company() -> None:
    what = CASES["hole, screened"]
    whole = run(what, 0, 40)
    cuts = [(rows, first) for rows in (slice(0, 70), slice(70, None)) for first in (0, 20)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda cut: run(what, cut[1], 20, cut[0]), cuts))
    for name in vars(whole):
        a, b, c, d = (getattr(part, name) for part in parts)
        joined = np.concatenate([np.concatenate([a, b], axis=1), np.concatenate([c, d], axis=1)])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_points_lie_on_the_sides_they_name() -> None:
    polygon, records = RIM, run(CASES["hole, harmonic"], walks=50)
    assert records.flux is not None
    assert records.flux_element is not None
    seen = records.flux_element >= 0
    for points, element in ((records.exit, records.element), (records.flux[seen], records.flux_element[seen])):
        edges = polygon.shape.edges[element]
        off = points - edges[..., :2]
        across = off[..., 0] * edges[..., 3] - off[..., 1] * edges[..., 2]
        np.testing.assert_allclose(across * np.sqrt(edges[..., 4]), 0.0, atol=1e-12)
        along = (off * edges[..., 2:4]).sum(axis=-1) * edges[..., 4]
        assert (abs(along - 0.5) <= 0.5 + 1e-12).all()
    assert set(polygon.side_of(records.element).ravel()) == {polygon.side_number(f"edge{i}") for i in (0, 2, 3)}
    assert set(polygon.side_of(records.flux_element[seen])) == {
        polygon.side_number(side) for side in ("edge1", "hole0")
    }


def test_without_a_flux_the_walks_are_the_same() -> None:
    points = RIM.interior(20, (2, 2), margin=0.15)
    some = star_walk(RIM, points, np.arange(20), 0, 50, **OPTIONS)
    other = star_walk(RIM, points, np.arange(20), 0, 50, flux=False, **OPTIONS)
    np.testing.assert_array_equal(some.exit, other.exit)
    np.testing.assert_array_equal(some.source_weight, other.source_weight)
    assert other.flux is None


def test_refusals() -> None:
    with pytest.raises(SolverError, match="all sides"):
        MixedPolygon(SQUARE, fluxes=("edge0", "edge1", "edge2", "edge3"))
    with pytest.raises(SolverError, match="no side has a flux"):
        MixedPolygon(SQUARE)
    with pytest.raises(SolverError, match="outside"):
        star_walk(RIM, [[0.5, 0.5]], [0], 0, 1, **OPTIONS)
