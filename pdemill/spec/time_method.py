"""The base of the methods that step in time."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from pdemill.errors import Fault
from pdemill.spec.evolution import Evolution
from pdemill.spec.method import Method
from pdemill.spec.model import AsNumber, Positive, as_tuple, refuse
from pdemill.spec.problem import Problem

TIME_RTOL = 1e-5
MOST_GRADING = 24
Resolution = Annotated[
    tuple[Annotated[int, Field(ge=4)], ...], Field(min_length=1, max_length=3), BeforeValidator(as_tuple)
]
IntervalSteps = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), BeforeValidator(as_tuple)]
TIME_OPTIONS = ("time_rtol", "step", "max_step", "steady_rate", "simulate_resolution")


class TimeMethod(Method):
    """Base of the methods that step in time.

    ``time_rtol`` bounds the estimated relative error in time of a certified sample at every stored time up to
    ``certify.valid_until``. Steps are halved, for each sample by itself, until it is reached; ``first_step`` is the
    longest, found by a trial on the job's first samples where it is absent. ``step``: one step for all samples instead;
    a sample that misses ``time_rtol`` with it fails.
    ``max_step``: no step of a stored trajectory is longer. ``steady_rate``: where what changes over an interval between
    stored times, relative and per unit of time, is at most so much, and would be half of ``time_rtol`` at most by the
    end, the sample is steady: what is stored of later times are copies, and ``steady_at`` tells from when.
    ``grading`` g: the first interval, from 0 to T, is parted at T/2, T/4, .., T/2^g, and every part takes as many steps
    as the last one, so that steps are short where the initial state is left.
    ``interval_steps``: the steps of the run with the longest ones in every interval between stored times, in each part
    of the first one; found by a trial where some intervals need fewer than others.
    ``simulate_resolution``: points per axis of the grid on which the equation is solved, where that is finer than the
    one that is stored; the solution is then reduced to the stored modes.
    ``observed_order``: the order of errors that a trial measured, by which those of a sample are estimated whose steps
    are not halved.
    ``reaches_end``: false where a trial found chaos that lets no step reach ``time_rtol`` at the end: then samples must
    be right at their first stored time only, unless ``certify.valid_until`` says otherwise.
    """

    solves: ClassVar[Literal["systems", "walks", "steps", "any"]] = "steps"
    on: ClassVar[str]
    """The discretiser whose equations it steps through."""
    second_order: ClassVar[bool] = False
    """Whether these are those of second order in time."""
    graded: ClassVar[bool] = False
    """Whether steps within an interval may differ."""
    misplaced: ClassVar[str] = "steps in time, and this equation has none: leave it out"
    time_rtol: Annotated[float, Field(ge=1e-13, le=1e-1), AsNumber] = TIME_RTOL
    step: Positive | None = Field(default=None, exclude_if=lambda step: step is None)
    first_step: Positive | None = Field(default=None, exclude_if=lambda step: step is None)
    grading: Annotated[int, Field(ge=0, le=MOST_GRADING, exclude_if=lambda grading: grading == 0)] = 0
    interval_steps: IntervalSteps | None = Field(default=None, exclude_if=lambda steps: steps is None)
    max_step: Positive | None = Field(default=None, exclude_if=lambda step: step is None)
    steady_rate: Positive | None = Field(default=None, exclude_if=lambda rate: rate is None)
    simulate_resolution: Resolution | None = Field(default=None, exclude_if=lambda resolution: resolution is None)
    observed_order: Positive | None = Field(default=None, exclude_if=lambda order: order is None)
    reaches_end: bool = Field(default=True, exclude_if=lambda reaches: reaches)

    @model_validator(mode="after")
    def _one_step(self) -> TimeMethod:
        if self.step is not None and self.first_step is not None:
            raise refuse(("first_step",), "give either step or first_step, not both", self.first_step)
        one_bound(self.step, self.max_step)
        if self.first_step is not None and self.max_step is not None and self.first_step > self.max_step:
            raise refuse(("first_step",), f"is longer than max_step, {self.max_step:g}", self.first_step)
        if self.step is not None and self.grading:
            raise refuse(("grading",), "makes steps of many lengths: give either step or grading", self.grading)
        if self.interval_steps is not None and (self.step or self.max_step):
            raise refuse(("interval_steps",), "names steps already: leave step and max_step out", self.interval_steps)
        return self

    def objection(self, problem: Problem) -> Fault | None:
        by = problem.discretisation.name
        if by != self.on:
            return Fault(("method",), f"is for the discretiser {self.on}, and {by} takes this problem: use auto")
        if self.second_order != (second := isinstance(problem, Evolution) and problem.second_order):
            orders = ("first", "second") if second else ("second", "first")
            return Fault(
                ("method",),
                f"is for equations of {orders[0]} order in time, and {problem.family} is of {orders[1]}: use auto",
            )
        if self.simulate_resolution is not None and self.on != "spectral":
            return Fault(("simulate_resolution",), f"is for the discretiser spectral, and {by} takes this problem")
        if self.steady_rate is not None and _in_time(problem):
            return Fault(("steady_rate",), "is for equations whose data do not depend on t")
        if self.grading and not self.graded:
            return Fault(("grading",), f"is not for {self.method}, whose steps within an interval are equal")
        if self.grading and isinstance(problem, Evolution) and problem.time.warmup:
            return Fault(("grading",), "is not for trajectories with a warm-up, in which the initial state is left")
        if self.interval_steps is not None and isinstance(problem, Evolution):
            if not self.graded or problem.time.warmup:
                return Fault(("interval_steps",), f"is not for {self.method}, nor for trajectories with a warm-up")
            if (count := len(problem.time.lengths)) != len(self.interval_steps):
                return Fault(("interval_steps",), f"has {len(self.interval_steps)} entries, of {count} intervals")
        return too_coarse(self.simulate_resolution, problem)

    @abstractmethod
    def scheme(self) -> Any:
        """The scheme that takes its steps."""


def one_bound(step: float | None, max_step: float | None) -> None:
    """Refuse a longest step beside a given one."""
    if step is not None and max_step is not None:
        raise refuse(("max_step",), "give either step or max_step, not both", max_step)


def _in_time(problem: Problem) -> bool:
    """Whether any data of a problem depend on t."""
    values = [value for _, value in problem.slots()] + [value for *_, value in problem.side_slots()]
    return any(value.in_time for value in values)


def too_coarse(simulated: tuple[int, ...] | None, problem: Problem) -> Fault | None:
    """The fault of a grid for the simulation that is coarser than the stored one."""
    if simulated is None:
        return None
    if len(simulated) != len(problem.cells):
        return Fault(("simulate_resolution",), f"has {len(simulated)} entries, problem.resolution {len(problem.cells)}")
    if any(fine < stored for fine, stored in zip(simulated, problem.cells, strict=True)):
        return Fault(("simulate_resolution",), "is coarser than problem.resolution")
    return None
