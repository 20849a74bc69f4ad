"""Trajectories that come to rest: from which stored time on they are copies, and what these are off."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from pdemill.points import Array
from pdemill.solvers.trajectories.differences import apart, variations
from pdemill.solvers.trajectories.job import TrajectoryJob
from pdemill.solvers.trajectories.marching import States

SHARE = 0.5
"""Part of ``time_rtol`` that copies may be off by the end, if the rate of change stays what it is."""


@dataclass(frozen=True)
class Rest:
    """From stored time number ``frame`` on nothing changes faster than ``rate``, relative and per unit of time."""

    frame: int
    rate: float

    def drifted(self, errors: Array, times: tuple[float, ...]) -> Array:
        """The errors in time of stored states [T], of which those after the frame are copies."""
        later = np.array(times) - times[self.frame]
        return np.where(later > 0.0, errors[self.frame] + self.rate * later, errors)


class Resting:
    """Looks at a batch of trajectories as they are marched; what is found of one does not depend on the others."""

    def __init__(self, job: TrajectoryJob, count: int) -> None:
        assert job.method.steady_rate is not None
        self.found: list[Rest | None] = [None] * count
        self._job, self._bound = job, job.method.steady_rate
        self._varied = np.zeros((count, len(job.problem.channels)))

    def look(self, frame: int, frames: States) -> bool:
        """Whether all are at rest with stored time number ``frame``; ``frames`` [rows, T, numbers]: the states until
        then."""
        for row, known in enumerate(self.found):
            if known is None and frame > 0:
                rate = self._rate(row, frame, frames[row, frame - 1 : frame + 1])
                drift = rate * (self._job.times[-1] - self._job.times[frame])
                if rate <= self._bound and drift <= SHARE * self._job.method.time_rtol:
                    self.found[row] = Rest(frame, rate)
        return None not in self.found

    def _rate(self, row: int, frame: int, states: States) -> float:
        if not np.isfinite(states).all():
            return inf
        before, after = self._job.fields(states)
        self._varied[row] = np.maximum(self._varied[row], variations(before[:, None])[:, 0])
        return apart(before, after, self._varied[row]) / (self._job.times[frame] - self._job.times[frame - 1])

    def copied(self, frames: Array) -> None:
        """Let what stands in [rows, T, ...] after the frame of each be copies."""
        for row, known in enumerate(self.found):
            if known is not None:
                frames[row, known.frame + 1 :] = frames[row, known.frame]
