"""The method picked from what is known of the problem."""

from __future__ import annotations

from math import inf
from typing import Any, Literal, get_args

from pdemill.errors import Fault
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem
from solvers.methods.cg import Cg
from solvers.methods.direct import Direct
from solvers.methods.fft import Fft
from solvers.methods.multigrid import Multigrid
from solvers.methods.walks import Walks

LARGE_FACTOR = 60_000
"""Unknowns above which the factors of a 3D matrix cost more than multigrid iterations."""
LARGEST_FACTOR = 250_000
"""Unknowns above which the factors of a 3D matrix do not fit a worker."""
LEAST_MULTIGRID = 4_000
"""Unknowns above which batched multigrid is worth being loaded."""
LARGEST_CONTRAST = 1_000.0
"""Ratio of the bounds of a coefficient above which multigrid may need more iterations than it is worth."""


class Auto(LinearMethod):
    """Walks where u is wanted at points. Fast transforms where the coefficients are constant on a box; multigrid where
    they are not, for definite operators on grids in 2D and 3D; else direct, except for definite operators in 3D with
    more than 60,000 unknowns: CG with algebraic multigrid."""

    method: Literal["auto"] = "auto"

    def objection(self, problem: Problem) -> Fault | None:
        return Walks(method="walks").objection(problem) if problem.pointwise else None

    def resolve(self, problem: Problem) -> Method:
        if problem.pointwise:
            return Walks(method="walks")
        return self.pick(problem, problem.unknowns) or self._as(Direct)

    def pick(self, problem: Problem, unknowns: int) -> LinearMethod | None:
        """The method for a problem of this kind and size; None where none is known to fit."""
        transforms = self._as(Fft)
        if transforms.objection(problem) is None:
            return transforms
        batched = self._as(Multigrid)
        pays = unknowns >= LEAST_MULTIGRID and _contrast(problem) <= LARGEST_CONTRAST
        if pays and batched.objection(problem) is None:
            return batched
        if problem.dimension < 3 or unknowns <= LARGE_FACTOR:
            return self._as(Direct)
        if problem.symmetric and problem.definite:
            return self._as(Cg, preconditioner="gamg")
        return self._as(Direct) if unknowns <= LARGEST_FACTOR else None

    def _as(self, kind: type[LinearMethod], **options: str) -> LinearMethod:
        name = kind.model_fields["method"].annotation
        return kind(method=get_args(name)[0], rtol=self.rtol, sort=self.sort, guess=self.guess, **options)

    def solver(self) -> Any:
        raise TypeError("auto runs as the method that resolve() gives")


def _contrast(problem: Problem) -> float:
    """The largest ratio of the bounds of a coefficient, where they are known, positive and finite."""
    bounds = [value.bounds() for name in problem.operator_fields for value in problem.values(name)]
    known = [(low, high) for low, high in filter(None, bounds) if low > 0.0 and high < inf]
    return max((high / low for low, high in known), default=1.0)
