"""The ways to apply one and the same A M⁻¹, and the work space for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from solvers.krylov.basis import RightPreconditioned
from solvers.krylov.swept import KINDS, Swept
from solvers.operators.system import Matrix, Pattern

Maker = Callable[[Pattern], RightPreconditioned]


def makers(preconditioner: str) -> list[Maker]:
    """Compiled sweeps where they know the preconditioner, and then PETSc, which also takes what they refuse."""
    from solvers import petsc  # late: a spec must not load PETSc

    ways: list[type[Swept] | type[petsc.Preconditioned]] = [petsc.Preconditioned]
    if preconditioner in KINDS:
        ways.insert(0, Swept)
    return [partial(way, preconditioner=preconditioner) for way in ways]


class Ways[Work]:
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
