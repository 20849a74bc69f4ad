"""Boxes with a flux on some faces, against exact solutions in 2, 3 and 5 dimensions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.folding import FoldedBox, folded_walk, plane_mass
from pdemill.solvers.walks.mixed import MixedRecords
from tests.sampling import sample
from tests.walks.scores import check_scores, scores, slope

POINTS, WALKS = 300, 512
OPTIONS: dict[str, Any] = {"epsilon": 2e-4, "max_steps": 100_000, "key": (6, 7), "stream": 1}


class Case(NamedTuple):
    """u = p(x₁) p(x₂) ..., every p with its first two derivatives; -Δu + λ u = f."""

    box: FoldedBox
    factors: tuple[Callable[[Array, int], Array], ...]
    screening: float = 0.0

    def u(self, points: Array, orders: tuple[int, ...] = ()) -> Array:
        orders = orders or (0,) * self.box.dimension
        each = [p(points[..., i], order) for i, (p, order) in enumerate(zip(self.factors, orders, strict=True))]
        return np.asarray(np.prod(each, axis=0))

    def f(self, points: Array) -> Array:
        second = [tuple(2 * int(i == j) for i in range(self.box.dimension)) for j in range(self.box.dimension)]
        return np.asarray(self.screening * self.u(points) - sum(self.u(points, orders) for orders in second))

    def h(self, points: Array, element: NDArray[np.int32]) -> Array:
        """∂u/∂n on the faces; 0 where there is no face."""
        value = np.zeros(element.shape)
        for axis in range(self.box.dimension):
            slopes = self.u(points, tuple(int(i == axis) for i in range(self.box.dimension)))
            value = np.where(element // 2 == axis, np.where(element % 2 == 1, slopes, -slopes), value)
        return value


def wave(a: float, b: float) -> Callable[[Array, int], Array]:
    """cos(a x + b)."""
    return lambda x, order: np.asarray(a**order * np.cos(a * x + b + order * np.pi / 2))


CASES = {
    "plane, no flux": Case(FoldedBox((0, 0), (1, 1.5), ("left", "right")), (wave(2 * np.pi, 0), wave(1, 0.3))),
    "plane": Case(FoldedBox((0, 0), (1, 1.5), ("left",)), (wave(2, 0.4), wave(1, 0.3))),
    "strip": Case(FoldedBox((0, -1), (0.3, 2), ("left", "right")), (wave(2, 0.4), wave(1, 0.3)), 2.0),
    "corner": Case(FoldedBox((0, 0), (1, 1), ("right", "bottom")), (wave(2, 0.4), wave(1, 0.3)), 30.0),
    "space": Case(FoldedBox((0, 0, 0), (1, 0.8, 1.2), ("left", "back")), (wave(2, 0.4), wave(1, 0.3), wave(1, 1))),
    "bar": Case(
        FoldedBox((0, 0, 0), (0.4, 0.4, 2), ("left", "right", "bottom", "top")),
        (wave(1, 0.4), wave(2, 0.3), wave(1, 1)),
        3.0,
    ),
    "five dimensions": Case(
        FoldedBox((0,) * 5, (1,) * 5, ("x1_low", "x2_low", "x2_high", "x4_high")),
        (wave(1, 0), wave(np.pi, 0), wave(1, 0.2), wave(np.pi / 2, np.pi / 2), wave(0.5, 0)),
        1.0,
    ),
}
FLUX = ("plane", "strip", "corner", "space", "bar")


def run(what: Case, flux: bool, first: int = 0, walks: int = WALKS, rows: slice = slice(None)) -> MixedRecords:
    points = what.box.interior(POINTS, (2, 2), margin=1e-2)
    screening, ids = what.screening, np.arange(POINTS)[rows]
    return folded_walk(
        what.box, points[rows], ids, first, walks, screening=screening, source=True, flux=flux, **OPTIONS
    )


@pytest.mark.parametrize("name", sample(CASES, "strip", "bar"))
def test_exact_solutions(name: str) -> None:
    what = CASES[name]
    records = run(what, name in FLUX)
    assert records.source is not None
    h: Array | float = 0.0
    if records.flux is not None and records.flux_element is not None:
        h = what.h(records.flux, records.flux_element)
    values = records.mixed_values(what.u(records.exit), what.f(records.source), h)
    exact = what.u(what.box.interior(POINTS, (2, 2), margin=1e-2))
    check_scores(scores(values, exact))
    assert slope(values, exact) == pytest.approx(-0.5, abs=0.05)
    assert not records.truncated.any()


def test_points_lie_on_the_faces_they_name() -> None:
    for name in FLUX:
        what = CASES[name]
        box, records = what.box, run(what, True, walks=20)
        assert records.source is not None
        assert records.flux is not None
        assert records.flux_element is not None
        for points, element in ((records.exit, records.element), (records.flux, records.flux_element)):
            seen = element >= 0
            axis, face = element[seen] // 2, np.stack([box.lower, box.lower + box.extent])
            place = np.take_along_axis(points[seen], axis[:, None], axis=1)[:, 0]
            np.testing.assert_allclose(place, face[element[seen] % 2, axis], atol=1e-12)
        assert box.shape.mirror[records.flux_element[records.flux_element >= 0]].all()
        assert not box.shape.mirror[records.element].any()
        for points in (records.source, records.flux, records.exit):
            assert (points >= box.lower - 1e-12).all()
            assert (points <= box.lower + box.extent + 1e-12).all()


@pytest.mark.parametrize("s", [0.0, 0.2, 0.69])
def test_mass_of_a_plane(s: float) -> None:
    disc = quad(lambda t: t / 2 * (1 / np.hypot(s, t) - 1 / 0.7), 0, np.sqrt(0.49 - s * s))[0]
    chord = 2 * quad(lambda t: np.log(0.7 / np.hypot(s, t)) / (2 * np.pi), 0, np.sqrt(0.49 - s * s))[0]
    assert plane_mass(3, 0.7, s) == pytest.approx(disc, rel=1e-7)
    assert plane_mass(2, 0.7, s) == pytest.approx(chord, rel=1e-7)


def test_walks_do_not_depend_on_their_company() -> None:
    what = CASES["strip"]
    whole = run(what, True, 0, 40)
    cuts = [(rows, first) for rows in (slice(0, 70), slice(70, None)) for first in (0, 20)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda cut: run(what, True, cut[1], 20, cut[0]), cuts))
    for name in vars(whole):
        a, b, c, d = (getattr(part, name) for part in parts)
        joined = np.concatenate([np.concatenate([a, b], axis=1), np.concatenate([c, d], axis=1)])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_refusals() -> None:
    with pytest.raises(SolverError, match="all faces"):
        FoldedBox((0, 0), (1, 1), ("left", "right", "bottom", "top"))
    with pytest.raises(SolverError, match="no side"):
        FoldedBox((0, 0), (1, 1), ("front",))
    with pytest.raises(SolverError, match="two or three"):
        run(CASES["five dimensions"], True)
