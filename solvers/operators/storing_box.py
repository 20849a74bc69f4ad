"""Equations in time on box grids for what is stored, m = u + s(u), in the place of u."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from pdemill.points import Array
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.operators.equation import Frozen
from pdemill.solvers.operators.faces import residual_by_faces
from pdemill.solvers.operators.nonlinear_box import FLAT, UNKNOWN, NonlinearBoxEquation, NonlinearBoxGrid
from pdemill.solvers.operators.system import Matrix

NEAR_ZERO = 1e-300
"""Where the slope of s at 0 is taken: that of u^n is infinite or 0 there, or has no value as a formula."""
ROUNDING, MOST = 8.0 * np.finfo(float).eps, 200
"""Relative step, or width of what encloses u, at which Newton's iteration for u ends; most of its steps."""
FALLING = 1.0 - 1e-9
"""1 + s'(u) below which s falls; the rest is rounding."""
NOTHING = 1e-30
"""Part of the largest content below which u has no digits."""


class StoringBoxEquation(NonlinearBoxEquation):
    """m_t + R(u(m)) = 0 with the unknown m(u) = u + s(u) - s(0), and R that of u. Sums of m over the cells change by
    what R moves through sides, whatever its iteration leaves; and where s'(0) is infinite, as for Freundlich's
    isotherm, u'(m) = 1 / (1 + s'(u)) is 0."""

    keeps_sums: ClassVar[bool] = True

    def __init__(self, grid: NonlinearBoxGrid, instance: Instance) -> None:
        super().__init__(grid, instance)
        assert isinstance(instance.terms.storage, LawFunction)
        self._storage = instance.terms.storage
        self._at_zero = self._sorbed(np.zeros(grid.shape), 0.0)
        self._found: tuple[Array, Array] | None = None
        assert instance.terms.initial is not None
        initial = self._spread(instance.terms.initial(grid.points))
        if not (least := float(np.min(self._retardation(initial)))) >= FALLING:
            raise InvalidSample(f"sorption must not fall with u, and its slope at the start is {least - 1.0:g}")
        if not np.isfinite(self._stored(initial)).all():
            raise InvalidSample("sorption is not finite at the start")

    def _sorbed(self, u: Array, known: Array | float) -> Array:
        return np.asarray(self._storage.at(self.grid.points, {UNKNOWN: u})[0] - known)

    def _stored(self, u: Array) -> Array:
        return u + self._sorbed(u, self._at_zero)

    def _retardation(self, u: Array) -> Array:
        values = np.where(np.abs(u) < NEAR_ZERO, NEAR_ZERO, u)
        return np.asarray(1.0 + self._storage.slope(self.grid.points, {UNKNOWN: values}, UNKNOWN)[0])

    def content(self, u: Array) -> Array:
        return self._stored(u.reshape(self.grid.shape)).reshape(-1)

    def values(self, content: Array) -> Array:
        if self._found is None or self._found[0] is not content:
            found = inverted(self._stored, self._retardation, content.reshape(self.grid.shape))
            self._found = content, found.reshape(-1)
        return self._found[1]

    def _slopes(self, u: Array) -> Array:
        """du / dm in the cells."""
        with np.errstate(all="ignore"):
            return 1.0 / self._retardation(u.reshape(self.grid.shape))

    def range_of_k(self, u: Array) -> tuple[float, float]:
        """The least and the largest 1 / (1 + s'(u)): with it, m diffuses."""
        slopes = self._slopes(u)
        return float(np.min(slopes)), float(np.max(slopes))

    def residual(self, u: Array, t: float = 0.0) -> Array:
        return super().residual(self.values(u), t)

    def residual_otherwise(self, u: Array) -> Array:
        return residual_by_faces(self.grid, self.instance, self.values(u))

    def jacobian(self, u: Array, shift: float = 0.0) -> Matrix:
        values, pattern = self.values(u), self.grid.pattern
        matrix = super().jacobian(values)
        entries = matrix.values * self._slopes(values).reshape(-1)[pattern.indices]
        entries[pattern.diagonals] += shift
        return Matrix(pattern, entries, matrix.properties)

    def frozen(self, u: Array, shift: float = 0.0) -> Frozen:
        """M = -div(a grad .) + |c + r'(u)| + shift / s and s = u'(m): the Jacobian is M s where r'(u) >= 0."""
        values = self.values(u)
        slopes = self._slopes(values)
        slopes = np.maximum(slopes, FLAT * np.max(slopes))
        damping = np.abs(self._damping + self._laws(values).dr) + shift / slopes
        return Frozen(self._definite(damping, 1.0), slopes.reshape(-1))


def inverted(stored: Callable[[Array], Array], slope: Callable[[Array], Array], content: Array) -> Array:
    """u with stored(u) = content, a function that is 0 at 0 and has slopes of at least 1: Newton's iteration from the
    chord, within what is known to enclose u. NaN where it does not end, or the function falls."""
    if not np.isfinite(content).all():
        return np.full_like(content, np.nan)
    with np.errstate(all="ignore"):
        u = content * np.nan_to_num(content / stored(content), nan=1.0)
        low, high = np.minimum(content, 0.0), np.maximum(content, 0.0)
        nothing = NOTHING * np.abs(content).max()
        for _ in range(MOST):
            rest, slopes = content - stored(u), slope(u)
            step = rest / slopes
            low, high = np.where(rest > 0.0, u, low), np.where(rest < 0.0, u, high)
            least = np.minimum(np.abs(step), high - low)
            done = (rest == 0.0) | (least <= ROUNDING * np.maximum(np.abs(u), nothing))
            if done.all():
                return np.where(slopes >= FALLING, u, np.nan)
            moved = u + step
            inside = (moved > low) & (moved < high)
            u = np.where(done, u, np.where(inside, moved, 0.5 * (low + high)))
    return np.where(done, u, np.nan)
