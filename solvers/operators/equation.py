"""One sample as a discrete equation: R(u) = 0, or M du/dt + R(u, t) = 0."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import relative_norm, two_norm
from pdemill.solvers.operators.system import Matrix, System


class DiscreteEquation(ABC):
    """R(u, t) = 0 of one sample, or M du/dt + R(u, t) = 0, for the unknowns u [n]."""

    linear: bool
    """Whether R(u) = A u - b."""
    mass: Matrix | None = None
    """M; None where the equation is steady."""
    level: float = 0.0
    """A constant that the equation does not feel: it is linearised for u - level, so that rounding is relative to what
    varies."""
    shift: float = 0.0
    """Subtracted from the source so that a singular equation has a solution."""

    @abstractmethod
    def start(self) -> Array:
        """Where an iteration begins, or the state at the time 0."""

    @abstractmethod
    def linearised(self, u: Array, t: float = 0.0) -> System:
        """A u = b where the equation is linear, whatever u is, with the same Matrix object every time; else J d = -R(u)
        with the Jacobian J at u."""

    @abstractmethod
    def residual(self, u: Array, t: float = 0.0) -> Array:
        """-R(u, t), by assembly alone: it is what certificates are made of, and shares nothing with solvers."""

    @abstractmethod
    def size(self) -> float:
        """The norm that residuals are relative to, that of b for a linear equation."""

    def correction(self, u: Array) -> System:
        """J d = -R(u), whose solution d is how far u is from the solution of the equation, nearly."""
        return self.linearised(u)

    def counted(self, u: Array) -> Array:
        """The unknowns that are part of the domain: all of them, where nothing is cut out of it."""
        return u

    def amplified(self, u: Array, change: Array) -> float:
        """‖ |J(u)| change ‖ in units of ``size``, the most that changes of the unknowns by up to ``change`` add to the
        residual; equations whose matrix is not to be made have another way."""
        return two_norm(abs(self.linearised(u).matrix.sparse()) @ change) / (self.size() or 1.0)

    def relative_residual(self, u: Array, t: float = 0.0) -> float:
        """‖R(u, t)‖ in units of ``size``; as it is where that is 0."""
        residual, size = two_norm(self.residual(u, t)), self.size()
        return residual / size if size > 0 else residual


class LinearEquation(DiscreteEquation):
    """A (u - level) = b."""

    linear = True

    def __init__(self, system: System, level: float = 0.0) -> None:
        self.system, self.level = system, level
        self.shift = system.shift

    def start(self) -> Array:
        return np.full(self.system.matrix.pattern.size, self.level)

    def linearised(self, u: Array, t: float = 0.0) -> System:
        return self.system

    def residual(self, u: Array, t: float = 0.0) -> Array:
        return self.system.residual(self._varying(u))

    def precise_residual(self, u: Array) -> Array:
        """The residual in doubled precision."""
        return self.system.precise_residual(self._varying(u))

    def correction(self, u: Array) -> System:
        return replace(self.system, rhs=self.precise_residual(u))

    def counted(self, u: Array) -> Array:
        return self.system.matrix.counted(u)

    def _varying(self, u: Array) -> Array:
        return u - self.level if self.level else u

    def size(self) -> float:
        return self.system.size

    def relative_residual(self, u: Array, t: float = 0.0) -> float:
        return relative_residual(self.system, self._varying(u))


@dataclass(frozen=True, eq=False)
class Frozen:
    """A matrix M, symmetric and definite, and positive numbers s such that M s is nearly a Jacobian."""

    matrix: Matrix
    scale: Array | None = None

    def scaled(self, solution: Array) -> Array:
        """s⁻¹ times a solution of a system with M."""
        return solution if self.scale is None else solution / self.scale


class NonlinearEquation(DiscreteEquation):
    """R(u) = 0 with R that is not linear, and steady."""

    linear = False
    keeps_sums: ClassVar[bool] = False
    """Whether stages in time are to leave no defect in the sum of the unknowns."""

    def system_of_start(self) -> System | None:
        """The system whose solution is where an iteration begins; None where no system is to be solved for that."""
        return None

    def begin_at(self, solution: Array | None) -> None:
        """Take the solution of that system as ``start``; None where it was not found. Who does not do so, and asks for
        ``start``, has it solved."""

    @abstractmethod
    def jacobian(self, u: Array, shift: float = 0.0) -> Matrix:
        """J at u, and so much more on its diagonal."""

    @abstractmethod
    def frozen(self, u: Array, shift: float = 0.0) -> Frozen:
        """What is nearly that, for multigrid."""

    def moved(self, u: Array, step: Array, part: float) -> Array:
        """u after ``part`` of a step, for whoever looks for a better u: along the line, or a curve that begins as the
        line does and on which the equation is less bent."""
        return u + part * step

    def content(self, u: Array) -> Array:
        """The unknowns of an equation in time, m_t + R(m) = 0, for values u: m where it is one for what is stored."""
        return u

    def values(self, content: Array) -> Array:
        """u for such unknowns; nobody may write to it."""
        return content

    @abstractmethod
    def objection(self, u: Array) -> str:
        """Why u cannot be a solution, whatever its residual; empty where it may be one."""

    @abstractmethod
    def residual_otherwise(self, u: Array) -> Array:
        """The residual, by an assembly that shares nothing with the other one, for checks."""

    def linearised(self, u: Array, t: float = 0.0) -> System:
        return System(self.jacobian(u), self.residual(u))


def relative_residual(system: System, unknowns: Array) -> float:
    """||b - A u|| / ||b|| in float64 (2-norm); of the whole residual where b = 0."""
    return relative_norm(system.residual(unknowns), system.rhs)
