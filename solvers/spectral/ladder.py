"""Trajectories with a known error in time: pairs of runs, of which the second takes half the steps of the first.

The error of the finer run of a pair is the difference of both over 2^p - 1 (Richardson), p the order of the scheme
less LOST, at every stored time: that of whole trajectories, with all growth of errors in it. Where it is too large, the
finer run becomes the coarser one of the next pair. Which pair a sample ends with depends on its errors alone, so that
its bits do not depend on what shares its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pdemill.points import Array
from pdemill.solvers.instance import Instance
from pdemill.solvers.spectral.grid import Spectra
from pdemill.solvers.spectral.job import TrajectoryJob
from pdemill.solvers.spectral.march import steps_of
from pdemill.solvers.spectral.symbols import Symbols

LOST = 0.5
"""Half an order is what stiff terms cost at steps near ``time_rtol`` (Kuramoto-Sivashinsky: 3.4 to 3.6 of 4)."""
FLOOR = 1e-3
"""Errors of a channel are relative to its variation over space at that time, or to this part of the largest one
until then, where that is larger: what has decayed to nothing has no digits."""


@dataclass(frozen=True)
class Start:
    """One sample before it is marched: its equation, and its coefficients at the time 0."""

    number: int
    symbols: Symbols
    state: Spectra


@dataclass(frozen=True)
class Trajectory:
    """One sample, marched. ``frames``: its coefficients at the stored times [T, modes]; ``fields``: its channels
    [C, T, *shape]; ``errors``: the estimated relative error in time at each stored time [T]; ``run``: that of the last
    pair of runs, ``steps`` in it; ``reached``: whether it is right up to the time required."""

    number: int
    frames: Spectra
    fields: Array
    errors: Array
    run: int
    steps: int
    reached: bool

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.fields).all())


def marched(job: TrajectoryJob, starts: Sequence[Start], run: int, times: bool = True) -> Spectra:
    """The coefficients of samples at the stored times, [samples, T, modes], by run number ``run``."""
    steps = job.steps(run)
    frames = np.full((len(starts), len(job.times), job.grid.modes), np.nan, np.complex128)
    for begin in range(0, len(starts), job.together):
        part = list(starts[begin : begin + job.together])
        march = job.march([one.symbols for one in part])
        u = np.stack([one.state for one in part])
        out = frames[begin : begin + len(part)]
        first = 1 if job.times[0] == 0.0 else 0
        if first:
            out[:, 0] = u
        with np.errstate(over="ignore", invalid="ignore"):
            for frame, (length, count) in enumerate(zip(job.lengths, steps, strict=True), first):
                march.advance(u, length, count)
                out[:, frame] = u
                if not np.isfinite(u).any():
                    break
    return frames


def fields_of(job: TrajectoryJob, frames: Spectra) -> Array:
    """The channels of one sample, [C, T, *shape], from its coefficients [T, modes]."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(np.moveaxis(job.fields(frames), 0, 1))


def differences(one: Array, other: Array) -> Array:
    """The relative difference of channels [C, T, *shape] at each time, the largest over channels: 2-norms, relative to
    what varies over space in ``other``; infinite where either is not finite."""
    space = tuple(range(2, other.ndim))
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.sqrt(np.square(one - other).sum(axis=space))
        varying = np.sqrt(np.square(other - other.mean(axis=space, keepdims=True)).sum(axis=space))
        largest = np.maximum.accumulate(np.where(np.isfinite(varying), varying, 0.0), axis=1)
        size = np.maximum(varying, FLOOR * largest)
        found = np.divide(apart, size, out=np.where(apart > 0.0, np.inf, 0.0), where=size > 0.0)
    known = np.isfinite(found) & np.isfinite(apart) & np.isfinite(varying)
    return np.asarray(np.where(known, found, np.inf).max(axis=0))


def trajectories(
    job: TrajectoryJob, starts: Sequence[Start], stop: Callable[[Trajectory], bool]
) -> Iterator[Trajectory]:
    """The trajectories of samples, those that need the fewest halvings first; ``stop`` tells whether one of them, which
    has not reached what is required, is to be halved no further."""
    coarse = {one.number: fields_of(job, frames) for one, frames in zip(starts, marched(job, starts, 0), strict=True)}
    left, factor = list(starts), 2.0 ** (job.scheme.order - LOST) - 1.0
    for run in range(1, 2 + job.levels):
        found = marched(job, left, run)
        again = []
        for one, frames in zip(left, found, strict=True):
            fields = fields_of(job, frames)
            errors = differences(coarse.pop(one.number), fields) / factor
            reached = bool((errors[np.array(job.times) <= job.required] <= job.method.time_rtol).all())
            made = Trajectory(one.number, frames, fields, errors, run, sum(job.steps(run)), reached)
            if reached or run == 1 + job.levels or stop(made):
                yield made
            else:
                coarse[one.number] = fields
                again.append(one)
        left = again
        if not left:
            return


def valid_until(job: TrajectoryJob, errors: Array) -> float:
    """The last stored time up to which all errors are at most ``time_rtol``; 0 where the first one is above."""
    wrong = np.flatnonzero(~(errors <= job.method.time_rtol))
    last = len(errors) - 1 if not wrong.size else int(wrong[0]) - 1
    return job.times[last] if last >= 0 else 0.0


def start_of(job: TrajectoryJob, instance: Instance, number: int) -> Start:
    """A drawn sample before it is marched. Raises InvalidSample."""
    return Start(number, job.symbols(instance), job.initial(instance))


def warmed(job: TrajectoryJob, starts: list[Start]) -> Iterator[Start | int]:
    """The samples after the warm-up, with steps no longer than the first one, halved until the state is finite; the
    number of one that never is."""
    warmup = job.problem.time.warmup
    if warmup == 0.0:
        yield from starts
        return
    for halvings in range(1 + job.levels):
        left = []
        for begin in range(0, len(starts), job.together):
            part = starts[begin : begin + job.together]
            u = np.stack([one.state for one in part])
            with np.errstate(over="ignore", invalid="ignore"):
                job.march([one.symbols for one in part]).advance(
                    u, warmup, steps_of(warmup, job.first_step) * 2**halvings
                )
            for one, state in zip(part, u, strict=True):
                if np.isfinite(state).all():
                    yield Start(one.number, one.symbols, state.copy())
                else:
                    left.append(one)
        starts = left
        if not starts:
            return
    for one in starts:
        yield one.number
