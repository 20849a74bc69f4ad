"""The first step of a job, its grading and its scheme, by a trial on its first samples.

What decides are counts of evaluations, never seconds: the choice is a function of the spec.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil, isfinite
from time import process_time

import numpy as np

from pdemill.planning import Candidate, Plan
from pdemill.solvers.compiled import compile_seconds
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.trajectories.cost import trajectory_seconds
from pdemill.solvers.trajectories.job import HALVINGS, Start, TrajectoryJob
from pdemill.solvers.trajectories.ladder import Trajectory, trajectories, warmed
from pdemill.solvers.trajectories.varied import observed, varied
from pdemill.spec.method import methods
from pdemill.spec.time_method import MOST_GRADING, TimeMethod

SAMPLES = 4
FINER = 2
"""Runs in a row that are right at first and do not bring the error at the end down to half: chaos."""
LEAST_GRADING = 2
"""Halves of an interval are equal steps still."""
SAFETY = 0.5
"""Part of ``time_rtol`` that the trial aims at."""


@dataclass
class Found:
    """What the trial of one scheme found: its method with the first step, evaluations per trajectory (infinite where no
    sample could be drawn), CPU seconds of one evaluation, samples that got there and that did not."""

    method: TimeMethod
    evaluations: float
    each: float
    certified: int
    failed: int
    first: tuple[TrajectoryJob, list[Start], Trajectory] | None = None
    """The job of the trial, its samples, and the trajectory of that which got there first."""

    def candidate(self, job: TrajectoryJob) -> Candidate:
        """The same for the plan."""
        options, known = self.method.model_dump(mode="json"), isfinite(self.evaluations)
        return Candidate(
            self.method.method, options, trajectory_seconds(job.problem, self.method),
            self.evaluations * self.each if known else None, self.evaluations if known else None,
            self.certified, self.failed, "" if known else "no sample to try it on",
        )  # fmt: skip


def make_plan(job: TrajectoryJob) -> Plan:
    """The scheme with the fewest evaluations, and its first step."""
    begin = process_time()
    tried = [_tried(job, job.method)]
    for other in others(job.method) if job.spec.solver.method == "auto" else []:
        tried.append(_tried(job, other, most=tried[0].evaluations))
    best = min(tried, key=lambda found: (found.failed, found.evaluations))
    reason = (
        f"{best.evaluations:.0f} evaluations per trajectory" if isfinite(best.evaluations) else "no sample to try it on"
    )
    if len(tried) > 1 and isfinite(best.evaluations):
        worse = next(found for found in tried if found is not best)
        reason += f", {worse.method.method} would take more"
    if not best.method.reaches_end:
        reason += "; chaotic: no step reaches time_rtol at the end"
    if best.first is not None and job.regular:
        tried[tried.index(best)] = best = _refined(job, best, *best.first)
    by = job.problem.discretisation.name
    listed = tuple(found.candidate(job) for found in tried)
    return Plan(best.method.model_dump(mode="json"), True, reason, process_time() - begin, listed, by)


def others(method: TimeMethod) -> list[TimeMethod]:
    """The same options for every other scheme, which ``auto`` tries besides."""
    return [
        kind.model_validate({**method.model_dump(), "method": name})
        for name, kind in methods.items()
        if issubclass(kind, TimeMethod) and name != method.method
        if (kind.on, kind.second_order) == (method.on, method.second_order)
    ]


class _Watch:
    """Tells when further halving is in vain: by chaos, or beyond so many evaluations."""

    def __init__(self, job: TrajectoryJob, most: float) -> None:
        self.job, self.most = job, most
        self.before: dict[int, tuple[float, int]] = {}
        self.chaotic: set[int] = set()

    def __call__(self, found: Trajectory) -> bool:
        end = float(found.errors[-1])
        last, idle = self.before.get(found.number, (np.inf, 0))
        first = found.errors[np.array(self.job.times) > 0.0][0] <= self.job.method.time_rtol
        wrong = self.job.method.time_rtol < end
        idle = idle + 1 if first and wrong and np.isfinite(last) and end > 0.5 * last else 0
        self.before[found.number] = (end, idle)
        if idle >= FINER and self.job.spec.certify.valid_until is None and self.job.method.reaches_end:
            self.chaotic.add(found.number)
            return True
        return 2 * found.steps * self.job.evaluations > self.most


def _tried(job: TrajectoryJob, method: TimeMethod, most: float = np.inf) -> Found:
    """What a scheme finds, with the grading that takes the fewest evaluations: the least one against none, which is
    given up where it takes more, and then one more as long as that saves some."""
    told = "grading" in job.spec.solver.model_fields_set
    if told or not method.graded or job.problem.time.warmup:
        return _with_steps(job, method, most)
    best = _with_steps(job, _with(method, grading=LEAST_GRADING), most)
    plain = _with_steps(job, method, most if best.failed else best.evaluations)
    if (plain.failed, plain.evaluations) <= (best.failed, best.evaluations):
        return plain
    for grading in range(LEAST_GRADING + 1, MOST_GRADING + 1):
        other = _with_steps(job, _with(method, grading=grading), best.evaluations)
        if (other.failed, other.evaluations) >= (best.failed, best.evaluations):
            break
        best = other
    return best


def _with_steps(job: TrajectoryJob, method: TimeMethod, most: float) -> Found:
    """What a scheme with a grading finds, before it takes ``most`` evaluations per trajectory."""
    begin = process_time() - compile_seconds()
    longest = job.longest_tried if method.max_step is None else min(job.longest_tried, 2.0 * method.max_step)
    trial = _trial(job, method, longest)
    split = next(iter(job.spec.splits))
    count = min(SAMPLES, job.spec.splits[split])
    drawn = []
    for number in range(count):
        with suppress(InvalidSample):  # it fails in its shard
            drawn.append(trial.start_of(trial.instance(split, number), number))
    starts = [one for one in warmed(trial, drawn) if isinstance(one, Start)]
    watch = _Watch(trial, most)
    made = list(trajectories(trial, starts, watch)) if starts else []
    if watch.chaotic:
        method = _with(method, reaches_end=False)
        trial = _trial(job, method, longest)
        watch = _Watch(trial, most)
        made = list(trajectories(trial, starts, watch))
    taken = process_time() - compile_seconds() - begin
    each = taken / max(sum(_cost(trial, 0, one.run) for one in made), 1.0)
    good = [one for one in made if one.reached]
    if not good:
        smallest = longest / 2.0 ** max((one.run for one in made), default=1)
        cost = float(np.mean([_cost(trial, one.run - 1, one.run) for one in made])) if made else np.inf
        return Found(_with(method, first_step=smallest), cost, each, 0, count)
    begins = min(
        range(max(one.run for one in good)),
        key=lambda a: sum(_cost(trial, a, max(one.run, a + 1)) for one in good),
    )
    first = _lengthened(trial, method, starts, good, begins, longest)
    found = job.using(_with(method, first_step=first))
    assert isinstance(found, TrajectoryJob)
    return Found(found.method, _cost(found, 0, 1), each, len(good), count - len(good), (trial, starts, good[0]))


def _refined(job: TrajectoryJob, best: Found, trial: TrajectoryJob, starts: list[Start], first: Trajectory) -> Found:
    """The same with the order of errors that is observed, and steps of their own in every interval where that saves
    some."""
    (start,) = (one for one in starts if one.number == first.number)
    best = replace(best, method=_with(best.method, observed_order=observed(trial, start, first).method.observed_order))
    if not best.method.graded or job.problem.time.warmup:
        return best
    found = job.using(best.method)
    assert isinstance(found, TrajectoryJob)
    other = varied(found, starts)
    return best if other is found else replace(best, method=other.method, evaluations=_cost(other, 0, 1))


def _trial(job: TrajectoryJob, method: TimeMethod, longest: float) -> TrajectoryJob:
    """The job with one step per interval in its first run, and as many halvings as it takes."""
    found = job.using(_with(method, first_step=longest / 2.0))
    assert isinstance(found, TrajectoryJob)
    found.most_halvings = HALVINGS
    return found


def _cost(job: TrajectoryJob, begin: int, end: int) -> float:
    """Evaluations of the runs from one to another, of the next instead of the first where errors are told by it."""
    ahead = 1 if job.held_against_finer else 0
    begin, end = begin + ahead, end + ahead
    return float(sum(sum(job.steps(run)) for run in range(begin, end + 1)) * job.evaluations)


def _lengthened(
    job: TrajectoryJob, method: TimeMethod, starts: list[Start], good: list[Trajectory], begins: int, longest: float
) -> float:
    """The first step between a power of two and the next that still suffices for the samples of the trial, by their
    errors; tried before it is taken."""
    run = begins + 1
    at = [one for one in good if one.run == run]
    plain = longest / 2.0**run
    if not at or begins == 0:
        return plain
    needed = job.required
    worst = max(float(one.errors[np.array(job.times) <= needed].max()) for one in at)
    share = (worst / (SAFETY * job.method.time_rtol)) ** (1.0 / job.order)
    whole = 2**begins
    count = max(ceil(share * whole), whole // 2 + 1)
    if count >= whole:
        return plain
    step = longest / (2.0 * count)
    other = job.using(_with(method, first_step=step))
    assert isinstance(other, TrajectoryJob)
    numbers = {one.number for one in at}
    again = trajectories(other, [one for one in starts if one.number in numbers], stop=lambda _: True)
    return step if all(one.reached for one in again) else plain


def _with(method: TimeMethod, **options: object) -> TimeMethod:
    return type(method).model_validate({**method.model_dump(), **options})
