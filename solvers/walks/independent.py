"""Walks of one sample for itself: the kernel that its equation and sides ask for, and the data on its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.walks.control import Control
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.delta import delta_walk
from pdemill.solvers.walks.equation import Equation
from pdemill.solvers.walks.estimates import Outcome, PointNumbers
from pdemill.solvers.walks.folding import FoldedBox, folded_walk
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.mixed import MixedRecords
from pdemill.solvers.walks.philox import WORD, Key
from pdemill.solvers.walks.records import Records
from pdemill.solvers.walks.walk import gradient_walk, walk
from pdemill.solvers.walks.walk_on_stars import MixedPolygon, star_walk

PILOTS = 64
"""Walks that give the gradient's estimator a number to subtract; numbered beyond those that count."""


@dataclass(frozen=True)
class Start:
    """Where and how the walks of a sample begin. ``ids`` [P] number the points in the random stream."""

    geometry: Geometry
    points: Array
    ids: NDArray[np.int64]
    epsilon: float
    max_steps: int
    key: Key
    stream: int
    sobol: bool = False


@dataclass(frozen=True)
class Deposit:
    """Places [p, k, d] where data counts with weights [p, k]; ``sides`` [p, k] on the boundary, -1 for none."""

    places: Array
    weights: Array
    sides: NDArray[np.intp] | None = None


@dataclass(frozen=True)
class Trip:
    """Deposits of walks [p, k]: u(x) is the mean of the sum of their deposits, u where they ended, f where they
    passed, k du/dn on Neumann sides they touched. ``largest``: the largest weight on the way."""

    exits: Deposit
    steps: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    sources: Deposit | None = None
    fluxes: Deposit | None = None
    largest: float = 1.0


type Walker = Callable[[PointNumbers, int, int], Trip]
"""Walks first..first+count-1 of some points."""


def walker_of(start: Start, equation: Equation, source: bool, flux: bool) -> Walker:
    """The walks for an equation; ``source`` and ``flux`` say whether there is anything to collect on the way."""
    s = start
    shared = (s.epsilon, s.max_steps, s.key, s.stream)

    def varying(rows: PointNumbers, first: int, count: int) -> Trip:
        assert equation.medium is not None
        found = delta_walk(s.geometry, equation.medium, s.points[rows], s.ids[rows], first, count, *shared)
        return _trip(found, s.geometry, 1.0, float(found.largest.max(initial=1.0)))

    def folded(rows: PointNumbers, first: int, count: int) -> Trip:
        assert isinstance(s.geometry, FoldedBox)
        options = (equation.screening, source, flux)
        found = folded_walk(s.geometry, s.points[rows], s.ids[rows], first, count, *shared, *options)
        return _trip(found, s.geometry, equation.k)

    def starry(rows: PointNumbers, first: int, count: int) -> Trip:
        assert isinstance(s.geometry, MixedPolygon)
        options = (equation.screening, flux)
        found = star_walk(s.geometry, s.points[rows], s.ids[rows], first, count, *shared, *options)
        return _trip(found, s.geometry, equation.k)

    def plain(rows: PointNumbers, first: int, count: int) -> Trip:
        options = (equation.screening, source, s.sobol)
        found = walk(s.geometry, s.points[rows], s.ids[rows], first, count, *shared, *options)
        return _trip(found, s.geometry, equation.k)

    if equation.medium is not None:
        return varying
    if isinstance(s.geometry, MixedPolygon):
        return starry
    return folded if isinstance(s.geometry, FoldedBox) else plain


def _trip(found: Records, geometry: Geometry, k: float, largest: float = 1.0) -> Trip:
    """Records with their weights divided by k where the data are f and k ∂u/∂n."""
    exits = Deposit(found.exit, found.weight, geometry.side_of(found.element))
    sources = fluxes = None
    if found.source is not None and found.source_weight is not None:
        sources = Deposit(found.source, found.source_weight / k)
    if isinstance(found, MixedRecords) and found.flux is not None:
        assert found.flux_weight is not None
        assert found.flux_element is not None
        fluxes = Deposit(found.flux, found.flux_weight / k, geometry.side_of(found.flux_element))
    return Trip(exits, found.steps, found.element < 0, sources, fluxes, largest)


class Walked:
    """Walks with their data: what ``estimates.estimate`` asks for. ``slopes`` gives what walks are worth for ∇u."""

    def __init__(
        self,
        walker: Walker,
        data: Data,
        points: Array,
        control: Control | None = None,
        slopes: Slopes | None = None,
    ) -> None:
        self._walker, self._data, self._points, self._control, self._slopes = walker, data, points, control, slopes

    def __call__(self, rows: PointNumbers, first: int, count: int) -> Outcome:
        trip = self._walker(rows, first, count)
        values = _worth(trip.exits, self._on_sides)
        if trip.sources is not None:
            values = values + _worth(trip.sources, self._source)
        if trip.fluxes is not None:
            values = values + _worth(trip.fluxes, self._data.on_sides)
        if self._control is not None:
            values = values + self._control.value(self._points[rows])[:, None]
        slopes, steepness = (None, None) if self._slopes is None else self._slopes(rows, first, count)
        return Outcome(values, trip.steps, trip.truncated, trip.largest, slopes, steepness)

    def _on_sides(self, places: Array, sides: NDArray[np.intp]) -> Array:
        values = self._data.on_sides(places, sides)
        return values if self._control is None else values - np.where(sides >= 0, self._control.value(places), 0.0)

    def _source(self, places: Array) -> Array:
        values = self._data.source(places)
        return values if self._control is None else np.asarray(values - self._control.applied(places))


class Slopes:
    """Values of walks for ∇u: a second set of values, from walks whose first step is remembered.

    There is no control variate in them.
    """

    def __init__(self, start: Start, equation: Equation, data: Data) -> None:
        self._start, self._equation, self._data = start, equation, data

    def __call__(self, rows: PointNumbers, first: int, count: int) -> tuple[Array, Array]:
        """The values [p, k, d], and what a difference of 1 at the end of a walk is worth in them [p]."""
        s = self._start
        arguments = (s.epsilon, s.max_steps, s.key, s.stream, self._equation.screening, True)
        pilots = walk(s.geometry, s.points[rows], s.ids[rows], WORD // 2, PILOTS, *arguments)
        centre = pilots.values(*self._values(pilots)).mean(axis=1)
        found = gradient_walk(s.geometry, s.points[rows], s.ids[rows], first, count, *arguments, s.sobol)
        ball = _worth(Deposit(found.ball, np.ones(1)), self._data.source) / self._equation.k
        return found.values(*self._values(found.walks), ball, centre), found.slope

    def _values(self, records: Records) -> tuple[Array, Array]:
        assert records.source is not None
        ends = Deposit(records.exit, np.ones(1), self._start.geometry.side_of(records.element))
        passed = Deposit(records.source, np.ones(1))
        return _worth(ends, self._data.on_sides), _worth(passed, self._data.source) / self._equation.k


def _worth(deposit: Deposit, function: Callable[..., Array]) -> Array:
    """Weights times data, [p, k]; the data are a function of places [n, d], and of sides [n] where there are any."""
    flat = deposit.places.reshape(-1, deposit.places.shape[2])
    values = function(flat) if deposit.sides is None else function(flat, deposit.sides.ravel())
    return np.asarray(deposit.weights * values.reshape(deposit.places.shape[:2]))
