"""One sample of a problem: its functions, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import cached_property
from math import inf, isfinite
from typing import Any

import numpy as np

from pdemill.draws import Draw
from pdemill.errors import FamilyError
from pdemill.kept import MASK
from pdemill.points import Array, Points
from pdemill.spec.condition import Condition
from pdemill.spec.field import Field, Function
from pdemill.spec.problem import Problem, Terms

LEAST = 1e-200
"""What coefficients count as that are 0 at a moment."""
FINITE, AT_LEAST_ZERO, POSITIVE = "finite", "at least zero", "positive"


class InvalidSample(ValueError):
    """A drawn function breaks the equation, for example a coefficient that is not positive."""


def _checked(function: Function, name: str, sign: str, limits: tuple[float, float] = (-inf, inf)) -> Function:
    """The function, which raises InvalidSample when a value of it is not finite, has the wrong sign, or is not between
    the limits."""

    def check(values: Array | float) -> Array | float:
        least, most = values, values
        if isinstance(values, np.ndarray):
            if not values.size:
                return values
            least, most = values.min(), values.max()
        if not (isfinite(least) and isfinite(most)):  # either is NaN where any value is
            raise InvalidSample(f"{name} is not finite everywhere")
        if sign != FINITE and least <= 0 and (sign == POSITIVE or least < 0):
            raise InvalidSample(f"{name} must be {sign}, but reaches {least:g}")
        if least <= limits[0] or most >= limits[1]:
            told = least if least <= limits[0] else most
            raise InvalidSample(f"{name} must be between {limits[0]:g} and {limits[1]:g}, but reaches {told:g}")
        return values

    return function.map(check)


def _above_zero(values: Array | float) -> Array | float:
    """What is 0 at a moment as the least that can be divided by: fluxes through sides then stay what they are."""
    return np.maximum(values, LEAST)


class Instance:
    """The equation and the side data of one sample, as functions that no grid has touched yet.

    ``fixed`` keeps the functions that are the same in every sample, and with them their values on the grid.
    """

    def __init__(self, problem: Problem, draw: Draw, fixed: dict[str, Function]) -> None:
        self.problem = problem
        self.draw = draw.at("problem")
        self._fixed = fixed
        self.fields: dict[str, tuple[Function, ...]] = {}
        drawn_measures = [(path, value) for path, value in problem.measures() if value.is_random]
        self.sides: dict[str, dict[str, Function]] = {side: {} for side in problem.conditions}
        for side, path, value in problem.side_slots():
            sign = AT_LEAST_ZERO if path[-1] in problem.conditions[side].in_operator else FINITE
            self.sides[side][path[-1]] = self._realise(value, ("boundary", side, *path), sign)
        self.shape = {} if problem.pointwise else {".".join(p): self._realise(v, p, FINITE) for p, v in drawn_measures}
        """The measures of the domain that are drawn."""
        self.grids: dict[Any, Any] = {}
        """What discretisations keep of the sample."""
        self.mask = self._mask()
        """1 where the domain is kept, 0 in its obstacles; None where nothing is cut out of it."""

    def drawn(self, name: str) -> tuple[Function, ...]:
        """The functions of the field called ``name``: one, or one per axis."""
        if name not in self.fields:
            values = self.problem.values(name)
            paths = [(name, str(axis)) for axis in range(len(values))] if len(values) > 1 else [(name,)]
            self.fields[name] = tuple(
                self._realise(v, path, self._sign(name, v)) for v, path in zip(values, paths, strict=True)
            )
        return self.fields[name]

    def _sign(self, name: str, value: Field) -> str:
        """What values of a field must be; the number 0 is what a family admits, or it is no value of the spec."""
        if name in self.problem.positive and value.bounds() != (0.0, 0.0):
            return POSITIVE if not value.in_time else AT_LEAST_ZERO
        return AT_LEAST_ZERO if name in self.problem.not_negative else FINITE

    def _realise(self, value: Field, path: tuple[str, ...], sign: str) -> Function:
        name = ".".join(path)
        if name in self._fixed:
            return self._fixed[name]
        drawn = value.realise(self.draw.at("/".join(path)))
        limits = self.problem.limits.get(name, (-inf, inf))
        function = _checked(drawn, name, sign, limits) if drawn.of_space else drawn
        if value.in_time and path[0] in self.problem.positive:
            function = function.map(_above_zero)
        if not value.is_random:
            self._fixed[name] = function
        return function

    def _mask(self) -> Function | None:
        if MASK in self._fixed:
            return self._fixed[MASK]
        levels = [_checked(level, name, FINITE) for name, level in self.problem.obstacle_levels(self.draw).items()]
        if not levels:
            return None

        def evaluate(points: Points) -> Array:
            kept = np.ones(points.shape)
            for level in levels:
                kept[np.broadcast_to(level(points) < 0.0, points.shape)] = 0.0
            return kept

        def features(points: Points) -> Array:
            return np.concatenate([np.empty(0), *(level.features(points) for level in levels)])

        numbers = {f"{n}.{name}": value for n, level in enumerate(levels) for name, value in level.parameters.items()}
        mask = Function(evaluate, any(level.random for level in levels), features, numbers)
        if not mask.random:
            self._fixed[MASK] = mask
        return mask

    @cached_property
    def terms(self) -> Terms:
        """The coefficients of the equation; those that its discretiser would not look at are an error."""
        terms, by = self.problem.stated(self.drawn), self.problem.discretisation
        left_out = {name for name, _ in terms.present() if name not in by.takes.terms}
        for name in sorted(left_out):
            if name not in self.problem.zero_terms:
                family = self.problem.family
                raise FamilyError(f"a sample of {family} has a {name} term, which {by.name} does not take")
            terms = terms.without(name)
        return terms

    def of_unknown(self, number: int) -> Instance:
        """The sample with the terms of one unknown alone."""
        if not self.terms.others:
            return self
        other = copy(self)
        other.__dict__["terms"] = (self.terms, *self.terms.others)[number]
        return other

    @cached_property
    def in_time(self) -> bool:
        """Whether data of its equation depend on t."""
        sides = [function for functions in self.sides.values() for function in functions.values()]
        return any(function.in_time for function in sides) or self.depends_on_time(*Terms.names())

    def depends_on_time(self, *names: str) -> bool:
        """Whether any of these terms does, of any unknown."""
        return any(function.in_time for name, part in self.terms.present() if name in names for function in part)

    def at_time(self, t: float) -> Instance:
        """The sample as it is at the time t."""
        if not self.in_time:
            return self
        other = copy(self)
        other.sides = {side: {n: f.at_time(t) for n, f in functions.items()} for side, functions in self.sides.items()}
        other.__dict__["terms"] = self.terms.at_time(t)
        return other

    def condition(self, side: str) -> tuple[Condition, dict[str, Function]]:
        """The condition on a side and its functions by name."""
        return self.problem.conditions[side], self.sides[side]

    def named(self) -> Iterator[tuple[str, Function]]:
        """Every drawn function that is random, and the mask where there are obstacles, with the name of its channel."""
        _ = self.terms
        for name, functions in self.fields.items():
            for axis, function in enumerate(functions):
                if function.random:
                    yield (f"{name}_{self.problem.entry_names(name)[axis]}" if len(functions) > 1 else name), function
        for side, functions_of_side in self.sides.items():
            for name, function in functions_of_side.items():
                if function.random:
                    yield f"{side}_{name}", function
        if self.mask is not None:
            yield MASK, self.mask

    def evaluate(self, points: Points, side_points: dict[str, Points]) -> None:
        """Draw what is random where a grid needs it; functions remember their values. Raises InvalidSample."""
        for function, where in self._placed(points, side_points):
            if function.of_space:
                function(where)

    def _placed(self, points: Points, side_points: dict[str, Points]) -> Iterator[tuple[Function, Points]]:
        """Every drawn function that is random, with the points where it lives."""
        sides = {f"{side}_{name}": side_points[side] for side, fs in self.sides.items() for name in fs}
        for name, function in self.named():
            yield function, sides.get(name, points)

    def parameters(self) -> dict[str, float]:
        """The named numbers of this sample, for the store's ``params``."""
        return {
            f"{name}.{key}" if key else name: value
            for name, function in self.named()
            for key, value in function.parameters.items()
        } | {name: function.parameters[""] for name, function in self.shape.items()}

    def features(self, points: Points, side_points: dict[str, Points]) -> Array:
        """The numbers by which samples are compared when they are ordered."""
        parts = [np.empty(0)]
        for function, where in self._placed(points, side_points):
            parts.append(function.features(where))
        parts += [function.features(points) for function in self.shape.values()]
        return np.concatenate(parts)
