"""The job of an equation in time on a box grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.methods.fft import Fft
from pdemill.solvers.methods.multigrid import Multigrid
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Result
from pdemill.solvers.stepping.advection import Advection
from pdemill.solvers.stepping.independent import Independent
from pdemill.solvers.stepping.iterated import Iterated
from pdemill.solvers.stepping.march import BoxEquation, BoxMarch
from pdemill.solvers.stepping.moving import MovingMarch, moving_of
from pdemill.solvers.stepping.place import BoxInTimePlace
from pdemill.solvers.tableaus import Tableau
from pdemill.solvers.trajectories.differences import apart, largest, norms, variations
from pdemill.solvers.trajectories.job import Reference, Start, TrajectoryJob
from pdemill.solvers.trajectories.marching import Piece, States, advance
from pdemill.spec.field import Function
from pdemill.spec.implicit_method import ImplicitMethod
from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod, Method
from pdemill.store.layout import ArrayLayout

TOGETHER = 8
"""Samples that are marched side by side, where the solver of systems does not say otherwise."""
LOOSE = 1e-4
"""``rtol`` of the first solve of a multigrid that then corrects."""
LEAST_CELLS = 256
"""Cells from which on multigrid takes less time than kept factors."""
MOST_REFERENCED = 20_000
"""Unknowns up to which verify integrates in another way too."""
STRICTER = 0.1, 0.01
"""Parts of ``time_rtol`` that verify integrates to, step by step."""
LOST, LOST_AT_SIDES, LIMITED = 0.25, 0.5, 3.3
"""What of the order in time stiff terms cost, and values on sides that depend on t; what limited fluxes leave of it."""
SHARE = 0.5
"""Part of ``certify.algebraic_rtol`` that systems are solved to."""


class SteppingJob(TrajectoryJob):
    """States are the values of all unknowns in the cells, one unknown after the other."""

    problem: BoxInTimePlace
    own_columns: tuple[ArrayLayout, ...] = (ArrayLayout("algebraic_error", "float32"),)
    first_columns: tuple[str, ...] = ("algebraic_error",)
    refinement = 4.0 / 3.0  # second order in space
    grid_kind: type[BoxGrid] = BoxGrid
    another_way: type[Independent] = Independent

    def __init__(self, spec: Spec, chosen: Method | None = None) -> None:
        super().__init__(spec, chosen)
        place = self.problem
        grid = place.resolution, place.lengths, place.joined, place.properties
        self.grids = tuple(self.grid_kind(*grid) for _ in range(self.grid_count))  # each keeps its constant matrix
        self.grid = self.grids[0]
        self.points, self.axes = self.grid.points, self.grid.axes
        self.nodes = self.grid.centres
        self._shared: BoxEquation | None = None

    @property
    def grid_count(self) -> int:
        """One for each unknown."""
        return len(self.problem.solved_for)

    @property
    def lost(self) -> float:
        sides = self.problem.conditions.values()
        moving = any(value.in_time for side in sides if side.essential for _, value in side.data())
        stiff = LOST_AT_SIDES if moving else LOST
        return stiff if self.regular else max(stiff, self.order - LIMITED)

    @property
    def regular(self) -> bool:
        """Not with limited fluxes: errors come from moments at which a slope begins to be limited."""
        return not {"advection", "self_advection"} & {term for term, _, _ in self.problem.asked()}

    @property
    def held_against_finer(self) -> bool:
        """Where u is squared in limited fluxes: few moments make the error, and it varies twofold from run to run."""
        return "self_advection" in {term for term, _, _ in self.problem.asked()}

    @property
    def tableau(self) -> Tableau:
        """The scheme of the method."""
        found: Tableau = self.method.scheme()
        return found

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def evaluations(self) -> int:
        return self.tableau.stages - 1

    @property
    def longest(self) -> float:
        return max(self.lengths)

    @cached_property
    def linear_method(self) -> LinearMethod:
        """How the systems of the stages are solved."""
        asked = self.method.systems if isinstance(self.method, ImplicitMethod) else None
        if isinstance(asked, Multigrid):
            return asked.model_copy(update={"rtol": LOOSE})
        if isinstance(asked, LinearMethod):
            resolved = asked.resolve(self.problem)
            assert isinstance(resolved, LinearMethod)
            return resolved
        return linear_method(self.problem, self.grid.pattern.size)

    @cached_property
    def exact_method(self) -> LinearMethod:
        """What solves those that the former fails: the same where that is exact."""
        return self.linear_method if isinstance(self.linear_method, Direct | Fft) else Direct(method="direct")

    @property
    def iterates(self) -> bool:
        """Whether stages are solved by a method that has a state."""
        return not isinstance(self.linear_method, Direct | Fft | Multigrid)

    @property
    def together(self) -> int:
        if self.linear_method is self.exact_method:
            return TOGETHER
        most: int = self.linear_method.solver().batch(self.grid.pattern, constant=False)
        return max(1, most // len(self.grids))

    def equation(self, instance: Instance) -> BoxEquation:
        """That of a sample; one object for all samples where nothing in it is drawn. Raises InvalidSample."""
        if self._alike and self._shared is not None:
            return self._shared
        moving = moving_of(instance, self.grids, self.begins)
        now = instance.at_time(0.0)
        parts = tuple(grid.assemble(now.of_unknown(number)) for number, grid in enumerate(self.grids))
        made = replace(equation_of(instance, self.grids, parts), moving=moving)
        if self._alike:
            self._shared = made
        return made

    def start_of(self, instance: Instance, number: int) -> Start:
        equation, state = self.equation(instance), self._initial(instance)
        longest = equation.longest(state.reshape(len(self.grids), -1))  # the coarser run of a pair may have twice that
        return Start(number, equation, state, 2.0 * longest if self.held_against_finer else longest)

    def _initial(self, instance: Instance) -> Array:
        grid = self.grid
        parts = []
        for one in (instance.terms, *instance.terms.others):
            assert one.initial is not None
            parts.append(np.broadcast_to(one.initial(grid.points), grid.shape).reshape(-1))
        return np.concatenate(parts, dtype=np.float64)

    def march(self, equations: Sequence[BoxEquation]) -> BoxMarch:
        whole = self.times[-1] + self.problem.time.warmup
        tolerance = SHARE * self.spec.certify.algebraic_rtol / whole
        kind = BoxMarch if equations[0].moving is None else MovingMarch
        iterated = Iterated(self.linear_method, self.spec.seed) if self.iterates else None
        return kind(equations, self.tableau, self.linear_method, self.exact_method, tolerance, iterated)

    def fields(self, states: States) -> Array:
        return states.reshape(len(states), len(self.problem.channels), *self.grid.shape)

    def initial_fields(self, state: States) -> Mapping[str, Array]:
        return dict(zip(self.problem.initial_names, self.fields(state[None])[0], strict=False))  # one may be for all

    def spread(self, side: str, data: Function) -> Array:
        return self.grid.spread(side, data)

    @property
    def whole(self) -> list[int] | None:
        return list(range(len(self.problem.channels)))

    def state_of(self, fields: Array) -> States:
        return fields.reshape(-1)

    def shaken(self, state: States, size: float) -> States:
        waves = np.sin(np.arange(state.size) * 2.399963229728653)
        waves *= np.linalg.norm(state - state.mean()) / np.linalg.norm(waves)
        return np.asarray(state + size * waves)

    def reference(self, instance: Instance) -> Reference | None:
        if len(self.problem.channels) * self.grid.pattern.size > MOST_REFERENCED:
            return None
        coarse, fine = (self.another_way(instance, self.grid, part * self.method.time_rtol) for part in STRICTER)

        def march(fields: Array, pieces: Sequence[Piece]) -> tuple[Array, float]:
            begin, interval = pieces[0].begin, sum(piece.length for piece in pieces)
            made = fine.march(fields, interval, begin)
            return made, apart(coarse.march(fields, interval, begin), made)

        return march

    def refined_fields(self, start: Start, split: str, run: int) -> Array:
        finer, instance = self._refined(), self.instance(split, start.number)
        try:
            u = finer._initial(instance)[None].copy()
            march = finer.march([finer.equation(instance)])
        except InvalidSample:
            return np.full((len(self.problem.channels), len(self.times), *self.grid.shape), np.nan)
        frames = [finer.fields(u)[0].copy()] if self.times[0] == 0.0 else []
        with np.errstate(over="ignore", invalid="ignore"):
            for pieces in self.pieces(run):
                advance(march, u, pieces)
                frames.append(finer.fields(u)[0].copy())
        return np.stack([self.grid.restrict_fields(frame) for frame in frames], axis=1)

    @cached_property
    def _finer(self) -> tuple[BoxGrid, ...]:
        return tuple(grid.refined() for grid in self.grids)

    def _refined(self) -> SteppingJob:
        """The same job on cells of half the size."""
        other = copy(self)
        other.grids, other.grid, other._shared = self._finer, self._finer[0], None
        for name in ("linear_method", "exact_method", "_finer"):
            other.__dict__.pop(name, None)
        return other

    def own(self, frames: States, left: Array, fields: Array, errors: Array) -> dict[str, float]:
        """``algebraic_error``: the defects of all systems until a time, as far as they can have grown where nothing
        grows, relative to what varies then; the largest up to ``valid_until``."""
        valid = np.array(self.times) <= max(self.required, self.valid_until(errors))
        most = largest(variations(fields))
        size = np.where(most > 0.0, most, norms(fields))[:, valid].T
        relative = np.divide(left[valid], size, out=np.zeros_like(size), where=left[valid] > 0.0)
        return {"algebraic_error": float(relative.max())}

    def fault(self, own: Mapping[str, float]) -> tuple[Result, str] | None:
        error = own["algebraic_error"]
        return None if error <= self.spec.certify.algebraic_rtol else (Result.MISSED_ERROR, f"{error:.1e}")

    def check_own(self, stored: Mapping[str, Any], solution: Array, valid: NDArray[np.bool_]) -> list[str]:
        error, limit = float(stored["algebraic_error"]), self.spec.certify.algebraic_rtol
        return [] if error <= limit else [f"its algebraic_error {error:.1e} is above certify.algebraic_rtol {limit:g}"]


def linear_method(problem: BoxInTimePlace, unknowns: int) -> LinearMethod:
    """The method for the systems of stages, whose matrices stay the same for all steps: transforms where coefficients
    are constant, multigrid where it can and there is something to gain, else kept factors."""
    fast = Fft(method="fft")
    if fast.objection(problem) is None:
        return fast
    loose = Multigrid(method="multigrid", rtol=LOOSE)
    alone = "diffusion" in problem.zero_terms  # no cell is coupled with another
    small = alone or unknowns < LEAST_CELLS or loose.objection(problem) is not None
    return Direct(method="direct") if small else loose


def load_of(instance: Instance, grids: tuple[BoxGrid, ...]) -> Callable[[float], Array] | None:
    """What the equation of a sample is driven by, where that depends on time; NaN where it has no values."""
    if not instance.in_time:
        return None

    def load(t: float) -> Array:
        now = instance.at_time(t)
        try:
            return np.stack([grid.load(now.of_unknown(number)) for number, grid in enumerate(grids)])
        except InvalidSample:
            return np.full((len(grids), grids[0].pattern.size), np.nan)

    return load


def equation_of(instance: Instance, grids: tuple[BoxGrid, ...], systems: tuple[System, ...]) -> BoxEquation:
    """That of a sample, of whose linear part these are the systems."""
    grid = grids[0]
    law = instance.terms.law
    carried = {
        number: Advection(instance.of_unknown(number), grid)
        for number, terms in enumerate((instance.terms, *instance.terms.others))
        if terms.advection or terms.self_advection is not None
    }
    load = load_of(instance, grids)
    if law is None and not carried:
        return BoxEquation(systems, None, load=load)
    names = [unknown.name for unknown in instance.problem.solved_for]

    def tendency(u: Array, t: float) -> Array:
        if law is None:
            total = np.zeros_like(u)
        else:
            assert isinstance(law, LawFunction)
            known = {name: part.reshape(grid.shape) for name, part in zip(names, u, strict=True)}
            total = -law.at(grid.points, known).reshape(len(u), -1)
        try:
            for number, advection in carried.items():
                total[number] += advection(u[number], t)
        except InvalidSample:
            total[...] = np.nan
        return total

    longest = partial(longest_of, carried)
    return BoxEquation(systems, tendency, longest, load)


def longest_of(carried: Mapping[int, Advection], u: Array) -> float:
    """The longest step that all terms allow from the state u [C, n]."""
    return min((advection.longest(u[number]) for number, advection in carried.items()), default=inf)
