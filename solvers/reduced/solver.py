"""Solving in a reduced basis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.reduced import BATCH
from pdemill.solvers.reduced.basis import Basis, Projected
from pdemill.solvers.reduced.learning import learnt
from pdemill.solvers.reduced.steps import SHOWN, Path, Reference, certifiable
from pdemill.solvers.sketch import Sketch
from pdemill.solvers.solution import Result, Solution, Solver, Stats

SAFETY = 0.5
"""Part of the tolerance down to which steps go: the certificate has the last word, and is close."""
SHOWN_WAVES = 1e-3
"""The part of a residual that a correction may leave, of matrices that are not definite: beside a resonance a tenth
hides an error whose residual is a tenth of others."""
REACH = 1e-2
"""The part of a right-hand side, as sketches tell, that may be left if steps are to do the rest."""


@dataclass(frozen=True)
class State:
    """A basis, and the matrix whose factors take steps."""

    basis: Basis
    reference: Matrix


class ReducedBasisSolver(Solver[State | None]):
    """State: basis and reference; None: those of the job, or none yet. A system whose solution is out of reach of basis
    and steps is solved by factors, and its solution joins the basis where that has room.

    ``factors`` makes solvers by factors, which keep those of their last matrix."""

    def __init__(self, factors: Callable[[], Solver[None]], rtol: float, most: int) -> None:
        self._factors, self._rtol, self._most = factors, rtol, most
        self._direct = factors()
        self._factorised: Matrix | None = None
        self._kept: dict[Any, Any] = {}
        self._drawn: Callable[[int], System | None] | None = None
        self._state: State | None = None
        self._reference: Reference | None = None
        self._sketch: Sketch | None = None

    def keep_in(self, kept: dict[Any, Any]) -> None:
        self._kept = kept

    def learn_from(self, drawn: Callable[[int], System | None]) -> None:
        self._drawn = drawn

    def start(self) -> None:
        return None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return BATCH

    def solve(self, system: System, state: State | None) -> Solution[State | None]:
        return self.solve_batch([system], state)[0]

    def solve_batch(self, systems: list[System], state: State | None) -> list[Solution[State | None]]:
        state = first = state or self._of_job()
        solutions: list[Solution[State | None]] = []
        for system, found in zip(systems, self._reduced(systems, state), strict=True):
            if found is None and state is not first:
                (found,) = self._reduced([system], state)
            if found is None:
                found, state = self._directly(system, state)
            solutions.append(replace(found, state=state))
        self._state = state
        return solutions

    def correct(self, systems: list[System], residuals: list[Array], reduction: float) -> list[Array | None] | None:
        """By the steps that solve, from 0; by factors for the system that they were made for last."""
        paths: dict[int, Path] = {}
        found: list[Array | None] = [None] * len(systems)
        for i, (system, residual) in enumerate(zip(systems, residuals, strict=True)):
            if system.matrix is self._factorised:
                (found[i],) = self._direct.correct([system], [residual], reduction) or [None]
            elif self._state and (matrix := self._state.basis.of(system.matrix)) is not None:
                shown = SHOWN if system.matrix.properties.definite else SHOWN_WAVES
                load, target = replace(system, rhs=residual), shown * two_norm(residual)
                paths[i] = Path(load, matrix, np.zeros_like(residual), residual, target)
        if self._state and paths:
            self._steps(self._state).bring(list(paths.values()), lambda path: path.accurate)
        for i, path in paths.items():
            found[i] = path.u if path.accurate else None
        return found

    def _of_job(self) -> State | None:
        """What the job has learnt, which is done when it is first asked for."""
        if self._drawn is None:
            return None
        key = "reduced basis", self._most
        if key not in self._kept:
            found = learnt(self._drawn, self._factors, self._most)
            self._kept[key] = None if found is None else State(*found)
        state: State | None = self._kept[key]
        return state

    def _directly(self, system: System, state: State | None) -> tuple[Solution[Any], State | None]:
        solution = self._direct.solve(system, None)
        self._factorised = system.matrix if solution.result.ok else None
        if solution.result.ok and system.size > 0.0:
            basis = state.basis if state else Basis.begun(system.matrix.pattern, self._most)
            basis = basis.extended(system.matrix, solution.value, self._sketched(system.rhs))
            state = State(basis, state.reference if state else system.matrix)
        return solution, state

    def _reduced(self, systems: list[System], state: State | None) -> list[Solution[Any] | None]:
        """Solutions by basis and steps, None for those that are out of reach."""
        if state is None or not state.basis.rows.count:
            return [None] * len(systems)
        V = state.basis.vectors
        loads = np.stack([system.rhs for system in systems]) @ V.T
        near = {
            i: found
            for i, (system, load) in enumerate(zip(systems, loads, strict=True))
            if (found := self._near(system, load, state.basis)) is not None
        }
        paths: dict[int, Path] = {}
        if near:
            lifted = np.stack([c for _, c in near.values()]) @ V
            for (i, (matrix, _)), u in zip(near.items(), lifted, strict=True):
                target = SAFETY * self._rtol * systems[i].size
                paths[i] = Path(systems[i], matrix, u, systems[i].residual(u), target)
            self._steps(state).bring(list(paths.values()), certifiable)
        return [self._arrived(paths.get(i)) for i in range(len(systems))]

    def _near(self, system: System, load: Array, basis: Basis) -> tuple[Projected, Array] | None:
        """A matrix on the basis and the solution there; None where sketches see that it is far off."""
        matrix = basis.of(system.matrix)
        if matrix is None:
            return None
        c = matrix.solve(load)
        return (matrix, c) if matrix.left(c, self._sketched(system.rhs)(system.rhs)) <= REACH else None

    def _arrived(self, path: Path | None) -> Solution[Any] | None:
        """The end of a path, by its recomputed residual."""
        if path is None or not two_norm(path.system.residual(path.u)) <= self._rtol * path.system.size:
            return None
        return Solution(path.u, Result.CONVERGED, Stats(len(path.lengths)), None, path.told())

    def _steps(self, state: State) -> Reference:
        if self._reference is None or self._reference.origin is not state.reference:
            self._reference = Reference(state.reference, self._factors())
        return self._reference

    def _sketched(self, vector: Array) -> Sketch:
        if self._sketch is None or self._sketch.size != len(vector):
            self._sketch = Sketch(len(vector))
        return self._sketch
