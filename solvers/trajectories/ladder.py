"""Trajectories with a known error in time: pairs of runs, of which the second takes half the steps of the first.

The error of the finer run of a pair is the difference of both over 2^p - 1 (Richardson), p the order of the scheme
less what stiff terms cost, at every stored time: that of whole trajectories, with all growth of errors in it. Where it
is too large, or the step longer than suits a sample, the finer run becomes the coarser one of the next pair; where
errors are regular, p is then measured, as log2 of the differences of both pairs. Where they are so irregular that the
coarser run says little of the finer one, it is the coarser one that is kept, at once: its error is the difference over
1 - 2^-p, whatever p is, nearly. Which pair a sample ends with depends on it alone, so that its bits do not depend on
what shares its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from pdemill.points import Array
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import Start, TrajectoryJob
from pdemill.solvers.trajectories.marching import States, advance, steps_of
from pdemill.solvers.trajectories.steady import Rest, Resting

LEAST_ORDER = 1.0
"""Errors that fall more slowly than this are told as if they did not: as the difference of both runs."""


@dataclass(frozen=True)
class Trajectory:
    """One sample, marched. ``frames``: its states at the stored times [T, numbers]; ``left``: algebraic errors until
    then [T, C]; ``fields``: its channels [C, T, *shape]; ``errors``: the estimated relative error in time at each
    stored time [T]; ``run``: that which it is, ``steps`` in it; ``reached``: whether it is right up to the
    time required; ``steady_at``: the stored time from which on it is steady, NaN where none is found; ``before``: the
    states of the first run of the pair, where the store keeps them; ``apart``: how far the two runs are apart at each
    stored time [T]."""

    number: int
    frames: States
    left: Array
    fields: Array
    errors: Array
    apart: Array
    run: int
    steps: int
    reached: bool
    steady_at: float = nan
    before: States | None = None

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.fields).all())


@dataclass(frozen=True)
class Known:
    """States of a sample at the first stored times [T, numbers], from run number ``run`` and, ``before``, the one with
    twice its steps' length."""

    run: int
    before: States
    after: States


@dataclass(frozen=True)
class Run:
    """Samples, marched: ``frames`` [samples, T, numbers], their states at the stored times; ``left`` [samples, T, C],
    the algebraic errors until then; ``steps`` that each took to the end; ``rests``: those that came to rest."""

    frames: States
    left: Array
    steps: int
    rests: Sequence[Rest | None]


def marched(job: TrajectoryJob, starts: Sequence[Start], run: int, known: Sequence[States] = ()) -> Run:
    """Run number ``run`` of samples; ``known``: their states at so many first stored times."""
    pieces, first = job.pieces(run), 1 if job.times[0] == 0.0 else 0
    state = starts[0].state
    frames = np.full((len(starts), len(job.times), *state.shape), np.nan, state.dtype)
    left = np.zeros((len(starts), len(job.times), len(job.problem.channels)))
    rests: list[Rest | None] = []
    if known:
        frames[:, : len(known[0])] = known
    for begin in range(0, len(starts), job.together):
        part = list(starts[begin : begin + job.together])
        march = job.march([one.equation for one in part])
        rows = slice(begin, begin + len(part))
        u = frames[rows, len(known[0]) - 1].copy() if known else np.stack([one.state for one in part])
        resting = None if job.method.steady_rate is None else Resting(job, len(part))
        if first and not known:
            frames[rows, 0] = u
        later = len(known[0]) if known else first
        with np.errstate(over="ignore", invalid="ignore"):
            for frame, interval in enumerate(pieces[later - first :], later):
                advance(march, u, interval)
                frames[rows, frame] = u
                if march.left is not None:
                    left[rows, frame] = march.left
                if not np.isfinite(u).any() or (resting is not None and resting.look(frame, frames[rows])):
                    break
        if resting is not None:
            resting.copied(frames[rows])
            resting.copied(left[rows])
        rests += [None] * len(part) if resting is None else resting.found
    return Run(frames, left, sum(job.steps(run)), rests)


def fields_of(job: TrajectoryJob, frames: States) -> Array:
    """The channels of one sample, [C, T, *shape], from its states [T, numbers]."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(np.moveaxis(job.fields(frames), 0, 1))


def lengthened(
    job: TrajectoryJob,
    starts: Sequence[Start],
    known: Mapping[int, Known],
    stop: Callable[[Trajectory], bool],
) -> Iterator[Trajectory]:
    """The trajectories of samples, gone on with where something is known of them."""
    for run in sorted({one.run for one in known.values()}):
        part = [one for one in starts if one.number in known and known[one.number].run == run]
        yield from trajectories(job, part, stop, [known[one.number] for one in part])
    if rest := [one for one in starts if one.number not in known]:
        yield from trajectories(job, rest, stop)


def trajectories(
    job: TrajectoryJob, starts: Sequence[Start], stop: Callable[[Trajectory], bool], known: Sequence[Known] = ()
) -> Iterator[Trajectory]:
    """The trajectories of samples, those that need the fewest halvings first; ``stop`` tells whether one of them, which
    has not reached what is required, is to be halved no further. ``known``: of all samples, by one run; no earlier run
    is marched then."""
    begin, ahead = known[0].run if known else 1, 1 if job.held_against_finer else 0
    last = marched(job, starts, begin - 1 + ahead, [one.before for one in known])
    before = {one.number: a for one, *a in zip(starts, last.frames, last.left, last.rests, strict=True)}
    coarse = {number: fields_of(job, frames) for number, (frames, *_) in before.items()}
    going, known_apart = list(starts), dict[int, Array]()
    for run in range(begin, 2 + job.levels):
        found = marched(job, going, run + ahead, [one.after for one in known] if run == begin else ())
        longest = job.longest_of(run)
        again = []
        for one, *finer in zip(going, found.frames, found.left, found.rests, strict=True):
            coarser, fields = before.pop(one.number), fields_of(job, finer[0])
            former = coarse.pop(one.number)
            apart = differences(former, fields)
            frames, off, rest = coarser if ahead else finer
            falls = 2.0 ** measured(job, known_apart.get(one.number), apart)
            errors = apart * falls / (falls - 1.0) if ahead else apart / (falls - 1.0)
            errors = errors if rest is None else rest.drifted(errors, job.times)
            steady_at = nan if rest is None else job.times[rest.frame]
            small = bool((errors[np.array(job.times) <= job.required] <= job.method.time_rtol).all())
            reached = small and job.suits(one, longest)
            steps = sum(job.steps(run)) if rest is None else job.steps_until(run, steady_at)
            told = former if ahead else fields
            kept = coarser[0] if job.spec.store.states else None
            made = Trajectory(one.number, frames, off, told, errors, apart, run, steps, reached, steady_at, kept)
            if reached or run == 1 + job.levels or stop(made):
                yield made
            else:
                coarse[one.number], before[one.number], known_apart[one.number] = fields, finer, apart
                again.append(one)
        going = again
        if not going:
            return


def measured(job: TrajectoryJob, before: Array | None, apart: Array) -> Array:
    """The order of errors at every stored time, from the differences of two pairs of runs; what is assumed where there
    is no pair before, or nothing to see."""
    orders = np.full(len(apart), job.assumed_order)
    if before is None or not job.regular:
        return orders
    known = (before > 0.0) & (apart > 0.0) & np.isfinite(before) & np.isfinite(apart)
    np.log2(np.divide(before, apart, out=np.ones_like(apart), where=known), out=orders, where=known)
    return np.asarray(np.clip(orders, LEAST_ORDER, job.order))


def warmed(job: TrajectoryJob, starts: list[Start]) -> Iterator[Start | int]:
    """The samples after the warm-up, with steps no longer than the first one, halved until the state is finite; the
    number of one that never is."""
    warmup = job.problem.time.warmup
    if warmup == 0.0:
        yield from starts
        return
    for halvings in range(1 + job.levels):
        count = steps_of(warmup, job.first_step) * 2**halvings
        left = [one for one in starts if not job.suits(one, warmup / count)]
        starts = [one for one in starts if job.suits(one, warmup / count)]
        for begin in range(0, len(starts), job.together):
            part = starts[begin : begin + job.together]
            u = np.stack([one.state for one in part])
            with np.errstate(over="ignore", invalid="ignore"):
                job.march([one.equation for one in part]).advance(u, warmup, count, -warmup)
            for one, state in zip(part, u, strict=True):
                if np.isfinite(state).all():
                    yield replace(one, state=state.copy())
                else:
                    left.append(one)
        starts = left
        if not starts:
            return
    for one in starts:
        yield one.number
