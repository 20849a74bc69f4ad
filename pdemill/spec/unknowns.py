"""The unknowns of an equation: scalars and vectors, by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from pdemill.points import axis_names


@dataclass(frozen=True)
class Unknown(ABC):
    """One unknown function of an equation, called ``name``."""

    name: str

    @abstractmethod
    def channels(self, dimension: int) -> tuple[str, ...]:
        """The names of its components, one channel of a stored solution each."""


@dataclass(frozen=True)
class ScalarUnknown(Unknown):
    """A number at every point; one channel, ``name``."""

    def channels(self, dimension: int) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class VectorUnknown(Unknown):
    """A vector at every point; one channel per axis, ``name_x``, ``name_y``, ..."""

    def channels(self, dimension: int) -> tuple[str, ...]:
        return tuple(f"{self.name}_{axis}" for axis in axis_names(dimension))
