"""Backends that apply one and the same A M⁻¹: compiled triangular solves, and PETSc for what these refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pdemill.solvers.installed import has_petsc
from pdemill.solvers.krylov.basis import RightPreconditioned
from pdemill.solvers.krylov.kinds import KINDS
from pdemill.solvers.krylov.triangular import TriangularPreconditioned
from pdemill.solvers.operators.system import Matrix, Pattern

Maker = Callable[[Pattern], RightPreconditioned]


def makers(preconditioner: str) -> list[Maker]:
    """Compiled triangular solves for the preconditioners they know, then PETSc, which also takes what they refuse;
    where it is not installed, that is solved by ``direct``."""
    backends: list[Callable[..., RightPreconditioned]] = [TriangularPreconditioned] if preconditioner in KINDS else []
    if has_petsc() or not backends:
        from pdemill.solvers import petsc  # late: a spec must not load PETSc

        backends.append(petsc.Preconditioned)
    return [partial(backend, preconditioner=preconditioner) for backend in backends]


class Backends[Work]:
    """Operators on one pattern with work space for each, made when first needed."""

    def __init__(self, makes: Sequence[Maker], work: Callable[[RightPreconditioned, int], Work]) -> None:
        self._makes, self._work = makes, work
        self._made: list[tuple[RightPreconditioned, Work]] = []

    def loaded(self, matrix: Matrix) -> tuple[RightPreconditioned, Work] | None:
        """The first operator that can take the matrix; None where M cannot be set up."""
        for i, make in enumerate(self._makes):
            if i == len(self._made):
                operator = make(matrix.pattern)
                self._made.append((operator, self._work(operator, matrix.pattern.size)))
            if self._made[i][0].load(matrix):
                return self._made[i]
        self._made.pop()  # PETSc, which comes last, goes on failing after a set-up that failed
        return None
