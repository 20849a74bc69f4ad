"""A linear equation on the cells of boxes, sample by sample, as the coefficients of its faces.

With u_P and u_E on both sides of a face the row of P has onwards (u_E - u_P), that of E back (u_P - u_E), which are the
same where nothing is convected; a cell at a side has load - rate u_P beside. What is left over,

    b - A u = f - c u + sum over faces and sides,

is the mean over each cell of f + div(k grad u) - b . grad u - c u, and A is never made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pdemill.solvers.residuals.values import Ops, Value, along, cells

FIRST, LAST, BUT_FIRST, BUT_LAST, ALL = slice(1), slice(-1, None), slice(1, None), slice(-1), slice(None)


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces across one axis, counted from the end; ``back`` is None where it is the same as ``onwards``."""

    axis: int
    joined: bool
    onwards: Value
    back: Value | None = None


@dataclass(frozen=True, eq=False)
class Side:
    """The cells at one side."""

    axis: int
    high: bool
    rate: Value
    load: Value

    @property
    def part(self) -> slice:
        return LAST if self.high else FIRST


@dataclass(frozen=True, eq=False)
class Stencil:
    """b - A u of a batch; ``reaction`` is c, ``load`` is f."""

    faces: tuple[Faces, ...]
    sides: tuple[Side, ...]
    reaction: Value
    load: Value

    @property
    def symmetric(self) -> bool:
        return all(faces.back is None for faces in self.faces)

    def applied(self, u: Any, ops: Ops) -> Any:
        """b - A u for u [.., *space]."""
        out = ops.copy(self.load, tuple(u.shape))
        if not _nothing(self.reaction):
            out -= self.reaction * u
        for faces in self.faces:
            self._flow(faces, _differences(u, faces), out)
            if faces.joined:
                self._flow_around(faces, _around(u, faces.axis), out)
        for side in self.sides:
            there = cells(out, side.axis, side.part)
            if not _nothing(side.rate):
                there -= side.rate * cells(u, side.axis, side.part)
            if not _nothing(side.load):
                there += side.load
        return out

    @staticmethod
    def _flow(faces: Faces, difference: Any, out: Any) -> None:
        before, after = cells(out, faces.axis, BUT_LAST), cells(out, faces.axis, BUT_FIRST)
        inner = BUT_LAST if faces.joined else ALL
        if faces.back is not None:
            after -= along(faces.back, faces.axis, inner) * difference
        difference *= along(faces.onwards, faces.axis, inner)
        before += difference
        if faces.back is None:
            after -= difference

    @staticmethod
    def _flow_around(faces: Faces, difference: Any, out: Any) -> None:
        back = faces.onwards if faces.back is None else faces.back
        cells(out, faces.axis, LAST)[...] += along(faces.onwards, faces.axis, LAST) * difference
        cells(out, faces.axis, FIRST)[...] -= along(back, faces.axis, LAST) * difference

    def adjoint(self, g: Any, ops: Ops) -> Any:
        """-A'g."""
        if self.symmetric:
            return replace(self, load=0.0, sides=tuple(replace(side, load=0.0) for side in self.sides)).applied(g, ops)
        out = ops.copy(0.0, tuple(g.shape))
        if not _nothing(self.reaction):
            out -= self.reaction * g
        for faces in self.faces:
            inner = BUT_LAST if faces.joined else ALL
            flow = self._towards(faces, inner, cells(g, faces.axis, BUT_LAST), cells(g, faces.axis, BUT_FIRST))
            cells(out, faces.axis, BUT_FIRST)[...] += flow
            cells(out, faces.axis, BUT_LAST)[...] -= flow
            if faces.joined:
                flow = self._towards(faces, LAST, cells(g, faces.axis, LAST), cells(g, faces.axis, FIRST))
                cells(out, faces.axis, FIRST)[...] += flow
                cells(out, faces.axis, LAST)[...] -= flow
        for side in self.sides:
            if not _nothing(side.rate):
                cells(out, side.axis, side.part)[...] -= side.rate * cells(g, side.axis, side.part)
        return out

    @staticmethod
    def _towards(faces: Faces, part: slice, before: Any, after: Any) -> Any:
        back = faces.onwards if faces.back is None else faces.back
        return along(faces.onwards, faces.axis, part) * before - along(back, faces.axis, part) * after

    def of_parts(self, u: Any, g: Any, ops: Ops) -> list[Callable[[], Any]]:
        """The derivatives of the sum of g (b - A u) by each of ``parts``, to be made where they are wanted."""
        found: list[Callable[[], Any]] = [partial(_minus_product, u, g), partial(_second, u, g)]
        for faces in self.faces:
            found += [partial(self._of_onwards, faces, u, g, ops), partial(self._of_back, faces, u, g, ops)]
        for side in self.sides:
            there = cells(u, side.axis, side.part), cells(g, side.axis, side.part)
            found += [partial(_minus_product, *there), partial(_second, *there)]
        return found

    @staticmethod
    def _of_onwards(faces: Faces, u: Any, g: Any, ops: Ops) -> Any:
        difference = _all_differences(u, faces, ops)
        if faces.back is None:
            return -difference * _all_differences(g, faces, ops)
        return difference * (g if faces.joined else cells(g, faces.axis, BUT_LAST))

    @staticmethod
    def _of_back(faces: Faces, u: Any, g: Any, ops: Ops) -> Any:
        after = ops.roll(g, faces.axis) if faces.joined else cells(g, faces.axis, BUT_FIRST)
        return -after * _all_differences(u, faces, ops)

    def parts(self) -> list[Value]:
        """Its coefficients, one after the other."""
        found = [self.reaction, self.load]
        for faces in self.faces:
            found += [faces.onwards, faces.back]
        for side in self.sides:
            found += [side.rate, side.load]
        return found

    def with_parts(self, parts: Sequence[Value]) -> Stencil:
        """The same stencil with other coefficients."""
        reaction, load, *left = parts
        rest = iter(left)
        faces = tuple(replace(faces, onwards=next(rest), back=next(rest)) for faces in self.faces)
        sides = tuple(replace(side, rate=next(rest), load=next(rest)) for side in self.sides)
        return Stencil(faces, sides, reaction, load)

    def without_parts(self) -> Stencil:
        """The same stencil that holds no coefficients."""
        return self.with_parts([None] * len(self.parts()))


def _minus_product(u: Any, g: Any) -> Any:
    return -g * u


def _second(u: Any, g: Any) -> Any:
    return g


def _nothing(value: Value) -> bool:
    return isinstance(value, int | float) and value == 0.0


def _differences(u: Any, faces: Faces) -> Any:
    """u_E - u_P of the faces within the box, a new array."""
    return cells(u, faces.axis, BUT_FIRST) - cells(u, faces.axis, BUT_LAST)


def _around(u: Any, axis: int) -> Any:
    """The difference across the face that joins the last cell to the first."""
    return cells(u, axis, FIRST) - cells(u, axis, LAST)


def _all_differences(u: Any, faces: Faces, ops: Ops) -> Any:
    return ops.roll(u, faces.axis) - u if faces.joined else _differences(u, faces)
