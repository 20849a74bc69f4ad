"""Systems on one box grid, solved in batches."""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, log2

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from solvers.multigrid.cg import BROKEN, DONE, STALLED, solve
from solvers.multigrid.coarsen import set_up
from solvers.multigrid.layout import Layout, Plan, lay_out, plan
from solvers.multigrid.loading import load, unload
from solvers.multigrid.reading import Stencil, part, read
from solvers.operators.system import Pattern, System
from solvers.solution import Result, Solution, Stats

RESULTS = {DONE: Result.CONVERGED, BROKEN: Result.BREAKDOWN, STALLED: Result.MISSED_TOLERANCE}
NONE = -99
MARGIN = 0.9
"""The share of the tolerance that is aimed at, since the certificate rounds otherwise."""


@dataclass(frozen=True)
class Kind:
    """What systems must share to be solved side by side: how they are coarsened, and whether they have a reaction."""

    plan: Plan
    reaction: bool


class GridSolver:
    """Multigrid CG for all matrices of a pattern; buffers are kept from batch to batch."""

    def __init__(self, pattern: Pattern, lanes: int) -> None:
        self.pattern, self.lanes = pattern, lanes
        self._stencil = Stencil.of(pattern)
        nz, ny, nx = self._stencil.shape
        self._Tz = np.zeros((lanes, nz + 1, ny, nx))
        self._Ty = np.zeros((lanes, nz, ny + 1 if ny > 1 else 0, nx))
        self._Tx = np.zeros((lanes, nz, ny, nx + 1))
        self._c, self._b, self._x = (np.zeros((lanes, nz, ny, nx)) for _ in range(3))
        open_axes = zip((nz, ny, nx), self._stencil.periodic, strict=True)
        self._inner = np.array([1.0 if periodic or n == 1 else (n + 1) / (n - 1) for n, periodic in open_axes])
        self._scales, self._weights = np.ones(lanes), np.ones(lanes)
        self._layouts: dict[tuple[Kind, int], Layout] = {}
        self._current: Layout | None = None
        self._w, self._v = np.zeros(0, dtype=np.float32), np.zeros(0)

    def solve(self, systems: list[System], rtol: float, limit: int) -> list[Solution[None]]:
        """Solve at most ``lanes`` systems; a solution depends on its own system alone."""
        kinds = [self._read(slot, system) for slot, system in enumerate(systems)]
        solutions: dict[int, Solution[None]] = {}
        for kind in dict.fromkeys(kind for kind in kinds if kind):
            slots = np.flatnonzero([other == kind for other in kinds])
            standing, iterations = self._solve(kind, slots, rtol, limit)
            for lane, slot in enumerate(slots.tolist()):
                result = RESULTS.get(int(standing[lane]), Result.MAX_ITERATIONS)
                value = self._x[slot].reshape(-1).copy()
                solutions[slot] = Solution(value, result, Stats(int(iterations[lane])), None)
        return [solutions.get(slot) or self._refused() for slot in range(len(systems))]

    def _refused(self) -> Solution[None]:
        return Solution(np.full(self.pattern.size, np.nan), Result.NOT_FINITE, Stats(), None)

    def _read(self, slot: int, system: System) -> Kind | None:
        """Take a system into a slot; None if it has entries that are not finite."""
        matrix, stencil, c = system.matrix, self._stencil, self._c[slot]
        faces = self._Tz[slot], self._Ty[slot], self._Tx[slot]
        indptr, singular = matrix.pattern.indptr, matrix.properties.singular
        largest = read(matrix.values, indptr, stencil.places, singular, *faces, c)
        means = self._inner * [float(part[..., ::4].mean()) if part.size else 0.0 for part in faces]
        part(c, stencil.periodic, *faces)
        self._b[slot] = system.rhs.reshape(stencil.shape)
        load = max(float(system.rhs.max()), -float(system.rhs.min()))
        if not (0.0 < largest < np.inf and load < np.inf and (means >= 0.0).all()):
            return None
        self._scales[slot] = 2.0 ** -frexp(largest)[1]
        self._weights[slot] = 2.0 ** -frexp(load)[1]
        return Kind(plan(stencil.shape, stencil.periodic, self._strengths(means)), bool(c.any()))

    def _strengths(self, means: Array) -> tuple[int, int, int]:
        """log2 of the coupling along each axis, to the nearest integer and relative to the strongest: means over every
        fourth cell."""
        levels = [round(log2(value / means.max())) if value > 0.0 else NONE for value in means]
        return levels[0], levels[1], levels[2]

    def _solve(
        self, kind: Kind, slots: NDArray[np.intp], rtol: float, limit: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Solve the systems of one kind; the unknowns come to their slots."""
        lanes = len(slots)
        layout = self._prepared(kind, lanes)
        levels, fine, w, v = layout.levels, layout.fine, self._w, self._v
        scales, weights = self._scales[slots], self._weights[slots]
        faces = self._Tz, self._Ty, self._Tx
        load(w, v, levels[0], fine, kind.reaction, *faces, self._c, self._b, slots, scales, weights, lanes)
        set_up(w, levels, lanes)
        standing, iterations = np.zeros(lanes, dtype=np.int64), np.zeros(lanes, dtype=np.int64)
        target, sweeps = MARGIN * rtol, kind.plan.sweeps
        solve(w, v, levels, fine, sweeps, kind.reaction, lanes, target, limit, standing, iterations)
        unload(v, levels[0], fine, self._x, slots, scales / weights, lanes)
        return standing, iterations

    def _prepared(self, kind: Kind, lanes: int) -> Layout:
        """The layout, with buffers whose margins are zero."""
        layout = self._layouts.get((kind, lanes))
        if layout is None:
            layout = self._layouts[kind, lanes] = lay_out(kind.plan, lanes, kind.reaction)
        if layout is not self._current:
            if len(self._w) < layout.singles or len(self._v) < layout.doubles:
                self._w = _aligned(max(layout.singles, len(self._w)), np.float32)
                self._v = _aligned(max(layout.doubles, len(self._v)), np.float64)
            self._w[: layout.singles] = 0.0
            self._v[: layout.doubles] = 0.0
            self._current = layout
        return layout


def _aligned[D: np.floating](length: int, dtype: type[D]) -> NDArray[D]:
    """Zeros that begin at a line of the cache."""
    size = np.dtype(dtype).itemsize
    memory = np.zeros(length * size + 64, dtype=np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : begin + length * size].view(dtype)
