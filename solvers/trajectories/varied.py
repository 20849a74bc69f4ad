"""Steps that are longer in some intervals between stored times than in others, found on the samples of a trial.

From the states of the run that is right, every interval is marched once more with twice, four times, .. the step: what
that makes of its end is the error of that interval alone. Steps of an interval are lengthened as long as this stays
below a part of what the worst interval has at the step that was found; then samples are tried with all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pdemill.points import Array
from pdemill.solvers.trajectories.differences import apart, differences, variations
from pdemill.solvers.trajectories.job import Start, TrajectoryJob
from pdemill.solvers.trajectories.ladder import Trajectory, fields_of, marched, measured, trajectories
from pdemill.solvers.trajectories.marching import Piece, advance

MOST_INTERVALS = 1000
MOST_DOUBLINGS = 8
"""How often a step is doubled at most."""
PART = 1.0
"""Part of the error of the worst interval that others may make; whether that is well is then tried."""
WORTH = 0.9
"""Part of the steps that must be left for it to be worth it."""


def varied(job: TrajectoryJob, starts: Sequence[Start]) -> TrajectoryJob:
    """The job with steps of their own in every interval, where the samples of its trial show that this saves some; else
    the job itself."""
    if not 1 < len(job.lengths) <= MOST_INTERVALS or not starts or job.method.max_step is not None:
        return job
    made = list(trajectories(job, starts, stop=lambda _: False))
    run = sorted(one.run for one in made)[(len(made) - 1) // 2]
    enough = [one for one in made if one.reached and one.run <= run]
    equal = [one for one in enough if one.run == run]
    if not equal:
        return job
    doublings = _doublings(job, equal, {one.number: one for one in starts}, run)
    known = [one for one in starts if one.number in {one.number for one in enough}]
    before = sum(sum(job.steps(number)) for number in range(run + 1))
    while True:
        steps = tuple(p[-1].steps // 2 ** (1 + int(d)) for p, d in zip(job.pieces(run), doublings, strict=True))
        other = _using(job, interval_steps=steps)
        if sum(other.steps(0)) + sum(other.steps(1)) > WORTH * before:
            return job
        (found,) = trajectories(other, known[:1], stop=lambda _: True)
        other = observed(other, known[0], found)
        if all(one.reached for one in trajectories(other, known, stop=lambda _: True)):
            return other
        if not doublings.any():
            return job
        doublings = np.maximum(doublings - 1, 0)


def observed(job: TrajectoryJob, start: Start, found: Trajectory) -> TrajectoryJob:
    """The job with the order by which errors fall at the step of a trajectory, from a third run."""
    finer = fields_of(job, marched(job, [start], found.run + 1).frames[0])
    worst = int(np.argmax(found.errors))
    order = float(measured(job, found.apart, differences(found.fields, finer))[worst])
    return _using(job, observed_order=round(order, 2))


def _using(job: TrajectoryJob, **options: object) -> TrajectoryJob:
    other = job.using(type(job.method).model_validate({**job.method.model_dump(), **options}))
    assert isinstance(other, TrajectoryJob)
    return other


def _doublings(job: TrajectoryJob, made: Sequence[Trajectory], starts: dict[int, Start], run: int) -> Array:
    """How often the steps of run number ``run`` may be doubled in each interval."""
    pieces = job.pieces(run)
    errors = np.full((2 + MOST_DOUBLINGS, len(pieces)), np.inf)
    for one in made:
        found = np.array([_errors(job, one, starts[one.number], _longer(pieces, 2**n)) for n in range(1, len(errors))])
        errors[1:] = np.where(np.isinf(errors[1:]), found, np.maximum(errors[1:], found))
    fits = errors[2:] <= PART * errors[1].max()
    return np.asarray(np.cumprod(fits, axis=0).sum(axis=0))


def _longer(pieces: Sequence[Sequence[Piece]], times: int) -> list[list[Piece] | None]:
    """Intervals with so many times fewer steps; None where there are too few."""
    return [
        None if any(one.steps % times for one in part) else [one._replace(steps=one.steps // times) for one in part]
        for part in pieces
    ]


def _errors(job: TrajectoryJob, one: Trajectory, start: Start, pieces: Sequence[Sequence[Piece] | None]) -> list[float]:
    """What these steps make of every interval from its right state, relative to what varies."""
    first, march, found = 1 if job.times[0] == 0.0 else 0, job.march([start.equation]), []
    varying = variations(one.fields)
    for frame, part in enumerate(pieces, first):
        if part is None:
            found.append(np.inf)
            continue
        u = (one.frames[frame - 1] if frame else start.state)[None].copy()
        with np.errstate(over="ignore", invalid="ignore"):
            advance(march, u, part)
            end = job.fields(u)[0]
        found.append(apart(end, one.fields[:, frame], varying[:, : frame + 1].max(axis=1)))
    return found
