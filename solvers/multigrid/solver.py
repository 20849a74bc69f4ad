"""Systems on one box grid, solved in batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import frexp, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.multigrid.cg import BROKEN, DONE, RUNNING, STALLED, move, solve
from pdemill.solvers.multigrid.coarsen import set_up
from pdemill.solvers.multigrid.compiled import Doubles, Singles
from pdemill.solvers.multigrid.layout import Coarsening, Layout, lay_out, plan_coarsening
from pdemill.solvers.multigrid.loading import load, load_sides, unload
from pdemill.solvers.multigrid.stencil import Stencil, survey
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result, Solution, Stats, Steps

RESULTS = {DONE: Result.CONVERGED, BROKEN: Result.BREAKDOWN, STALLED: Result.MISSED_TOLERANCE}
NONE = -99
MARGIN = 0.9
"""The share of the tolerance that is aimed at, since the certificate rounds otherwise."""
REMEMBERED = 16
"""Steps at the end of a solve whose lengths are told."""
CORRECTION_LIMIT = 100
"""Most iterations of a correction."""


@dataclass(frozen=True)
class Kind:
    """Properties shared by systems that are solved side by side: their coarsening, whether they have a reaction."""

    coarsening: Coarsening
    reaction: bool


class State(NamedTuple):
    """How the lanes of a batch stand, as ``cg.solve`` keeps it."""

    standing: NDArray[np.int64]
    iterations: NDArray[np.int64]
    replaced: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    norms: Array
    trail: Array

    @classmethod
    def new(cls, lanes: int) -> State:
        standing, iterations, replaced = np.zeros((3, lanes), dtype=np.int64)
        fresh, trail = np.ones(lanes, dtype=np.bool_), np.zeros((lanes, 2, REMEMBERED))
        return cls(standing, iterations, replaced, fresh, np.full((4, lanes), -1.0), trail)

    def of(self, lanes: NDArray[np.intp]) -> State:
        """The state of some lanes."""
        integers = self.standing[lanes], self.iterations[lanes], self.replaced[lanes]
        return State(*integers, self.fresh[lanes], np.ascontiguousarray(self.norms[:, lanes]), self.trail[lanes])

    def steps(self, lane: int, scale: float) -> Steps:
        """The last steps of a lane, first to last; ``scale``: from units of x to those of the solution."""
        end = int(self.iterations[lane])
        places = np.arange(max(0, end - REMEMBERED), end) % REMEMBERED
        residuals, lengths = self.trail[lane][:, places]
        return Steps(residuals, lengths * scale)


@dataclass(frozen=True)
class Loaded:
    """The matrices that stand in the buffers, lane by lane, as a solve has left them."""

    kind: Kind
    layout: Layout
    slots: NDArray[np.intp]
    matrices: tuple[Matrix, ...]

    def lanes_of(self, systems: list[System]) -> list[int] | None:
        """A lane for each system, none twice; None if one is not there."""
        free, lanes = list(enumerate(self.matrices)), []
        for system in systems:
            place = next((i for i, (_, matrix) in enumerate(free) if matrix is system.matrix), None)
            if place is None:
                return None
            lanes.append(free.pop(place)[0])
        return lanes


class GridSolver:
    """Multigrid CG for all matrices of a pattern; buffers are kept from batch to batch."""

    def __init__(self, pattern: Pattern, lanes: int) -> None:
        self.pattern, self.lanes = pattern, lanes
        self._stencil = Stencil.of(pattern)
        nz, ny, nx = self._stencil.shape
        self._sides = np.zeros((lanes, 2, ny, nx)), np.zeros((lanes, 2, nz, nx)), np.zeros((lanes, 2, nz, ny))
        self._c = np.zeros((lanes, nz, ny, nx))
        self._sums = np.zeros(6)
        own = self._c, *self._sides
        self._sources = np.zeros((2 + len(own), lanes), dtype=np.uint64)
        self._sources[2:] = [[part[slot].ctypes.data for slot in range(lanes)] for part in own]
        self._scales, self._weights = np.ones(lanes), np.ones(lanes)
        self._layouts: dict[tuple[Kind, int], Layout] = {}
        self._current: Layout | None = None
        self._loaded: Loaded | None = None
        self._w, self._v = np.zeros(0, dtype=np.float32), np.zeros(0)

    def solve(self, systems: list[System], rtol: float, limit: int) -> list[Solution[None]]:
        """Solve at most ``lanes`` systems; a solution depends on its own system alone."""
        values = [np.ascontiguousarray(system.matrix.couplings, dtype=np.float64) for system in systems]
        loads = [np.ascontiguousarray(system.rhs, dtype=np.float64) for system in systems]
        self._loaded = None
        kinds = [self._read(slot, *parts) for slot, parts in enumerate(zip(systems, values, loads, strict=True))]
        solutions: dict[int, Solution[None]] = {}
        for kind in dict.fromkeys(kind for kind in kinds if kind):
            slots = np.flatnonzero([other == kind for other in kinds])
            x, state = self._solve(kind, slots, rtol, limit, [systems[slot].matrix for slot in slots])
            for lane, slot in enumerate(slots.tolist()):
                result = RESULTS.get(int(state.standing[lane]), Result.MAX_ITERATIONS)
                steps = state.steps(lane, float(self._scales[slot] / self._weights[slot]))
                solutions[slot] = Solution(x[lane], result, Stats(int(state.iterations[lane])), None, steps)
        return [solutions.get(slot) or self._refused() for slot in range(len(systems))]

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None]:
        """d with A d = r to within ``reduction`` of r, for systems that were just solved; on the hierarchies of those
        solves, where all of them are still there. None for each that does not converge."""
        loaded = self._loaded
        lanes = None if loaded is None else loaded.lanes_of(systems)
        if loaded is not None and lanes is not None:
            found = self._correct(loaded, lanes, residuals, reduction)
            if found is not None:
                return found
        anew = [replace(system, rhs=rhs, guess=None) for system, rhs in zip(systems, residuals, strict=True)]
        return [s.value if s.result.ok else None for s in self.solve(anew, reduction, CORRECTION_LIMIT)]

    def _correct(
        self, loaded: Loaded, lanes: list[int], residuals: list[Array], reduction: float
    ) -> list[Array | None] | None:
        """The same with the matrices that are loaded; None where lanes want to leave."""
        many, layout, kind = len(loaded.slots), loaded.layout, loaded.kind
        idle = np.zeros(self.pattern.size)
        loads = [idle] * many
        for lane, residual in zip(lanes, residuals, strict=True):
            loads[lane] = np.ascontiguousarray(residual, dtype=np.float64)
        weights = np.array([2.0 ** -frexp(float(np.abs(load).max()))[1] for load in loads])
        sources = np.array([load.ctypes.data for load in loads], dtype=np.uint64)
        w, v, level = self._w, self._v, layout.levels[0]
        load_sides(w, v, level, layout.fine, sources, weights, many)
        x, state = np.empty((many, self.pattern.size)), State.new(many)
        target = MARGIN * reduction
        if not solve(
            w, v, layout.levels, layout.fine, kind.coarsening.sweeps, kind.reaction, many, target, CORRECTION_LIMIT,
            *state,
        ):  # fmt: skip
            return None
        unload(v, level, layout.fine, x, self._scales[loaded.slots] / weights, many)
        return [x[lane] if state.standing[lane] == DONE else None for lane in lanes]

    def _refused(self) -> Solution[None]:
        return Solution(np.full(self.pattern.size, np.nan), Result.NOT_FINITE, Stats(), None)

    def _read(self, slot: int, system: System, values: Array, rhs: Array) -> Kind | None:
        """Take a system into a slot; None if it has entries that are not finite."""
        pattern, stencil, sums, (Sz, Sy, Sx) = system.matrix.pattern, self._stencil, self._sums, self._sides
        largest, reaction = survey(
            values, pattern.indptr, stencil.places, stencil.periodic, system.matrix.singular,
            self._c[slot], Sz[slot], Sy[slot], Sx[slot], sums,
        )  # fmt: skip
        load = max(float(rhs.max()), -float(rhs.min()))
        if not (0.0 < largest < np.inf and load < np.inf and (sums >= 0.0).all()):
            return None
        if system.matrix.singular and not np.isfinite(values).all():
            return None  # its couplings are all that is read
        self._sources[:2, slot] = values.ctypes.data, rhs.ctypes.data
        self._scales[slot] = 2.0 ** -frexp(largest)[1]
        self._weights[slot] = 2.0 ** -frexp(load)[1]
        means = [total / max(count, 1.0) for total, count in sums.reshape(2, 3).T.tolist()]
        return Kind(plan_coarsening(stencil.shape, stencil.periodic, _strengths(means)), reaction)

    def _solve(
        self, kind: Kind, slots: NDArray[np.intp], rtol: float, limit: int, matrices: list[Matrix]
    ) -> tuple[Array, State]:
        """The unknowns of the systems of one kind, and how they stand."""
        layout = self._prepared(kind, len(slots))
        w, v, lanes = self._w, self._v, np.arange(len(slots))
        self._set_up(kind, layout, w, v, slots)
        x, state = np.empty((len(slots), self.pattern.size)), State.new(len(slots))
        now, target, scales = state, MARGIN * rtol, self._scales[slots] / self._weights[slots]
        while not solve(
            w, v, layout.levels, layout.fine, kind.coarsening.sweeps, kind.reaction, len(lanes), target, limit, *now
        ):
            self._unload(layout, v, x, state, now, lanes, scales)
            kept = np.flatnonzero((now.standing == RUNNING) & (now.iterations < limit))
            before, old_w, old_v, many = layout, w, v, len(lanes)
            layout = lay_out(kind.coarsening, len(kept), kind.reaction)
            w, v = _aligned(layout.singles, np.float32), _aligned(layout.doubles, np.float64)
            lanes, now = lanes[kept], now.of(kept)
            self._set_up(kind, layout, w, v, slots[lanes])
            move(old_w, old_v, before.levels[0], before.fine, kept, many, w, v, layout.levels[0], layout.fine)
        self._unload(layout, v, x, state, now, lanes, scales)
        self._loaded = Loaded(kind, layout, slots, tuple(matrices)) if len(lanes) == len(slots) else None
        return x, state

    def _set_up(self, kind: Kind, layout: Layout, w: Singles, v: Doubles, slots: NDArray[np.intp]) -> None:
        """Fill buffers from the systems in the slots."""
        stencil = self.pattern.indptr, self._stencil.places
        sources = np.ascontiguousarray(self._sources[:, slots])
        factors = self._scales[slots], self._weights[slots]
        load(w, v, layout.levels[0], layout.fine, kind.reaction, sources, *stencil, *factors, len(slots))
        set_up(w, layout.levels, len(slots))

    def _unload(
        self, layout: Layout, v: Doubles, x: Array, state: State, now: State, lanes: NDArray[np.intp], scales: Array
    ) -> None:
        """Unknowns and state of some lanes."""
        values = x if len(lanes) == len(x) else np.empty((len(lanes), self.pattern.size))
        unload(v, layout.levels[0], layout.fine, values, scales[lanes], len(lanes))
        if values is not x:
            x[lanes] = values
        state.standing[lanes], state.iterations[lanes], state.trail[lanes] = now.standing, now.iterations, now.trail

    def _prepared(self, kind: Kind, lanes: int) -> Layout:
        """The layout, with buffers whose margins are zero."""
        layout = self._layouts.get((kind, lanes))
        if layout is None:
            layout = self._layouts[kind, lanes] = lay_out(kind.coarsening, lanes, kind.reaction)
        if layout is not self._current:
            if len(self._w) < layout.singles or len(self._v) < layout.doubles:
                self._w = _aligned(max(layout.singles, len(self._w)), np.float32)
                self._v = _aligned(max(layout.doubles, len(self._v)), np.float64)
            self._w[: layout.singles] = 0.0
            self._v[: layout.doubles] = 0.0
            self._current = layout
        return layout


def _strengths(means: list[float]) -> tuple[int, int, int]:
    """log2 of the coupling along each axis, to the nearest integer and relative to the strongest."""
    z, y, x = (round(log2(value / max(means))) if value > 0.0 else NONE for value in means)
    return z, y, x


def _aligned[D: np.floating](length: int, dtype: type[D]) -> NDArray[D]:
    """Zeros that begin at a line of the cache."""
    size = np.dtype(dtype).itemsize
    memory = np.zeros(length * size + 64, dtype=np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : begin + length * size].view(dtype)
