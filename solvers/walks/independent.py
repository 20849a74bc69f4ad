"""Walks of one sample for itself: the kernel that its equation and sides ask for, and the data on its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from solvers.walks.control import Control
from solvers.walks.data import Data
from solvers.walks.delta import delta_walks, majorant
from solvers.walks.equation import Equation
from solvers.walks.estimates import Outcome, Rows
from solvers.walks.geometry import Geometry
from solvers.walks.philox import WORD, Key
from solvers.walks.records import Records
from solvers.walks.walk import gradient_walk, walk

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
class Places:
    """What walks [p, k] collected: u(x) = E[sum over parts of weight times data at the place].

    ``exits`` on the boundary with ``sides`` (-1: cut short), ``sources`` inside, ``fluxes`` on Neumann sides.
    """

    exits: Array
    sides: NDArray[np.intp]
    weights: Array
    steps: NDArray[np.int32]
    sources: Array | None = None
    source_weights: Array | None = None
    fluxes: Array | None = None
    flux_sides: NDArray[np.intp] | None = None
    flux_weights: Array | None = None
    largest: float = 1.0


class Plain:
    """Walks with constant coefficients and Dirichlet sides."""

    def __init__(self, start: Start, equation: Equation, source: bool) -> None:
        self._start, self._equation, self._source = start, equation, source

    def __call__(self, rows: Rows, first: int, count: int) -> Places:
        s, k = self._start, self._equation.k
        found = walk(
            s.geometry, s.points[rows], s.ids[rows], first, count, s.epsilon, s.max_steps, s.key, s.stream,
            self._equation.screening, self._source, s.sobol,
        )  # fmt: skip
        weights = None if found.source_weight is None else found.source_weight / k
        sides = s.geometry.side_of(found.element)
        return Places(found.exit, sides, found.weight, found.steps, found.source, weights)


class Varying:
    """Delta tracking where coefficients vary."""

    def __init__(self, start: Start, equation: Equation) -> None:
        assert equation.medium is not None
        self._start, self._medium = start, equation.medium
        self._sigma = majorant(equation.medium)

    def __call__(self, rows: Rows, first: int, count: int) -> Places:
        s = self._start
        found = delta_walks(
            s.geometry, self._medium, s.points[rows], s.ids[rows].astype(np.uint32), first, count, epsilon=s.epsilon,
            max_steps=s.max_steps, key=s.key, stream=s.stream, sigma=self._sigma,
        )  # fmt: skip
        sides, largest = s.geometry.side_of(found.element), float(found.largest.max(initial=1.0))
        return Places(found.exit, sides, found.weight, found.steps, found.source, found.source_weight, largest=largest)


def walker_of(start: Start, equation: Equation, data: Data, source: bool) -> Callable[[Rows, int, int], Places]:
    """The walks for an equation; ``source`` says whether there is anything to collect inside."""
    if equation.medium is not None:
        return Varying(start, equation)
    return Plain(start, equation, source)


class Walked:
    """Walks with their data: what ``estimates.estimate`` asks for. ``slopes`` gives what walks are worth for ∇u."""

    def __init__(
        self,
        walker: Callable[[Rows, int, int], Places],
        data: Data,
        points: Array,
        control: Control | None = None,
        slopes: Callable[[Rows, int, int], Array] | None = None,
    ) -> None:
        self._walker, self._data, self._points, self._control, self._slopes = walker, data, points, control, slopes

    def __call__(self, rows: Rows, first: int, count: int) -> Outcome:
        found = self._walker(rows, first, count)
        values = found.weights * _shaped(self._on_sides, found.exits, found.sides)
        if found.sources is not None:
            values = values + found.source_weights * _shaped(self._source, found.sources)
        if found.fluxes is not None:
            values = values + found.flux_weights * _shaped(self._data.on_sides, found.fluxes, found.flux_sides)
        if self._control is not None:
            values = values + self._control.value(self._points[rows])[:, None]
        slopes = None if self._slopes is None else self._slopes(rows, first, count)
        return Outcome(np.asarray(values), found.steps, found.sides < 0, found.largest, slopes)

    def _on_sides(self, places: Array, sides: NDArray[np.intp]) -> Array:
        values = self._data.on_sides(places, sides)
        return values if self._control is None else values - np.where(sides >= 0, self._control.value(places), 0.0)

    def _source(self, places: Array) -> Array:
        values = self._data.source(places)
        return values if self._control is None else np.asarray(values - self._control.applied(places))


class Slopes:
    """What walks are worth for ∇u: a second set of values, from walks whose first step is remembered."""

    def __init__(self, start: Start, equation: Equation, data: Data) -> None:
        self._start, self._equation, self._data = start, equation, data

    def __call__(self, rows: Rows, first: int, count: int) -> Array:
        s = self._start
        arguments = (s.epsilon, s.max_steps, s.key, s.stream, self._equation.screening, True)
        pilots = walk(s.geometry, s.points[rows], s.ids[rows], WORD // 2, PILOTS, *arguments)
        centre = pilots.values(*self._values(pilots)).mean(axis=1)
        found = gradient_walk(s.geometry, s.points[rows], s.ids[rows], first, count, *arguments, s.sobol)
        ball = _shaped(self._data.source, found.ball) / self._equation.k
        return found.values(*self._values(found.walks), ball, centre)

    def _values(self, records: Records) -> tuple[Array, Array]:
        assert records.source is not None
        sides = self._start.geometry.side_of(records.element)
        source = _shaped(self._data.source, records.source) / self._equation.k
        return _shaped(self._data.on_sides, records.exit, sides), source


def _shaped(function: Callable[..., Array], places: Array, *others: NDArray[Any]) -> Array:
    """A function of places [n, d] at places [p, k, d]: shape [p, k]."""
    flat = [other.ravel() for other in others]
    return function(places.reshape(-1, places.shape[2]), *flat).reshape(places.shape[:2])
