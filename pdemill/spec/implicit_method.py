"""The base of the methods that step in time and solve linear systems in every step."""

from __future__ import annotations

from pydantic import Field

from pdemill.errors import Fault, MissingExtra
from pdemill.spec.method import AnyMethod, LinearMethod, Method
from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TimeMethod

FOR_STAGES = ("rtol", "sort", "guess")
"""Options of linear methods that mean nothing for stages, which say themselves how exact they have to be."""


class ImplicitMethod(TimeMethod):
    """Base of those whose stages are linear systems.

    ``systems``: the linear method for them; by default transforms, multigrid or kept factors. What it learns or
    recycles goes from stage to stage of a sample's run.
    """

    systems: AnyMethod | None = Field(default=None, exclude_if=lambda method: method is None)

    def resolve(self, problem: Problem) -> Method:
        """With the numbers that the method for systems leaves to the problem."""
        if self.systems is None:
            return self
        return self.model_copy(update={"systems": self.systems.resolve(problem)})

    def objection(self, problem: Problem) -> Fault | None:
        if (fault := super().objection(problem)) is not None or self.systems is None:
            return fault
        if not isinstance(self.systems, LinearMethod) or self.systems.method == "auto":
            return Fault(("systems", "method"), f"{self.systems.method} is no method for the linear systems of stages")
        for name in FOR_STAGES:
            if getattr(self.systems, name) != LinearMethod.model_fields[name].default:
                return Fault(("systems", name), "means nothing for stages, which are as exact as time_rtol asks")
        fault = self.systems.objection(problem)
        return None if fault is None else Fault(("systems", *fault.path), fault.message)

    def missing(self) -> MissingExtra | None:
        return self.systems.missing() if self.systems is not None else None
