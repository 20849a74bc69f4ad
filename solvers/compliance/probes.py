"""Problems that differ from a given one in a single field or term."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Option

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import Field, Function
from pdemill.spec.problem import Problem
from pdemill.spec.terms import Diagonal, Terms


class Given(Field):
    """A function that the suite wrote; of the spec it leaves nothing."""

    evaluate: Callable[[Points], Any] = Option(exclude=True)
    random: ClassVar[bool] = False

    def realise(self, draw: Draw) -> Function:
        return Function(self.evaluate)


class Changed(Field):
    """The field ``of``, 1.6 times as large and a smooth positive function more."""

    of: Field = Option(exclude=True)
    random: ClassVar[bool] = False

    def realise(self, draw: Draw) -> Function:
        return replace(changed(self.of.realise(draw)), random=False)


def changed(function: Function) -> Function:
    """The function, 1.6 times as large and a smooth positive function more."""

    def evaluate(points: Points) -> Array:
        x, y = (points.coordinates[name] for name in ("x", "y"))
        return np.asarray(1.6 * function(points) + 0.4 + 0.2 * np.sin(2.0 * x + y))

    return replace(function, evaluate=evaluate, _values={})


def with_field(problem: Problem, path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The keys of a problem with another field at a path of ``Problem.slots``."""
    name = str(path[0])
    held = getattr(problem, name)
    if len(path) > 1:
        entries = tuple(value if axis == path[-1] else entry for axis, entry in enumerate(problem.values(name)))
        value = Diagonal(diagonal=entries) if isinstance(held, Diagonal) else entries
    return {**keys_of(problem), name: value}


def with_side(problem: Problem, side: str, path: tuple[str, ...], value: Field) -> dict[str, Any]:
    """The keys of a problem with another field in the condition on a side."""
    condition = problem.conditions[side]
    data: Any = value
    if len(path) > 1:
        held = getattr(condition, path[0])
        data = {name: getattr(held, name) for name in type(held).model_fields} | {path[-1]: value}
    return {**keys_of(problem), "boundary": {**problem.conditions, side: {path[0]: data}}}


def keys_of(problem: Problem) -> dict[str, Any]:
    """The keys that make the problem again, its parts as they are."""
    return {name: getattr(problem, name) for name in problem.model_fields_set}


def with_terms(form: type[Problem], change: Callable[[Terms], Terms]) -> type[Problem]:
    """The form with other terms; it is not registered."""

    def terms(self: Problem, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        return change(form.terms(self, drawn))

    namespace: Mapping[str, Any] = {"__module__": form.__module__, "terms": terms}
    kind: Any = type(form)
    made: type[Problem] = kind(f"{form.__name__}Changed", (form,), dict(namespace))
    return made


def replaced(terms: Terms, name: str, number: int, change: Callable[[Function], Function]) -> Terms:
    """The terms with another function as component ``number`` of a term."""
    held = getattr(terms, name)
    several = isinstance(held, tuple)
    parts = [change(part) if axis == number else part for axis, part in enumerate(held if several else (held,))]
    return with_term(terms, name, tuple(parts) if several else parts[0])


def with_term(terms: Terms, name: str, value: Any) -> Terms:
    """The terms with another value of one of them."""
    more: Any = {name: value}
    return replace(terms, **more)
