"""The job of an equation in time that is implicit in what depends on u."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.faces import residual_by_faces
from pdemill.solvers.operators.nonlinear_box import NonlinearBoxEquation, NonlinearBoxGrid
from pdemill.solvers.operators.storing_box import StoringBoxEquation
from pdemill.solvers.schemes.steps import Servant
from pdemill.solvers.solution import Result
from pdemill.solvers.stepping.implicit import ImplicitMarch
from pdemill.solvers.stepping.implicit_place import ImplicitPlace
from pdemill.solvers.stepping.independent import Independent
from pdemill.solvers.stepping.job import SHARE, SteppingJob
from pdemill.solvers.trajectories.job import Start
from pdemill.solvers.trajectories.marching import States
from pdemill.spec.job import Spec
from pdemill.spec.method import Method
from pdemill.store.layout import ArrayLayout

LEAST = "least_coefficient"
NEGATIVE = 1e-3
"""How far below 0, in units of its largest value, k(u) may be: at fronts u is a little below 0, and k counts as 0."""
IMPLICIT = 3.55
"""Order that is left of schemes of order 4 whose stages are of order 2 where what is implicit is not linear."""
BISECTIONS = 56
"""As many as a float64 has digits, and a few more."""


class ByFaces(Independent):
    """Another way to march: fluxes face by face, and SciPy's BDF; of u + s(u) where it is stored, u by bisection."""

    def march(self, fields: Array, interval: float, begin: float) -> Array:
        if self.instance.terms.storage is None:
            return super().march(fields, interval, begin)
        return self._values(super().march(self._content(fields), interval, begin))

    def slopes(self, t: float, u: Array) -> Array:
        values = u if self.instance.terms.storage is None else self._values(u)
        return residual_by_faces(self.grid, self.instance, values.reshape(-1)).reshape(u.shape)

    def _content(self, u: Array) -> Array:
        law = self.instance.terms.storage
        assert isinstance(law, LawFunction)
        values, nothing = (law.at(self.grid.points, {"u": part[0]}) for part in (u, np.zeros_like(u)))
        return np.asarray(u + values - nothing)

    def _values(self, content: Array) -> Array:
        low, high = np.minimum(content, 0.0), np.maximum(content, 0.0)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            below = self._content(middle) < content
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(0.5 * (low + high))


class ImplicitJob(SteppingJob):
    """States are the values of u in the cells. ``least_coefficient``: the least k(u) of the stored states, in units of
    the largest one at that time."""

    problem: ImplicitPlace
    another_way = ByFaces
    own_columns = (ArrayLayout("algebraic_error", "float32"), ArrayLayout(LEAST, "float32"))

    @property
    def lost(self) -> float:
        return max(super().lost, self.order - IMPLICIT)

    def __init__(self, spec: Spec, chosen: Method | None = None) -> None:
        super().__init__(spec, chosen)
        place = self.problem
        grid = NonlinearBoxGrid(place.resolution, place.lengths, place.joined, place.properties, place.preconditioned)
        self.grids, self.grid = (grid,), grid
        self.points, self.nodes = grid.points, grid.centres

    def equation(self, instance: Instance) -> Any:
        if self._alike and self._shared is not None:
            return self._shared
        assert isinstance(self.grid, NonlinearBoxGrid)
        kind = NonlinearBoxEquation if instance.terms.storage is None else StoringBoxEquation
        made: Any = kind(self.grid, instance)
        if self._alike:
            self._shared = made
        return made

    def start_of(self, instance: Instance, number: int) -> Start:
        return Start(number, self.equation(instance), self._initial(instance))

    def march(self, equations: Sequence[Any]) -> Any:
        whole = self.times[-1] + self.problem.time.warmup
        servant = Servant(self.linear_method.solver(), self.linear_method, self.spec.seed)
        return ImplicitMarch(equations, self.tableau, servant, SHARE * self.spec.certify.algebraic_rtol / whole)

    @property
    def together(self) -> int:
        """One where factors solve: they are kept for one matrix, and the next sample has another."""
        return 1 if self.linear_method is self.exact_method else super().together

    def balances(self, starts: Sequence[Start], frames: Sequence[States], run: int) -> list[dict[str, float]]:
        found = super().balances(starts, frames, run)
        return [known | {LEAST: _least(s.equation, f)} for known, s, f in zip(found, starts, frames, strict=True)]

    def check_balances(
        self, start: Start, stored: Mapping[str, Any], solution: Array, run: int, comparable: bool
    ) -> list[str]:
        faults, stated = super().check_balances(start, stored, solution, run, comparable), float(stored[LEAST])
        if not stated >= -NEGATIVE:
            return [*faults, f"its {LEAST} {stated:.1e} is below {-NEGATIVE:g}"]
        found = _least(start.equation, solution.reshape(len(self.times), -1))
        off = abs(found - stated) > NEGATIVE * NEGATIVE + 1e-6 * abs(found)
        return [*faults, f"its {LEAST} {stated:.3g} is not the recomputed {found:.3g}"] if off else faults

    def fault(self, own: Mapping[str, float]) -> tuple[Result, str] | None:
        least = own.get(LEAST, 0.0)
        if not least >= -NEGATIVE:
            return Result.NOT_ELLIPTIC, f"{least:.1e} of its largest value"
        return super().fault(own)


def _least(equation: NonlinearBoxEquation, frames: States) -> float:
    """The least of min k(u) / max k(u) over states [T, n]; 0 where k(u) is 0 everywhere."""
    found = 0.0 if not len(frames) else np.inf
    for state in frames:
        low, high = equation.range_of_k(state)
        found = min(found, low / high if high > 0.0 else 0.0 if low == high == 0.0 else -np.inf)
    return float(found)
