"""Which stored times make a window, and which windows a trajectory has. Pure decisions, no files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import isqrt


class Spans(ABC):
    """The windows of a trajectory, numbered so that those of a shorter trajectory come first."""

    @abstractmethod
    def count(self, frames: int) -> int:
        """How many windows the first ``frames`` stored times have."""

    @abstractmethod
    def frames(self, number: int) -> tuple[int, ...]:
        """The stored times of a window, by their numbers: inputs, then targets."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """How many stored times the first window needs."""


class Runs(Spans):
    """Runs of ``length`` stored times, ``stride`` apart, from every stored time on."""

    def __init__(self, length: int, stride: int) -> None:
        self._length, self._stride = length, stride

    @property
    def shortest(self) -> int:
        return (self._length - 1) * self._stride + 1

    def count(self, frames: int) -> int:
        return max(frames - self.shortest + 1, 0)

    def frames(self, number: int) -> tuple[int, ...]:
        return tuple(range(number, number + self.shortest, self._stride))


class Pairs(Spans):
    """Every pair of an earlier and a later one among every ``stride``-th stored time."""

    def __init__(self, stride: int) -> None:
        self._stride = stride

    @property
    def shortest(self) -> int:
        return self._stride + 1

    def count(self, frames: int) -> int:
        taken = -(-frames // self._stride)
        return taken * (taken - 1) // 2

    def frames(self, number: int) -> tuple[int, ...]:
        later = (1 + isqrt(1 + 8 * number)) // 2
        earlier = number - later * (later - 1) // 2
        return earlier * self._stride, later * self._stride
