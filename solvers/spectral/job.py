"""The job of an equation in time on a periodic box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.solution import Result
from pdemill.solvers.spectral import written
from pdemill.solvers.spectral.balance import Balance
from pdemill.solvers.spectral.exponential import Exponential
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.lanes import LANES
from pdemill.solvers.spectral.layers import Layers
from pdemill.solvers.spectral.march import SpectralMarch
from pdemill.solvers.spectral.means import known_means, mean_defect
from pdemill.solvers.spectral.outputs import output
from pdemill.solvers.spectral.place import PeriodicPlace
from pdemill.solvers.spectral.pointwise import pointwise_of
from pdemill.solvers.spectral.pointwise_march import PointwiseMarch
from pdemill.solvers.spectral.reference import OtherMarch, has_laws
from pdemill.solvers.spectral.symbols import (
    Products,
    Symbols,
    of_unknowns,
    products_of,
    projected,
    symbols_of,
)
from pdemill.solvers.symbolic.equations import EquationsFunction
from pdemill.solvers.symbolic.prefix import Prefix
from pdemill.solvers.trajectories.differences import apart
from pdemill.solvers.trajectories.job import Reference, Start, TrajectoryJob
from pdemill.solvers.trajectories.marching import March, Piece, advance
from pdemill.spec.field import Function
from pdemill.spec.job import Spec
from pdemill.spec.method import Method
from pdemill.spec.terms import Terms
from pdemill.store.layout import ArrayLayout

INVARIANT = "invariant_defect"
BALANCED = 1e-10
"""Largest mean of a field that must have none, relative to its largest value."""
LOST, LOST_BY_STIFF_LAWS = 0.5, 1.0
"""What of the order in time stiff terms cost: Kuramoto-Sivashinsky has 3.4 to 3.6 of 4; laws beside hyperdiffusion have
less."""
BATCH_BYTES = 2**21
"""Samples are marched together as long as one array of their fields is no larger."""
MOST_TAIL = 0.01
"""Largest share of the modes in the last third of those resolved, in the 2-norm of a certified solution."""
GAP = 1e-2
"""Relative difference of the stored spectral tail to that of the stored, rounded states."""
TIMES, ROUNDING = 2.0, 1e-9
"""Times ``time_rtol`` that errors in time at both ends of an interval may add to a defect, and what rounding may."""
BALANCE_GAP, SHAKEN = 0.1, 10.0
"""Relative difference of stored defects to those of the stored, rounded states, and times its rounding."""


class SpectralJob(TrajectoryJob):
    """States are the coefficients of the modes that the grid of the simulation keeps, those of one component of the
    unknowns after the other."""

    problem: PeriodicPlace
    state_type = np.complex128
    own_columns = tuple(
        ArrayLayout(name, "float32") for name in ("spectral_tail", "invariant_defect", "budget_defect", "budget_limit")
    )
    first_columns = ("spectral_tail",)

    def __init__(self, spec: Spec, chosen: Method | None = None) -> None:
        super().__init__(spec, chosen)
        self.stored = PeriodicGrid(self.problem.resolution, self.problem.lengths)
        simulated = self.method.simulate_resolution or self.problem.resolution
        finer = simulated != self.problem.resolution
        self.grid = PeriodicGrid(simulated, self.problem.lengths) if finer else self.stored
        self.points, self.nodes, self.axes = self.stored.points, self.stored.nodes, self.stored.axes
        unknowns = self.problem.solved_for
        self.components = tuple(name for one in unknowns for name in one.channels(self.problem.dimension))
        first = self._first.terms
        flow = self.problem.initial_names[: self.problem.dimension]
        if first.velocity_advection is not None and set(self.channels) & set(flow):
            self.channels = tuple(dict.fromkeys((*flow, *self.channels)))  # projected together
        self.pointwise = (
            written.is_pointwise(first.equations) or pointwise_of(first, self.grid, self.components) is not None
        )
        if isinstance(first.equations, EquationsFunction):
            self.own_columns = self.own_columns[: 2 if known_means(first.equations.split) else 1]
        elif has_laws(first):  # which keep no mean and no norm
            self.own_columns = tuple(column for column in self.own_columns if column.name != INVARIANT)
        self._shared: dict[PeriodicGrid, Symbols] = {}
        self._products: dict[PeriodicGrid, Products | None] = {}
        self._products_on(self.grid, self._first.terms)
        self._balance: Balance | None = None
        derived = set(self.problem.channels) - set(self.components)
        self._layers = Layers.of(first.layered) if first.layered and derived else None
        self._prefix: Prefix | None = None
        if self.spec.store.prefix and isinstance(first.equations, EquationsFunction):
            self._prefix = Prefix(self.components, first.equations, self.problem.dimension)
            told = (("words", list(self._prefix.words)),)
            self.drawn_columns = (ArrayLayout("prefix", "int16", (self._prefix.length,), ("word",), -1, told),)

    @property
    def scheme(self) -> Exponential:
        """The scheme of the method."""
        found: Exponential = self.method.scheme()
        return found

    @property
    def order(self) -> int:
        return self.scheme.order

    @property
    def lost(self) -> float:
        stiff = self.pointwise and any(term == "hyperdiffusion" for term, _, _ in self.problem.asked())
        return LOST_BY_STIFF_LAWS if stiff else LOST

    @property
    def evaluations(self) -> int:
        return self.scheme.evaluations

    @property
    def longest(self) -> float:
        return min(self.problem.lengths) / 2.0

    @property
    def together(self) -> int:
        each = LANES if self.grid.dimension == 1 else 1
        size = 8 * int(np.prod(self.grid.shape)) * len(self.components)
        return max(each, min(32, BATCH_BYTES // (8 * size)) // each * each)

    def symbols(self, instance: Instance, grid: PeriodicGrid | None = None) -> Symbols:
        """The equation of a sample on a grid; one object for all samples where nothing in it is drawn. Raises
        InvalidSample."""
        grid = grid or self.grid
        if self._alike and grid in self._shared:
            return self._shared[grid]
        terms = instance.terms
        sources = [(one.source, "source") for one in of_unknowns(terms)]
        forcing = self._all_coefficients(sources, terms, grid)
        if isinstance(terms.equations, EquationsFunction):
            made = written.symbols_of(terms, terms.equations, grid, forcing)
        else:
            made = symbols_of(terms, grid, self._products_on(grid, terms), forcing, self.components)
        if self._alike:
            self._shared[grid] = made
        return made

    def start_of(self, instance: Instance, number: int) -> Start:
        """The state: the coefficients of the drawn functions that the grid of the simulation keeps, from their values
        at twice the points along every axis."""
        names = self.problem.initial_names
        names = names * len(self.components) if len(names) == 1 else names
        each = zip(of_unknowns(instance.terms), names, strict=True)
        initial = [(one.initial, name) for one, name in each if one.initial is not None]
        return Start(number, self.symbols(instance), self._all_coefficients(initial, instance.terms, self.grid))

    def _all_coefficients(self, functions: Sequence[tuple[Function, str]], terms: Terms, grid: PeriodicGrid) -> Spectra:
        """Those of one function for each component, with its name, one after the other; without the divergence where
        they make a velocity that has none."""
        found = [self._coefficients(function, name, grid) for function, name in functions]
        return np.concatenate(found) if terms.velocity_advection is None else projected(np.stack(found), grid).ravel()

    def _coefficients(self, function: Function, name: str, grid: PeriodicGrid) -> Spectra:
        """Those of a function of space that a grid keeps; ``name``: its field in the spec."""
        values = function(grid.refined.points)
        found = grid.projected(values)
        if name in self.problem.balanced:
            known = all(drawn.fixed_mean() == 0.0 for drawn in self.problem.values(name))
            if not known and abs(found[0]) > BALANCED * float(np.abs(values).max()):
                raise InvalidSample(f"{name} must have mean 0, and has {found[0].real:.3g}")
            found[0] = 0.0
        return found

    def drawn_in(self, instance: Instance, state: Spectra) -> dict[str, NDArray[Any]]:
        found = super().drawn_in(instance, state)
        equations = instance.terms.equations
        if self._prefix is not None and isinstance(equations, EquationsFunction):
            found["prefix"] = self._prefix.row(equations)
        return found

    def march(self, equations: Sequence[Symbols], grid: PeriodicGrid | None = None) -> March:
        grid = grid or self.grid
        if self.pointwise:
            return PointwiseMarch(grid, self.scheme, equations)
        found = self._products_on(grid, self._first.terms)
        return SpectralMarch(grid, self.scheme, found, equations)

    def _products_on(self, grid: PeriodicGrid, terms: Terms) -> Products | None:
        if grid not in self._products:
            if isinstance(terms.equations, EquationsFunction):
                self._products[grid] = None if self.pointwise else written.products(terms.equations, grid)
            else:
                self._products[grid] = products_of(terms, grid)
        return self._products[grid]

    @cached_property
    def _kept_modes(self) -> NDArray[np.intp] | None:
        return None if self.grid is self.stored else self.stored.places_in(self.grid)

    def _known(self, states: Spectra, grid: PeriodicGrid | None = None) -> dict[str, Spectra]:
        """The components of states [states, numbers] by name, [states, modes] each, on whatever grid; of layers, their
        stream functions too, where these are the same function of them in all samples."""
        known = dict(zip(self.components, np.split(states, len(self.components), axis=1), strict=True))
        if self._layers is None:
            return known
        return known | self._layers.stream_functions(known.values(), (grid or self.grid).squared)

    def fields(self, states: Spectra) -> Array:
        known = self._known(states)
        parts = []
        for name in self.problem.channels:
            parts.append(self.stored.fields(self._reduced(output(name, self.grid, known))))
        return np.stack(parts, axis=1)

    def _reduced(self, spectra: Spectra) -> Spectra:
        """The stored modes among those of the simulation, [samples, modes]."""
        return spectra if self._kept_modes is None else spectra[:, self._kept_modes]

    def initial_fields(self, state: Spectra) -> Mapping[str, Array]:
        parts = self._known(state[None]).values()
        names = self.problem.initial_names  # one may be for all
        return {name: self.stored.fields(self._reduced(part))[0] for name, part in zip(names, parts, strict=False)}

    @property
    def whole(self) -> list[int] | None:
        channels = self.problem.channels
        stored = self.grid is self.stored and set(self.components) <= set(channels)
        return [channels.index(name) for name in self.components] if stored else None

    def state_of(self, fields: Array) -> Spectra:
        state: Spectra = self.grid.spectra(fields)
        return (state if self._first.terms.velocity_advection is None else projected(state, self.grid)).reshape(-1)

    def shaken(self, state: Spectra, size: float) -> Spectra:
        return self.grid.shaken(state, size)

    def reference(self, instance: Instance) -> Reference:
        other = OtherMarch(instance.terms, self.grid, self.components)

        def march(fields: Array, pieces: Sequence[Piece]) -> tuple[Array, float]:
            ((_, interval, steps),) = pieces
            coarse, fine = (other.march(fields, interval, n) for n in (steps, 2 * steps))
            return fine, apart(coarse, fine)

        return march

    def refined_fields(self, start: Start, split: str, run: int) -> Array:
        grid = self.grid.refined
        symbols = self.symbols(self.instance(split, start.number), grid)
        state = np.zeros((len(self.components), grid.modes), np.complex128)
        state[:, self.grid.places_in_refined] = start.state.reshape(len(state), -1)
        march, u = self.march([symbols], grid), state.reshape(1, -1)
        frames = [u[0].copy()] if self.times[0] == 0.0 else []
        with np.errstate(over="ignore", invalid="ignore"):
            for pieces in self.pieces(run):
                advance(march, u, pieces)
                frames.append(u[0].copy())
            known = self._known(np.stack(frames), grid)
            parts = [self._at_stored(output(name, grid, known)) for name in self.problem.channels]
        return np.stack(parts)

    def _at_stored(self, spectra: Spectra) -> Array:
        """The values [T, *shape] of coefficients [T, modes] of the refined grid at the stored points: of all modes
        where the job's grid is the stored one, else of the stored modes, to which labels are reduced."""
        if self.grid is self.stored:
            return self.grid.refined.fields(spectra)[(slice(None), *(slice(None, None, 2),) * self.grid.dimension)]
        return self.stored.fields(spectra[:, self.stored.places_in(self.grid.refined)])

    def own(self, frames: Spectra, left: Array, fields: Array, errors: Array) -> dict[str, float]:
        """The largest spectral tail of all components after t = 0, up to the time required or as long as the trajectory
        is right; the initial state is as it is given."""
        times = np.array(self.times)
        counted = (times > 0.0) & (times <= max(self.required, self.valid_until(errors)))
        return {"spectral_tail": self._tail(frames[counted])}

    def _tail(self, states: Spectra) -> float:
        return float(self.grid.tail(states.reshape(len(states), len(self.components), -1)).max(initial=0.0))

    def fault(self, own: Mapping[str, float]) -> tuple[Result, str] | None:
        tail = own["spectral_tail"]
        if tail > MOST_TAIL:
            return Result.TOO_COARSE, f"{tail:.1%}"
        if unbalanced := self._unbalanced(own):
            return Result.UNBALANCED, unbalanced
        return None

    def _unbalanced(self, columns: Mapping[str, Any]) -> str:
        """What is wrong with the columns of invariants and budgets, where there are any."""
        invariant, budget, limit = (float(columns.get(n, 0.0)) for n in (INVARIANT, "budget_defect", "budget_limit"))
        if not np.float32(invariant) <= np.float32(self._explained):
            return f"invariant_defect {invariant:.1e}, where {self._explained:.1e} is allowed"
        return "" if budget <= limit else f"budget_defect {budget:.1e}, where {limit:.1e} is allowed"

    @property
    def _explained(self) -> float:
        """Of a defect, what errors in time and rounding explain."""
        return TIMES * self.method.time_rtol + ROUNDING

    def balances(self, starts: Sequence[Start], frames: Sequence[Spectra], run: int) -> list[dict[str, float]]:
        """``invariant_defect`` over all stored times; of the first two steps of the first and of the last interval, the
        ``budget_defect`` that is largest in units of what it may be, and that, ``budget_limit``."""
        own = {column.name for column in self.own_columns}
        if not starts or not own & {INVARIANT, "budget_limit"}:
            return [{} for _ in starts]
        later = 1 if self.times[0] == 0.0 else 0
        begins = [np.concatenate([one.state[None], states[later:]]) for one, states in zip(starts, frames, strict=True)]
        times = np.array([0.0, *self.times[later:]])
        if "budget_limit" not in own:
            terms = [one.equation.terms for one in starts]
            return [{INVARIANT: mean_defect(t, self.grid, times, u)} for t, u in zip(terms, begins, strict=True)]
        balances = [self._balance_of(one) for one in starts]
        found: list[dict[str, float]] = [{} for _ in starts]
        if any(column.name == INVARIANT for column in self.own_columns):
            found = [{INVARIANT: one.invariants(times, u)} for one, u in zip(balances, begins, strict=True)]
        march, steps = self.march([one.equation for one in starts]), self.steps(run)
        for interval in sorted({0, len(steps) - 1}):
            step = self.lengths[interval] / steps[interval]
            states = [np.stack([u[interval] for u in begins])]
            for _ in range(2):
                states.append(states[-1].copy())
                march.advance(states[-1], step, 1)
            for number, (balance, columns) in enumerate(zip(balances, found, strict=True)):
                for off, unknown in balance.budget(np.stack([u[number] for u in states]), step):
                    limit = unknown + self._explained
                    if (
                        "budget_limit" not in columns
                        or off * columns["budget_limit"] > columns["budget_defect"] * limit
                    ):
                        columns.update(budget_defect=off, budget_limit=limit)
        return found

    def _rounded(self, stored: Mapping[str, Any], states: Spectra) -> float:
        """What rounding to the stored type is of what varies in states."""
        return float(np.finfo(stored["solution"].dtype).eps * np.sqrt(1.0 + self.grid.level(states)))

    def _balance_of(self, start: Start) -> Balance:
        """That of a sample; one object for all samples where nothing in the equation is drawn."""
        if self._balance is not None:
            return self._balance
        made = Balance(start.equation.terms, self.grid, self.components)
        if self._alike:
            self._balance = made
        return made

    def check_balances(
        self, start: Start, stored: Mapping[str, Any], solution: Array, run: int, comparable: bool
    ) -> list[str]:
        if self.whole is None:
            return []
        frames = self._states_of(solution[self.whole])
        (found,) = self.balances([start], [frames], run)
        if not found:
            return []
        allowed = SHAKEN * self._rounded(stored, frames)
        if told := self._unbalanced(found | {INVARIANT: found.get(INVARIANT, 0.0) - allowed}):
            return [f"its states are out of balance: {told}"]
        return [
            f"its {name} {float(stored[name]):.2g} is not that of its states, {value:.2g}"
            for name, value in found.items()
            if comparable and abs(value - float(stored[name])) > BALANCE_GAP * value + allowed
        ]

    def _states_of(self, fields: Array) -> Spectra:
        """The states [T, numbers] with these channels, those of ``whole`` [C, T, *shape]."""
        return np.concatenate([self.grid.spectra(part) for part in fields], axis=1)

    def check_own(self, stored: Mapping[str, Any], solution: Array, valid: NDArray[np.bool_]) -> list[str]:
        if unbalanced := self._unbalanced(stored):
            return [f"its {unbalanced}"]
        stated = float(stored["spectral_tail"])
        if not stated <= MOST_TAIL:
            return [f"its spectral_tail {stated:.2g} is above {MOST_TAIL:g}"]
        later = np.flatnonzero(valid & (np.array(self.times) > 0.0))
        if self.whole is None or not later.size:
            return []
        states = self._states_of(solution[self.whole][:, later])
        tail, rounding = self._tail(states), 1e2 * self._rounded(stored, states)
        if abs(tail - stated) > GAP * tail + rounding:
            return [f"its spectral_tail {stated:.2g} is not that of its states, {tail:.2g}"]
        return []
