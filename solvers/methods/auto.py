"""The method picked for the job."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pdemill.errors import Fault
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.model import AsNumber, Positive
from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TIME_OPTIONS, TIME_RTOL, Resolution, one_bound

LINEAR_OPTIONS = ("rtol", "sort", "guess")


class Auto(LinearMethod):
    """The fastest method for the job: walks where u is wanted at points; a scheme in time for equations in time; else
    whatever offers itself for a problem of this kind and takes the least CPU time on the first samples of the job.

    ``trial``: ``auto`` measures where that costs at most 5 % of the job and 30 s, and else goes by estimates;
    ``always`` measures, up to 30 s; ``never`` goes by estimates, which choose the same method every time.
    ``time_rtol``, ``step``, ``max_step``, ``steady_rate``, ``simulate_resolution``: for equations in time, as their
    methods have them.
    """

    method: Literal["auto"] = "auto"
    solves: ClassVar[Literal["systems", "walks", "steps", "any"]] = "any"
    trial: Literal["auto", "always", "never"] = "auto"
    time_rtol: Annotated[float, Field(ge=1e-13, le=1e-1), AsNumber] = Field(
        default=TIME_RTOL, exclude_if=lambda value: value == TIME_RTOL
    )
    step: Positive | None = Field(default=None, exclude_if=lambda step: step is None)
    max_step: Positive | None = Field(default=None, exclude_if=lambda step: step is None)
    steady_rate: Positive | None = Field(default=None, exclude_if=lambda rate: rate is None)
    simulate_resolution: Resolution | None = Field(default=None, exclude_if=lambda resolution: resolution is None)

    @model_validator(mode="after")
    def _one_bound(self) -> Auto:
        one_bound(self.step, self.max_step)
        return self

    def objection(self, problem: Problem) -> Fault | None:
        foreign = LINEAR_OPTIONS if problem.solved_by == "steps" else TIME_OPTIONS if not problem.evolves else ()
        for name in foreign:
            if getattr(self, name) != type(self).model_fields[name].default:
                solved = "in steps without linear systems" if problem.evolves else "without steps in time"
                return Fault((name,), f"means nothing here: {problem.family} is solved {solved}")
        linear = problem.discretisation.is_linear(problem)
        if self.trial == "always" and problem.solved_by == "systems" and not linear:
            return Fault(
                ("trial",), f"means nothing here: {problem.family} is not linear, and its method goes by a rule"
            )
        return self.resolve(problem).objection(problem)

    def resolve(self, problem: Problem) -> Method:
        """The discretiser's choice, as far as estimates tell; a job may find a faster method by trial."""
        return problem.discretisation.automatic(problem, self)

    def solver(self) -> Any:
        raise TypeError("auto runs as another method")
