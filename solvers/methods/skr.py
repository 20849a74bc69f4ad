"""Sorting and Krylov recycling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from pdemill.errors import Fault, MissingExtra
from pdemill.solvers.installed import needs_petsc
from pdemill.solvers.krylov.kinds import KINDS
from pdemill.spec.method import (
    Iterations,
    LinearMethod,
    Preconditioner,
    krylov_seconds,
    needs_symmetry,
    recycles_too_much,
)
from pdemill.spec.model import refusal, refuse
from pdemill.spec.problem import Problem
from pdemill.spec.shown import needs_diagonal

if TYPE_CHECKING:
    from pdemill.solvers.krylov.solver import SkrSolver


RESTART, RECYCLE = 40, 20
"""What earlier versions took, and wrote into stores, where a spec left these numbers out; hashes go by them."""

LARGE = (80, 40)
"""Of both, for changing matrices with negative eigenvalues: 1.5 times faster than (40, 20) on waves of 64 x 64."""

FEW = 10
"""Vectors for changing matrices without negative eigenvalues: bringing each to the next matrix costs a product."""

LARGE_BYTES = 4e9
"""Most memory of a process for recycled vectors and a cycle where ``auto`` takes ``LARGE``, or where systems are solved
in blocks."""

BESIDE = 8 * 10
"""Vectors of a block of eight at work beside its Arnoldi vectors."""


def _number(least: int, most: int) -> BeforeValidator:
    """A whole number or auto, else one error for both."""

    def checked(value: Any) -> Any:
        if value == "auto" or (type(value) is int and least <= value <= most):
            return value
        raise refusal(f"should be a whole number from {least} to {most}, or auto, not {value!r:.60}")

    return BeforeValidator(checked)


def _bytes(restart: int, recycle: int, unknowns: int) -> float:
    return 8.0 * (restart + 1 + 5 * recycle) * unknowns


def _block_bytes(restart: int, recycle: int, unknowns: int) -> float:
    """The same, with eight cycles side by side."""
    return _bytes(restart, recycle, unknowns) + 8.0 * (8 * (restart - recycle + 1) + BESIDE) * unknowns


class Skr(LinearMethod):
    """Sorted GCRO-DR(restart, recycle): similar samples are solved one after another, each starting from the
    deflation space of the one before. Wang et al. 2024, "Accelerating data generation for neural operators via
    Krylov subspace recycling" (ICLR), algorithm 1 and appendix B; Parks et al. 2006.

    ``restart`` vectors span a cycle, ``recycle`` of them recycled. ``auto`` goes by the problem: (40, 20) where all
    samples have one matrix, and for operators that are not symmetric; (40, 10) for matrices that change and, as far as
    is known, have no negative eigenvalues, such as those of waves longer than the domain; (80, 40) for indefinite ones,
    where that takes at most 4 GB. Of a ``restart`` that is given, at most half is recycled; a ``recycle`` that is given
    goes with a restart of 40.

    Where all samples have one matrix, and there is nothing left to learn about it, eight systems are solved at once,
    with the preconditioners none, jacobi, sor, icc and ilu, where that takes at most 4 GB.

    Pays for one or slowly changing matrices that converge slowly, and for indefinite ones; for independent
    random fields other methods are faster (see the page on recycling).
    """

    method: Literal["skr"]
    preconditioner: Preconditioner = "ilu"
    restart: Annotated[Annotated[int, Field(ge=4, le=1000)] | Literal["auto"], _number(4, 1000)] = "auto"
    recycle: Annotated[Annotated[int, Field(ge=1, le=500)] | Literal["auto"], _number(1, 500)] = "auto"
    max_iterations: Iterations = 10_000
    within: ClassVar[float | None] = 0.3
    written_out: ClassVar[Mapping[str, Any]] = {"restart": RESTART, "recycle": RECYCLE}

    @property
    def recycles(self) -> bool:
        return True

    @model_validator(mode="after")
    def _room(self) -> Skr:
        restart = RESTART if self.restart == "auto" else self.restart
        if self.recycle != "auto" and self.recycle > restart - 2:
            raise refuse(("recycle",), f"must be at most restart - 2 = {restart - 2}", self.recycle)
        return self

    def resolve(self, problem: Problem) -> Skr:
        restart, recycle = self._numbers(problem)
        return self.model_copy(update={"restart": restart, "recycle": recycle})

    def _numbers(self, problem: Problem) -> tuple[int, int]:
        """Restart and recycle, as far as they are left open those that suit the problem."""
        restart, recycle = RESTART, RECYCLE
        known = problem.properties
        if known.symmetric and not known.constant:
            large = _bytes(*LARGE, problem.system_size) <= LARGE_BYTES
            few = problem.negative_eigenvalues < 1.0
            restart, recycle = (RESTART, FEW) if few else LARGE if large else (RESTART, RECYCLE)
        if self.restart != "auto":
            restart, recycle = self.restart, min(recycle, self.restart // 2)
        if self.recycle != "auto":
            restart, recycle = RESTART if self.restart == "auto" else self.restart, self.recycle
        return restart, recycle

    def meaning(self, problem: Problem) -> dict[str, Any]:
        """Numbers that are left open hash like those of earlier versions; these, when they are asked for and are not
        what is taken where they are left open, as themselves."""
        hashed = {"restart": self.restart, "recycle": self.recycle}
        hashed = {name: self.written_out[name] if value == "auto" else value for name, value in hashed.items()}
        left = {name: "auto" if value == self.written_out[name] else value for name, value in hashed.items()}
        numbers = self._numbers(problem)
        return hashed if self.model_copy(update=left)._numbers(problem) == numbers else {**hashed, "asked": numbers}

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        """For one matrix, and for indefinite ones whose factors are large: elsewhere it never was the fastest."""
        known = problem.properties
        indefinite = known.symmetric and not known.definite and problem.dimension == 3 and not known.hollow
        return ({},) if known.constant or indefinite else ()

    def objection(self, problem: Problem) -> Fault | None:
        return (
            recycles_too_much(self, problem)
            or needs_symmetry(self.preconditioner, problem)
            or needs_diagonal(self.method, self.preconditioner, problem)
        )

    def missing(self) -> MissingExtra | None:
        if self.preconditioner in KINDS:
            return None
        return needs_petsc(f"solver.method skr with preconditioner {self.preconditioner}")

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return 3e-5 + krylov_seconds(self.preconditioner, problem, unknowns, per_step=4e-8)

    def memory(self, problem: Problem, unknowns: int) -> float:
        return 400.0 * unknowns + self.recycled_bytes(problem, unknowns)

    def recycled_bytes(self, problem: Problem, unknowns: int) -> float:
        """The basis of a cycle; recycled vectors at work, and with their images as the last two systems left them; for
        blocks the bases of eight cycles, and what is worked on."""
        numbers = self._numbers(problem)
        if problem.properties.constant and unknowns <= self._in_blocks(*numbers):
            return _block_bytes(*numbers, unknowns)
        return _bytes(*numbers, unknowns)

    def _in_blocks(self, restart: int, recycle: int) -> int:
        """Most unknowns of a matrix whose systems are solved in blocks."""
        return int(LARGE_BYTES / _block_bytes(restart, recycle, 1)) if self.preconditioner in KINDS else 0

    def solver(self) -> SkrSolver:
        from pdemill.solvers.krylov.backends import makers
        from pdemill.solvers.krylov.solver import SkrSolver  # late: a spec must load neither PETSc nor a compiler

        if self.restart == "auto" or self.recycle == "auto":
            raise TypeError("numbers that are left open are the problem's: resolve the method first")
        numbers = self.restart, self.recycle
        made = makers(self.preconditioner)
        return SkrSolver(made, *numbers, self.rtol, self.max_iterations, in_blocks=self._in_blocks(*numbers))
