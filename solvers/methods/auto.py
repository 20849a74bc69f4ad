"""The method picked for the job."""

from __future__ import annotations

from typing import Any, Literal

from pdemill.errors import Fault
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem
from solvers.methods.direct import Direct
from solvers.methods.walks import Walks
from solvers.planning.candidates import candidates


class Auto(LinearMethod):
    """The fastest method for the job: walks where u is wanted at points; else whatever offers itself for a problem of
    this kind and takes the least CPU time on the first samples of the job.

    ``trial``: ``auto`` measures where that costs at most 5 % of the job and 30 s, and else goes by estimates;
    ``always`` measures, up to 30 s; ``never`` goes by estimates, which choose the same method every time.
    """

    method: Literal["auto"] = "auto"
    trial: Literal["auto", "always", "never"] = "auto"

    def objection(self, problem: Problem) -> Fault | None:
        return Walks(method="walks").objection(problem) if problem.pointwise else None

    def resolve(self, problem: Problem) -> Method:
        """The method with the lowest estimate; a job may find a better one by trial."""
        if problem.pointwise:
            return Walks(method="walks")
        known = candidates(problem, problem.unknowns, self.rtol, self.sort, self.guess)
        return known[0] if known else Direct(method="direct", rtol=self.rtol, sort=self.sort, guess=self.guess)

    def solver(self) -> Any:
        raise TypeError("auto runs as another method")
