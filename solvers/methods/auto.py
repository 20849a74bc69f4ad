"""The method picked for the job."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pdemill.errors import Fault
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem


class Auto(LinearMethod):
    """The fastest method for the job: walks where u is wanted at points; else whatever offers itself for a problem of
    this kind and takes the least CPU time on the first samples of the job.

    ``trial``: ``auto`` measures where that costs at most 5 % of the job and 30 s, and else goes by estimates;
    ``always`` measures, up to 30 s; ``never`` goes by estimates, which choose the same method every time.
    """

    method: Literal["auto"] = "auto"
    solves: ClassVar[Literal["systems", "walks", "any"]] = "any"
    trial: Literal["auto", "always", "never"] = "auto"

    def objection(self, problem: Problem) -> Fault | None:
        return self.resolve(problem).objection(problem)

    def resolve(self, problem: Problem) -> Method:
        """The discretiser's choice, as far as estimates tell; a job may find a faster method by trial."""
        return problem.discretisation.automatic(problem, self)

    def solver(self) -> Any:
        raise TypeError("auto runs as another method")
