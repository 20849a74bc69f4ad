"""Marching states through pieces of time, within which steps are equal."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from pdemill.points import Array

type States = NDArray[Any]
"""States of samples as they are stepped through, [samples, numbers]: coefficients of modes, or values in cells."""
EXACT = 1e-9
"""Part of a step by which an interval may exceed whole steps and still take no further one."""


def steps_of(interval: float, step: float) -> int:
    """The steps of equal length, at most ``step``, that an interval takes."""
    return max(1, ceil(interval / step - EXACT))


class March(Protocol):
    """A scheme at work on a batch of samples."""

    @property
    def left(self) -> Array | None:
        """The algebraic errors of the systems of its steps so far, added up, [samples, C]; None where no systems are
        solved."""

    def advance(self, u: States, interval: float, steps: int, begin: float = 0.0) -> None:
        """Advance the states u in place by so many equal steps from the time ``begin``; what a row comes to does not
        depend on the others."""


class Piece(NamedTuple):
    """A part of an interval between stored times, from ``begin``, that is taken in equal steps."""

    begin: float
    length: float
    steps: int


def advance(march: March, u: States, pieces: Sequence[Piece]) -> None:
    """Advance the states u in place through pieces of time."""
    for begin, length, steps in pieces:
        march.advance(u, length, steps, begin)
