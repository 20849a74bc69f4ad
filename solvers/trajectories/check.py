"""Checking stored trajectories again: what was drawn, the first interval by the same steps, a later one from its stored
state, and of some samples that one by another scheme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers import flags
from pdemill.solvers.agreement import agrees
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.trajectories.differences import apart, differences, variations
from pdemill.solvers.trajectories.job import STEADY, Start, TrajectoryJob
from pdemill.solvers.trajectories.ladder import warmed
from pdemill.solvers.trajectories.marching import March, Piece, States, advance
from pdemill.solvers.trajectories.shard import Refined
from pdemill.store.layout import Shard

REFERENCED = 4
"""Samples per shard of which an interval is marched by the reference, at most."""
TIMES = 4.0
"""Times its stated errors, and those that its start's errors grow to, that a stored state may be off."""
GAP = 1e-2
"""Relative difference of a stored estimate to that of the stored, rounded states."""


def check_trajectories(job: TrajectoryJob, group: zarr.Group, shard: Shard, rows: NDArray[np.intp]) -> list[str]:
    """The faults of some rows of a stored shard."""
    part: Any = group[shard.split]
    names = [one.name for one in job.layout.arrays_of(shard.split)]
    referenced = set(rows[:: max(1, -(-len(rows) // REFERENCED))].tolist())
    refined, faults = Refined(job, shard), []
    for row in rows.tolist():
        number = shard.start + row
        stored = {name: np.asarray(part[name][number]) for name in names}
        checked = Checked(job, refined, number, stored)
        faults += [f"sample {number} of {shard.split}: {fault}" for fault in checked.faults(row in referenced)]
    return faults


class Checked:
    """One stored sample."""

    def __init__(self, job: TrajectoryJob, refined: Refined, number: int, stored: dict[str, Any]) -> None:
        self.job, self.refined, self.number, self.stored = job, refined, number, stored
        self.solution = np.asarray(stored["solution"], dtype=np.float64)
        self.errors = np.asarray(stored["frame_error"], dtype=np.float64)
        self.epsilon = float(np.finfo(stored["solution"].dtype).eps)

    def faults(self, by_reference: bool) -> Iterator[str]:
        """What is wrong with it; ``by_reference``: an interval is marched by the reference too."""
        if self.stored["sample_id"] != self.number:
            yield f"stored under the number {self.stored['sample_id']}"
        instance = self.job.instance(self.refined.shard.split, self.number)
        try:
            start = self.job.start_of(instance, self.number)
            made = self.job.drawn_in(instance, start.state)
        except InvalidSample as fault:
            yield f"the spec does not draw it: {fault}"
            return
        for name, values in made.items():
            if not agrees(self.stored[name], values, self.job.here):
                yield f"its {name} is not what the spec draws"
        (begun,) = warmed(self.job, [start])
        if not isinstance(begun, Start):
            yield "its warm-up does not stay finite"
            return
        job = self.job
        for check in (
            self._columns(),
            self._first_interval(begun),
            self._later_interval(instance, start, by_reference),
            job.check_balances(begun, self.stored, self.solution, self._run() or 1, self._comparable),
        ):
            if faults := list(check):
                yield from faults
                return  # what follows from a wrong solution is wrong too
        yield from self._error_in_space(begun)

    def _columns(self) -> Iterator[str]:
        """The columns against each other and their limits."""
        job, stored = self.job, self.stored
        last = job.valid_until(self.errors)
        valid = np.array(job.times) <= last
        if stored["valid_until"] != last:
            yield f"its valid_until {float(stored['valid_until']):g} does not follow from frame_error ({last:g})"
        elif last < max(t for t in job.times if t <= job.required or t == job.times[0]):
            yield f"it is right until {last:g} only, and must be until {job.required:g}"
        if stored["time_error_estimate"] != np.float32(self.errors[valid].max()):
            yield "its time_error_estimate is not the largest frame_error"
        if not stored["time_error_estimate"] <= stored["stored_error"]:
            yield "its stored_error is below its time_error_estimate"
        yield from self._at_rest()
        yield from self._kept()
        yield from job.check_own(stored, self.solution, valid)
        for name in flags.disputed(flags.Evidence(stored), int(stored["flags"]), job.here):
            yield f"its flags are not what the stored numbers give: {name}"
        if self._run() is None:
            yield f"its {int(stored['steps'])} steps are none that a run takes"

    def _run(self) -> int | None:
        """The number of the run that took so many steps."""
        runs, until, steps = range(1, 2 + self.job.levels), self._steady_at, int(self.stored["steps"])
        return next((run for run in runs if self.job.steps_until(run, until) == steps), None)

    @property
    def _steady_at(self) -> float:
        return float(self.stored.get(STEADY, np.nan))

    def _kept(self) -> Iterator[str]:
        """The states that a store keeps: those of the run that is stored give what is stored."""
        if "states" in self.stored:
            _, states = np.ascontiguousarray(self.stored["states"]).view(self.job.state_type)
            if not agrees(self.stored["solution"], np.moveaxis(self.job.fields(states), 0, 1), self.job.here):
                yield "the states that it keeps are not those of its solution"

    def _at_rest(self) -> Iterator[str]:
        """What is stored from the time on from which it is steady: copies, of a state that hardly changed before."""
        job, at = self.job, self._steady_at
        if np.isnan(at):
            return
        if at not in job.times[1:]:
            yield f"its {STEADY} {at:g} is no stored time after another"
            return
        frame = job.times.index(at)
        before, after = self.solution[:, frame - 1], self.solution[:, frame]
        if (self.solution[:, frame:] != self.solution[:, frame : frame + 1]).any():
            yield f"it changes after t = {at:g}, from which on it should be steady"
        varied, length = variations(self.solution[:, :frame]).max(axis=1), at - job.times[frame - 1]
        found, bound = apart(before, after, varied) / length, float(job.method.steady_rate or 0.0)
        if not found <= bound * (1.0 + GAP) + TIMES * self._rounding(after, varied) / length:
            yield f"it is stored as steady from t = {at:g}, and still changes by {found:.1e} per unit of time"

    @property
    def _comparable(self) -> bool:
        """Whether marching from the start comes to the same: not after a warm-up by other instructions, of which chaos
        makes another state."""
        return self.job.here or self.job.problem.time.warmup == 0.0

    def _first_interval(self, begun: Start) -> Iterator[str]:
        """The states up to the first stored time after 0, by the steps that were taken: the same bits here, elsewhere
        within their errors and rounding."""
        job, run = self.job, self._run()
        if run is None or not self._comparable:
            return
        states, frame = [begun.state], 0 if job.times[0] == 0.0 else -1
        u, march = self._rows(begun.state, begun)
        advance(march, u, job.pieces(run)[0])
        states.append(u[0])
        fields = np.moveaxis(job.fields(np.stack(states)), 0, 1)
        for made, at in zip(np.moveaxis(fields, 1, 0), (frame, frame + 1), strict=True):
            if at < 0:
                continue
            allowed = TIMES * (float(self.errors[at]) + self._rounding(made, 0.0))
            near = not job.here and apart(self.solution[:, at], made) <= allowed
            if not near and not agrees(self.stored["solution"][:, at], made, job.here):
                yield f"its state at t = {job.times[at]:g} is not what marching from the start gives"

    def _later_interval(self, instance: Instance, start: Start, by_reference: bool) -> Iterator[str]:
        """From one stored state to the next, where the stored states are those that were marched."""
        job = self.job
        valid = [i for i, t in enumerate(job.times) if t <= float(self.stored["valid_until"])]
        if job.whole is None or len(valid) < 2:
            return
        frame = self.number % (len(valid) - 1)
        before, after = self.solution[job.whole, frame], self.solution[job.whole, frame + 1]
        first = 1 if job.times[0] == 0.0 else 0
        pieces = job.pieces(self._run() or 1)[frame + 1 - first]
        state = job.state_of(before)
        varied = variations(self.solution[job.whole, : frame + 1]).max(axis=1)
        grown = self._grown(state, start, pieces, varied, self._rounding(before, 0.0))
        allowed = TIMES * (float(self.errors[frame + 1]) + grown + self._rounding(after, varied))
        u, march = self._rows(state, start)
        advance(march, u, pieces)
        found = apart(job.fields(u[:1])[0][job.whole], after, varied)
        when = f"from t = {job.times[frame]:g} to {job.times[frame + 1]:g}"
        if not found <= allowed:
            yield f"marched anew {when}, it is off by {found:.1e}, where {allowed:.1e} is allowed"
            return
        if by_reference and (other := job.reference(instance)) is not None:
            made, own = other(before, pieces)
            found = apart(made, after, varied)
            if not found <= allowed + own:
                yield f"marched {when} by the reference, it is off by {found:.1e}, where {allowed + own:.1e} is allowed"

    def _error_in_space(self, begun: Start) -> Iterator[str]:
        """The stored estimate against that of the stored states, where there should be one."""
        stated, limit = float(self.stored["error_estimate"]), self.job.spec.certify.error_rtol
        if self.number not in self.refined.chosen:
            if not np.isnan(stated):
                yield f"its error_estimate {stated:.3g} is of a sample that was not drawn for it"
            return
        if limit is not None and not stated <= limit:
            yield f"its error_estimate {stated:.3g} is above certify.error_rtol {limit:g}"
        if not self._comparable:
            return
        found = self.refined.error_of(begun, self.solution, self._run() or 1, float(self.stored["valid_until"]))
        valid = np.array(self.job.times) <= float(self.stored["valid_until"])
        rounding = differences((1.0 + self.epsilon) * self.solution, self.solution)[valid].max()
        allowed = TIMES * (min(rounding, 1.0) + (0.0 if self.job.here else float(self.stored["time_error_estimate"])))
        if not (abs(stated - found) <= allowed + GAP * found or (np.isnan(stated) and np.isnan(found))):
            yield f"its error_estimate {stated:.3g} is not the recomputed {found:.3g}"

    def _rounding(self, fields: Array, varied: Array | float) -> float:
        """What rounding of stored channels [C, *shape] is relative to what varies in them."""
        found = apart((1.0 + self.epsilon) * fields, fields, varied)
        return max(self.epsilon, found) if np.isfinite(found) else self.epsilon

    def _grown(self, state: States, start: Start, pieces: Sequence[Piece], varied: Array, rounding: float) -> float:
        """What rounding of the stored state grows to over an interval."""
        ends = []
        for one in (state, self.job.shaken(state, rounding)):
            u, march = self._rows(one, start)
            advance(march, u, pieces)
            ends.append(self.job.fields(u[:1])[0][self.job.whole])
        return apart(ends[1], ends[0], varied)

    def _rows(self, state: States, start: Start) -> tuple[States, March]:
        return state[None].copy(), self.job.march([start.equation])
