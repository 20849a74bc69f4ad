"""Waves on box grids: u' = v, v' = f - d v + c^2 div(k grad u), with sides that absorb them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from scipy.sparse import csr_array, diags_array

from pdemill.points import Array
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.solution import Result
from pdemill.solvers.stepping.independent_waves import IndependentWaves
from pdemill.solvers.stepping.job import TOGETHER, SteppingJob, load_of
from pdemill.solvers.tableaus import ExplicitTableau
from pdemill.solvers.trajectories.job import Start
from pdemill.solvers.trajectories.marching import States
from pdemill.spec.boundary import Absorbing
from pdemill.spec.domain import BOX_SIDES
from pdemill.store.layout import ArrayLayout


class WaveGrid(BoxGrid):
    """A box grid with absorbing sides. What leaves through one is -(sqrt(k) / c) v at the side, where v is extrapolated
    from the two cells next to it: of second order, and a wave of 2 pi / theta cells is reflected by 3 theta^2 / 16."""

    def face_value(self, instance: Instance, side: str, k: Array, h: float) -> tuple[Array | float, Array | float]:
        if isinstance(instance.condition(side)[0], Absorbing):
            return 1.0, 0.0  # no flux but what ``absorption`` says
        return super().face_value(instance, side, k, h)

    def absorption(self, instance: Instance) -> csr_array:
        """B in v' = ... - c B v, with sqrt(k) v / h of all absorbing sides."""
        cells = prod(self.shape)
        number = np.arange(cells).reshape(self.shape)
        total = csr_array((cells, cells))
        for axis in range(self.dimension):
            for high, side in enumerate(BOX_SIDES[axis]):
                if not isinstance(instance.condition(side)[0], Absorbing):
                    continue
                terms = instance.terms
                k = self._spread(terms.diffusion[axis if len(terms.diffusion) > 1 else 0](self.points))
                at, beside = (np.take(number, -n if high else n - 1, axis).ravel() for n in (1, 2))
                rate = np.sqrt(k.reshape(-1)[at]) / self.spacing[axis]
                rows, columns = np.concatenate([at, at]), np.concatenate([at, beside])
                entries = np.concatenate([1.5 * rate, -0.5 * rate])
                total = total + csr_array((entries, (rows, columns)), shape=(cells, cells))
        return total

    def refined(self) -> WaveGrid:
        finer = tuple(2 * cells for cells in self.shape)
        return WaveGrid(finer, self.lengths, self.periodic, self.properties)


@dataclass(frozen=True, eq=False)
class WaveEquation:
    """u' = v, v' = b - A u - D v of one sample; ``load`` is b at a time, where that depends on it."""

    stiffness: csr_array
    damping: csr_array
    rhs: Array
    load: Callable[[float], Array] | None
    fastest: float
    """A bound of the frequencies and rates, by rows."""

    def slope(self, t: float, y: Array) -> Array:
        """y' of y = (u, v) [2, n]."""
        u, v = y
        b = self.rhs if self.load is None else self.load(t)
        made = np.empty_like(y)
        made[0] = v
        np.subtract(b, self.stiffness @ u, out=made[1])
        if self.damping.nnz:
            made[1] -= self.damping @ v
        return made


class WaveMarch:
    """An explicit scheme at work on equations, one row each."""

    left: Array | None = None

    def __init__(self, equations: Sequence[WaveEquation], tableau: ExplicitTableau) -> None:
        self.equations, self.tableau = equations, tableau

    def advance(self, u: Array, interval: float, steps: int, begin: float = 0.0) -> None:
        """Advance the states (u, v) [rows, 2 n] in place by so many equal steps from the time ``begin``."""
        step = interval / steps
        for one, row in zip(self.equations, u, strict=True):
            y = row.reshape(2, -1)
            for number in range(steps):
                self._advance(one, y, begin + number * step, step)

    def _advance(self, one: WaveEquation, y: Array, t: float, step: float) -> None:
        tableau = self.tableau
        slopes: list[Array] = []
        for node, row in zip(tableau.nodes, tableau.matrix, strict=True):
            slopes.append(one.slope(t + node * step, _combined(y, step, row, slopes)))
        y[...] = _combined(y, step, tableau.weights, slopes)


def _combined(y: Array, step: float, weights: Array, slopes: list[Array]) -> Array:
    total = y.copy()
    for weight, slope in zip(weights, slopes, strict=False):
        if weight:
            total += (step * weight) * slope
    return total


class WaveJob(SteppingJob):
    """States are u and v in the cells, one after the other."""

    own_columns: tuple[ArrayLayout, ...] = ()
    first_columns: tuple[str, ...] = ()
    grid_kind = WaveGrid
    another_way = IndependentWaves

    @property
    def grid_count(self) -> int:
        return 1

    @property
    def scheme(self) -> ExplicitTableau:
        """That of the method."""
        found: ExplicitTableau = self.method.scheme()
        return found

    @property
    def order(self) -> int:
        return self.scheme.order

    @property
    def evaluations(self) -> int:
        return len(self.scheme.weights)

    @property
    def together(self) -> int:
        return TOGETHER

    @property
    def longest(self) -> float:
        """The longest stable step of the first sample."""
        return min(max(self.lengths), self.scheme.reach / self.equation(self._first).fastest)

    @property
    def longest_tried(self) -> float:
        return min(max(self.lengths), 2.0 * self.longest)

    def start_of(self, instance: Instance, number: int) -> Start:
        equation = self.equation(instance)
        return Start(number, equation, self._initial(instance), self.scheme.reach / equation.fastest)

    def equation(self, instance: Instance) -> WaveEquation:  # type: ignore[override]
        grid, terms = self.grid, instance.terms
        assert isinstance(grid, WaveGrid)
        assert terms.speed is not None
        assert terms.damping is not None
        system = grid.assemble(instance)
        speed, source = self._cells(terms.speed(grid.points)), self._cells(terms.source(grid.points))
        damping = diags_array(self._cells(terms.damping(grid.points))).tocsr()
        damping.eliminate_zeros()
        damping = damping + csr_array(grid.absorption(instance).multiply(speed[:, None]))
        stiffness = csr_array(system.matrix.sparse().multiply(np.square(speed)[:, None]))
        fastest = float(np.sqrt(abs(stiffness).sum(axis=1).max()) + abs(damping).sum(axis=1).max())
        known = load_of(instance, self.grids)

        def scaled(load: Array, source: Array) -> Array:
            return np.asarray(np.square(speed) * (load - source) + source)

        def moving(t: float) -> Array:
            assert known is not None
            return scaled(known(t)[0], self._cells(terms.source.at_time(t)(grid.points)))

        return WaveEquation(stiffness, damping, scaled(system.rhs, source), moving if known else None, fastest)

    def _cells(self, values: Array | float) -> Array:
        return np.broadcast_to(values, self.grid.shape).reshape(-1)

    def _initial(self, instance: Instance) -> Array:
        terms, points = instance.terms, self.grid.points
        assert terms.initial is not None
        assert terms.rate is not None
        return np.concatenate([self._cells(terms.initial(points)), self._cells(terms.rate(points))], dtype=np.float64)

    def march(self, equations: Sequence[WaveEquation]) -> WaveMarch:  # type: ignore[override]
        return WaveMarch(equations, self.scheme)

    def shaken(self, state: States, size: float) -> States:
        return np.concatenate([super(WaveJob, self).shaken(part, size) for part in np.split(state, 2)])

    def own(self, frames: States, left: Array, fields: Array, errors: Array) -> dict[str, float]:
        return {}

    def fault(self, own: Mapping[str, float]) -> tuple[Result, str] | None:
        return None

    def check_own(self, stored: Mapping[str, object], solution: Array, valid: object) -> list[str]:
        return []
