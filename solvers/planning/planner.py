"""The planner behind ``solver.method: auto``: measure the most promising methods on the job, and take the fastest.

What it measures ends up in the store; the choice holds for the whole job, through every resume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import process_time

from pdemill.planning import Candidate, Plan
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.methods.candidates import candidates, learners, name_of
from pdemill.solvers.planning.trial import Trials
from pdemill.solvers.threads import one_thread
from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod

SHARE, MOST_SECONDS = 0.05, 30.0
"""The most that a trial may cost: this part of the job's estimated CPU time, and never more seconds than that."""
LOAD_SECONDS = 0.6
"""Loading the libraries of one method."""
FAR = 10.0
"""Methods estimated to take this many times the cheapest are not tried: estimates are not that wrong."""
SAMPLES = 16
LEAST_SAMPLES = 4
TIE = 1.05
"""Methods that differ by less are alike: of those the one with the lowest estimate is taken, so that noise decides
less often."""


@one_thread()
def plan(spec: Spec) -> Plan:
    """Choose the method for a spec by a trial on its first samples, whatever its share of the job."""
    return open_job(spec).plan(always=True)


@one_thread()
def make_plan(job: FieldJob, always: bool = False) -> Plan:
    """Choose the method of a job; ``always``: measure even where that takes more than its share of the job."""
    unknowns, by = job.discretisation.pattern.size, job.problem.discretisation.name
    known = candidates(job.problem, unknowns, job.method.rtol, job.method.sort, job.method.guess) or [job.method]
    each = job.problem.systems
    costs = [each * method.seconds(job.problem, unknowns) for method in known]
    listed = [Candidate(name_of(m), m.model_dump(mode="json"), c) for m, c in zip(known, costs, strict=True)]
    budget = MOST_SECONDS if always else min(MOST_SECONDS, SHARE * job.spec.samples * costs[0])
    counts = list(affordable(costs, budget))
    for method in learners(job.problem, unknowns, job.method.rtol, job.method.sort, job.method.guess):
        cost = each * method.seconds(job.problem, unknowns)
        own = method.setup_seconds(job.problem, unknowns) + (SAMPLES + 1) * cost
        if own <= budget / 2 and cost < costs[0]:
            known, costs, counts = [*known, method], [*costs, cost], [*counts, SAMPLES]
            listed.append(Candidate(name_of(method), method.model_dump(mode="json"), cost))
    if sum(count > 0 for count in counts) < 2:
        alone = all(is_far(cost, costs[0]) for cost in costs[1:])
        why = "all others are estimated to be far slower" if alone else "a trial would take more than 5 % of the job"
        return Plan(listed[0].method, False, f"lowest estimate; {why}", 0.0, tuple(listed), by)
    begin = process_time()
    measured = _measure(job, known, listed, counts, budget)
    best = fastest(measured)
    return Plan(best.method, True, reason(best, measured), process_time() - begin, tuple(measured), by)


def affordable(costs: Sequence[float], budget: float) -> Iterator[int]:
    """How many samples to solve by each method, in order of their estimated ``costs`` per sample; 0 for none."""
    for cost in costs:
        room = (budget - LOAD_SECONDS) / cost - 1.0
        count = 0 if is_far(cost, costs[0]) else min(SAMPLES, int(room / 2))
        count = count if count >= LEAST_SAMPLES else 0
        yield count
        budget -= LOAD_SECONDS + (count + 1) * cost if count else 0.0


def is_far(cost: float, least: float) -> bool:
    """Whether an estimate is so much above the least one that a trial would not turn them round."""
    return cost > FAR * least


def _measure(
    job: FieldJob, known: Sequence[LinearMethod], listed: Sequence[Candidate], counts: Sequence[int], budget: float
) -> list[Candidate]:
    trials = Trials(job, SAMPLES)
    if not len(trials):
        return [replace(entry, note="no sample to try it on") for entry in listed]
    found = []
    for method, entry, count in zip(known, listed, counts, strict=True):
        if count == 0:
            far = is_far(entry.estimated_seconds, listed[0].estimated_seconds)
            why = f"estimated to be far slower than {listed[0].name}" if far else "the trial's time is up"
            found.append(replace(entry, note=f"not tried: {why}"))
            continue
        trial = trials.run(method, count, budget / 2)
        found.append(
            replace(
                entry, seconds=trial.seconds, iterations=trial.iterations, certified=trial.certified,
                failed=trial.failed, note=f"{trial.failed} left to direct" if trial.failed else "",
            )
        )  # fmt: skip
    return found


def fastest(measured: Sequence[Candidate]) -> Candidate:
    """The fastest of those that were tried; of those alike, the first in the list."""
    tried = [entry for entry in measured if entry.seconds is not None]
    if not tried:
        return measured[0]
    least = min(entry.seconds for entry in tried if entry.seconds is not None)
    return next(entry for entry in tried if entry.seconds is not None and entry.seconds <= TIE * least)


def reason(best: Candidate, measured: Sequence[Candidate]) -> str:
    """In words, for people."""
    others = [entry for entry in measured if entry.seconds is not None and entry is not best]
    if not others or best.seconds is None:
        return "lowest estimate"
    second = min(others, key=lambda entry: entry.seconds or 0.0)
    assert second.seconds is not None
    if best.seconds > second.seconds:
        return f"as fast as {second.name} within {100 * (TIE - 1):.0f} %, by measurement"
    factor = second.seconds / best.seconds if best.seconds > 0 else float("inf")
    return f"{factor:.1f} times faster than {second.name}, by measurement"
