"""One sample of a weak form: a linear system, or R(u) = 0."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.equation import Frozen, LinearEquation, NonlinearEquation
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import reduced
from pdemill.solvers.weak.assembly import Packed
from pdemill.solvers.weak.stir import stirred

if TYPE_CHECKING:
    from pdemill.solvers.weak.elements import WeakElements

MATRIX = "matrix"
REST = 64 * np.finfo(np.float64).eps
"""What rounding leaves of loads that cancel, in units of the sizes of what cells add to them."""


class LinearForm(LinearEquation):
    """A u = b of the free unknowns: A from the derivative, b = -R at the given values with 0 elsewhere."""

    def __init__(self, system: System, grid: WeakElements, packed: Packed, given: Array) -> None:
        super().__init__(system)
        self._grid, self._packed, self._given = grid, packed, given

    @classmethod
    def of(cls, grid: WeakElements, packed: Packed, given: Array) -> LinearForm:
        """That of a sample."""
        matrix = grid.kept.get(MATRIX)
        if matrix is None:
            matrix = grid.matrix(grid.derivative(packed, given))
            if grid.properties.constant:
                grid.kept[MATRIX] = matrix
        load = -grid.residual(packed, given)
        if grid.null_space:
            grid.levels.check(matrix.sparse(), load)
            load = grid.levels.balanced(load)
        return cls(System(matrix, load), grid, packed, given)

    def residual_otherwise(self, u: Array) -> Array:
        """-R(u) by assembly of the form at u, without the matrix."""
        whole = self._grid.completed(u, self._given)
        return -self._grid.residual(self._packed, whole)


class NonlinearForm(NonlinearEquation):
    """R(u) = 0 of the free unknowns, with the exact derivative of the form."""

    def __init__(self, grid: WeakElements, packed: Packed, given: Array) -> None:
        self._grid, self._packed, self._given = grid, packed, given
        self._sizes = np.empty(0)
        self._start: Array | None = None
        if grid.null_space:
            state = grid.completed(stirred(grid.pattern.size), given)
            matrix = grid.matrix(grid.derivative(packed, state)).sparse()
            load = grid.residual(packed, state)
            grid.levels.check(matrix, load)
            self._sizes = np.abs(load)

    def start(self) -> Array:
        """0 where nothing but 0 is given; else what the form, linearised at 0 and without loads, makes of the given
        values; 0 too where that cannot be found."""
        if self._start is None:
            system, found = self.system_of_start(), None
            if system is not None:
                solver = self._grid.kept.setdefault("solver", Direct(method="direct").solver())
                found = reduced(system, solver.solve(system, None))
            self.begin_at(found)
        assert self._start is not None
        return self._start

    def system_of_start(self) -> System | None:
        if not self._reaction.any() or not np.isfinite(self._reaction).all():
            return None
        matrix = self._grid.matrix(self._grid.derivative(self._packed, np.zeros_like(self._given)))
        return System(matrix, -self._reaction) if np.isfinite(matrix.values).all() else None

    def begin_at(self, solution: Array | None) -> None:
        usable = solution is not None and np.isfinite(solution).all()
        self._start = solution if usable else np.zeros(self._grid.pattern.size)

    @cached_property
    def _reaction(self) -> Array:
        """What the given values bring into the form, linearised at 0, of the free unknowns."""
        grid = self._grid
        if not self._given.any():
            return np.zeros(grid.pattern.size)
        with np.errstate(all="ignore"):
            whole = grid.assembler.whole_derivative(self._packed, np.zeros_like(self._given)) @ self._given
        return grid.unknowns.tested(whole)

    def size(self) -> float:
        return self._size

    @cached_property
    def _size(self) -> float:
        """‖R‖ at the start, or the norm of what given values bring in: the start may be the solution."""
        reaction = two_norm(self._reaction)
        return max(two_norm(self.residual(self.start())), reaction if np.isfinite(reaction) else 0.0)

    @cached_property
    def _rests(self) -> bool:
        """If what cells add to R(0) cancels at every node but for rounding, where nothing is given: 0 is a solution,
        as of a periodic cell of one material under a mean strain."""
        if self._given.any():
            return False
        left = self._grid.residual(self._packed, self._given)
        sizes = self._grid.unknowns.tested(self._grid.assembler.sizes(self._packed, self._given))
        return bool((np.abs(left) <= REST * sizes).all())

    def residual(self, u: Array, t: float = 0.0) -> Array:
        grid = self._grid
        if not u.any() and self._rests:
            return np.zeros_like(u)
        whole = grid.completed(u, self._given)
        load = -grid.residual(self._packed, whole)
        if not grid.levels.in_balance(load, self._sizes):  # by the size of the terms, which may be others than at first
            sizes = self._sizes + abs(self.jacobian(u).sparse()) @ np.abs(u)
            if not grid.levels.in_balance(load, sizes):
                return load
        return grid.levels.balanced(load)

    def jacobian(self, u: Array, shift: float = 0.0) -> Matrix:
        grid = self._grid
        values = grid.derivative(self._packed, grid.completed(u, self._given))
        if shift:
            values[grid.pattern.diagonals] += shift
        return grid.matrix(values)

    def frozen(self, u: Array, shift: float = 0.0) -> Frozen:
        raise SolverError("multigrid knows no matrix that is near the derivative of a weak form: use direct or gmres")

    def objection(self, u: Array) -> str:
        return "" if np.isfinite(u).all() else "it is not finite"

    def residual_otherwise(self, u: Array) -> Array:
        return self.residual(u)
