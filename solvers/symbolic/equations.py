"""Equations of unknowns on periodic boxes, as texts with drawn numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from math import isfinite
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from pdemill.draws import Draw
from pdemill.errors import Path
from pdemill.points import Array, Points
from pdemill.solvers.formulas import CONSTANTS, Refused, value_of
from pdemill.solvers.scalars import Scalars
from pdemill.solvers.symbolic.growth import growing, told
from pdemill.solvers.symbolic.reading import check_right, expanded, sides
from pdemill.solvers.symbolic.split import Split, check_sizes, split
from pdemill.spec.field import AnyScalar, Field, Function
from pdemill.spec.model import refuse
from pdemill.spec.terms import NOWHERE

MOST_TRIED = 64
"""Sets of numbers with which equations are tried when a spec is read."""
BOUNDLESS = (
    "is not well-posed: {} lets waves grow without bound, the faster the shorter they are; give it the other sign, or "
    "damp short waves by a term of higher order"
)


NOTHING = Split((), (), (), ())


@dataclass(frozen=True)
class EquationsFunction(Function):
    """Equations with one draw of their numbers: their ``split`` form, the ``trees`` as they were written, the values of
    all ``names``, and what is wrong with them, if anything is. They are no function of space, and have no channel of
    inputs."""

    of_space: ClassVar[bool] = False
    split: Split = NOTHING
    trees: tuple[ast.expr, ...] = ()
    names: Mapping[str, float] = MappingProxyType({})
    fault: str = ""


class Equations(Field):
    """Right-hand sides for u_t of one unknown or several, each a text ``u_t = ...``, and the numbers in them."""

    texts: tuple[str, ...]
    where: dict[str, AnyScalar]
    dimension: int

    @cached_property
    def read(self) -> tuple[tuple[str, ...], tuple[ast.expr, ...]]:
        """The unknowns, and the right-hand sides. Raises ValidationError, as all below."""
        found: dict[str, ast.expr] = {}
        for number, text in enumerate(self.texts):
            try:
                name, tree = sides(text)
                if name in found:
                    raise Refused(f"is a second equation for {name}")
                if name in self.where:
                    raise Refused(f"is for {name}, which has a value under 'where'")
            except Refused as fault:
                raise self._refusal(number, str(fault)) from None
            found[name] = tree
        unknowns = tuple(found)
        for number, tree in enumerate(found.values()):
            try:
                check_right(tree, unknowns, self.where)
            except Refused as fault:
                raise self._refusal(number, str(fault)) from None
        return unknowns, tuple(found.values())

    @property
    def unknowns(self) -> tuple[str, ...]:
        return self.read[0]

    @cached_property
    def split(self) -> Split:
        """The equations, taken apart."""
        unknowns, trees = self.read
        totals = []
        for number, tree in enumerate(trees):
            try:
                total = expanded(tree, unknowns, self.dimension)
                check_sizes(total)
            except Refused as fault:
                raise self._refusal(number, str(fault)) from None
            totals.append(total)
        return split(tuple(totals), unknowns)

    def check(self) -> None:
        """Refuse equations that are no polynomials, have numbers that overflow, or are not well-posed, with the numbers
        at the ends of where they are drawn from, as far as these are known."""
        ends = [sorted({end for end in scalar.bounds() or () if isfinite(end)}) for scalar in self.where.values()]
        if not all(ends):
            _ = self.split
            return
        for values in islice(product(*ends), MOST_TRIED):
            if fault := self.fault(dict(zip(self.where, values, strict=True))):
                raise self._refusal(*fault)

    def fault(self, numbers: Mapping[str, float]) -> tuple[int, str] | None:
        """What is wrong with the equations where scalars have these values: the number of one, and why."""
        parts, names = self.split, {**CONSTANTS, **numbers}
        for target, value in parts.coefficients:
            if not isfinite(evaluated(value, names)):
                return target, f"has a number that is not finite: {ast.unparse(value):.60}"
        linear = [(t.target, t.source, t.orders, evaluated(t.coefficient, names)) for t in parts.linear]
        if term := growing(linear, len(parts.unknowns), self.dimension):
            return term[0], BOUNDLESS.format(told(term, parts.unknowns))
        return None

    def _refusal(self, number: int, why: str) -> Exception:
        path: Path = ("equations", number) if len(self.texts) > 1 else ("equations",)
        return refuse(path, why, self.texts[number])

    @property
    def is_random(self) -> bool:
        return any(scalar.is_random for scalar in self.where.values())

    @property
    def has_channel(self) -> bool:
        return False

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        yield from ()

    def realise(self, draw: Draw) -> EquationsFunction:
        drawn = Scalars.drawn(self.where, draw)
        names = {name: float(value) for name, value in drawn.values(NOWHERE).items()}
        fault = self.fault(names) if self.is_random else None

        def nowhere(points: Points) -> Array:
            raise TypeError("equations have no values")

        return EquationsFunction(
            nowhere, self.is_random, drawn.features, drawn.parameters,
            split=self.split, trees=self.read[1], names={**CONSTANTS, **names}, fault=f"{fault[1]}" if fault else "",
        )  # fmt: skip


def evaluated(value: ast.expr, names: Mapping[str, Any]) -> float:
    """The value of a coefficient; infinite or NaN where it has none."""
    with np.errstate(all="ignore"):
        return float(value_of(value, names))
