"""Means of independent walks: batches until the wanted number or standard error is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.methods.walks import DEFAULT_WALKS, LEAST_ADAPTIVE, Walks
from pdemill.solvers.walks.statistics import Running
from pdemill.solvers.walks.unseen import Unseen

POINTS_AT_ONCE = 512
"""Points whose walks of one batch are in memory together."""
GROWTH = 1.5
"""By how much the walks of a point grow from one look at its standard error to the next."""

type PointNumbers = NDArray[np.intp]


@dataclass(frozen=True)
class Outcome:
    """Walks [p, k]: what each is worth, its steps, whether it was cut short, and the largest weight of all.

    ``slopes`` [p, k, d]: what each is worth for the gradient, where that was asked for, and ``steepness`` [p]: what a
    difference of 1 in its value is worth for it.
    """

    values: Array
    steps: NDArray[np.integer]
    truncated: NDArray[np.bool_]
    weight: float = 1.0
    slopes: Array | None = None
    steepness: Array | None = None


type Walking = Callable[[PointNumbers, int, int], Outcome]
"""Walks first..first+count-1 of some points, by their numbers."""


@dataclass(frozen=True)
class PointEstimate:
    """u at the points of one sample, [P] each; ``batches`` [B, P] and ``gradient`` [P, d] where they were asked for."""

    value: Array
    stderr: Array
    walks: NDArray[np.int64]
    truncated: NDArray[np.int64]
    steps: Array
    weight: float = 1.0
    batches: Array | None = None
    gradient: Array | None = None
    gradient_stderr: Array | None = None

    def at(self, rows: PointNumbers) -> PointEstimate:
        """Value, standard error and counts of some points."""
        return PointEstimate(
            self.value[rows], self.stderr[rows], self.walks[rows], self.truncated[rows], self.steps[rows], self.weight
        )


class _Tally:
    """Running means of all points."""

    def __init__(self, points: int, blockwise: bool, unseen: Unseen | None, unseen_slopes: Unseen | None) -> None:
        self._blockwise, self._unseen, self._unseen_slopes = blockwise, unseen, unseen_slopes
        self._values = Running(points)
        self._slopes: list[Running] = []
        self._steepness = np.zeros(points)
        self.walks = np.zeros(points, dtype=np.int64)
        self.steps = np.zeros(points, dtype=np.int64)
        self.truncated = np.zeros(points, dtype=np.int64)
        self.weight = 1.0

    def take(self, rows: PointNumbers, outcome: Outcome) -> Array:
        """Count one batch in; the batch's mean per row."""
        means = outcome.values.mean(axis=1)
        self._values.add(rows, means[:, None] if self._blockwise else outcome.values)
        if outcome.slopes is not None:
            axes = outcome.slopes.shape[2]
            self._steepness[rows] = outcome.steepness
            self._slopes = self._slopes or [Running(len(self.walks)) for _ in range(axes)]
            for axis, running in enumerate(self._slopes):
                slopes = np.ascontiguousarray(outcome.slopes[:, :, axis])
                running.add(rows, slopes.mean(axis=1)[:, None] if self._blockwise else slopes)
        self.walks[rows] += outcome.values.shape[1]
        self.steps[rows] += outcome.steps.sum(axis=1)
        self.truncated[rows] += outcome.truncated.sum(axis=1)
        self.weight = max(self.weight, outcome.weight)
        return np.asarray(means)

    def stderr(self, rows: PointNumbers) -> Array:
        """Of some points: never less than what their walks may have left out."""
        variance = self._values.variance[rows]
        if self._unseen is not None:
            variance = self._unseen.raised(variance, rows, self._values.mean[rows], self.walks[rows])
        return np.sqrt(variance)

    def result(self) -> PointEstimate:
        everyone = np.arange(len(self.walks))
        steps = self.steps / np.maximum(self.walks, 1)
        found = PointEstimate(self._values.mean, self.stderr(everyone), self.walks, self.truncated, steps, self.weight)
        if not self._slopes:
            return found
        gradient = np.stack([running.mean for running in self._slopes], axis=1)
        variances = [running.variance for running in self._slopes]
        if self._unseen_slopes is not None:
            share = self._steepness / np.sqrt(len(variances))  # directions of first steps are even among the axes
            unseen = self._values.mean, self.walks, share
            variances = [self._unseen_slopes.raised(variance, everyone, *unseen) for variance in variances]
        return replace(found, gradient=gradient, gradient_stderr=np.sqrt(np.stack(variances, axis=1)))


def estimate(
    walking: Walking, points: int, options: Walks, unseen: Unseen | None = None, unseen_slopes: Unseen | None = None
) -> PointEstimate:
    """u at points 0..points-1, by a fixed number of walks or until ``target_stderr``.

    ``unseen``, ``unseen_slopes``: what walks may end with, for u and for ∇u. Close to the boundary nearly all walks end
    at once, and the few that carry the variance may not have come yet; no standard error is below what these allow.

    Walks come in batches of 256, whose means are merged in order; with ``sobol`` batches are the independent units.
    Looking at a standard error to decide when to stop makes it come out too small; that is why a point is looked at
    only after 512 walks and whenever its walks have grown by half.
    """
    tally = _Tally(points, options.sobol, unseen, unseen_slopes)
    means: list[Array] = []
    if options.target_stderr is None:
        total = options.walks or DEFAULT_WALKS
        everyone = np.arange(points)
        for first in range(0, total, BATCH):
            means.append(_walk(walking, tally, everyone, first, min(BATCH, total - first)))
    else:
        _walk_until(walking, tally, options)
    found = tally.result()
    return replace(found, batches=np.stack(means)) if options.returned == "per_batch" else found


def _walk_until(walking: Walking, tally: _Tally, options: Walks) -> None:
    target = float(options.target_stderr or 0.0)
    done, goal, most = 0, LEAST_ADAPTIVE, options.max_walks // BATCH * BATCH
    active = np.arange(len(tally.walks))
    while active.size:
        for first in range(done, goal, BATCH):
            _walk(walking, tally, active, first, min(BATCH, goal - first))
        done = goal
        if done >= most:
            return
        active = active[tally.stderr(active) > target]
        goal = min(most, BATCH * round(GROWTH * done / BATCH))


def _walk(walking: Walking, tally: _Tally, rows: PointNumbers, first: int, count: int) -> Array:
    means = [np.empty(0)]
    for begin in range(0, len(rows), POINTS_AT_ONCE):
        some = rows[begin : begin + POINTS_AT_ONCE]
        means.append(tally.take(some, walking(some, first, count)))
    return np.concatenate(means)
