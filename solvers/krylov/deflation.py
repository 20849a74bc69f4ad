"""Approximate eigenvectors kept from one definite system to the next, and the long vectors of a run with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.basis import RightPreconditioned
from pdemill.solvers.krylov.combining import combine, mix
from pdemill.solvers.krylov.conjugate import Ending, cg_steps
from pdemill.solvers.krylov.learning import Learning
from pdemill.solvers.krylov.ritz import smallest_ritz, whitening
from pdemill.solvers.krylov.sums import work_rows
from pdemill.solvers.krylov.window import Window
from pdemill.solvers.operators.product import apply, check
from pdemill.solvers.operators.system import Matrix

ROOM = 3
"""Rows of a window, per recycled vector: a restart keeps 2 for each."""


@dataclass(frozen=True, eq=False)
class Deflation:
    """A deflation space for the next system: rows of U, near the eigenvectors of M⁻¹ A with the smallest eigenvalues.

    For ``matrix``, U A Uᵀ = I, ``AU`` holds the images and θ the Ritz values, ascending; for another matrix only the
    span of U is used.
    """

    U: Array
    AU: Array
    theta: Array
    matrix: Matrix
    learning: Learning


class DeflatedBasis:
    """Work space for at most ``recycle`` vectors.

    What is in here between two systems never changes a result: it only saves copies.
    """

    def __init__(self, operator: RightPreconditioned, size: int, recycle: int) -> None:
        self._operator, self._size, self._recycle = operator, size, recycle
        self._images, self._vectors = work_rows(recycle + 2, size), work_rows(recycle + 2, size)
        self._image_handles = operator.handles([*self._images[:, :size]])
        self._vector_handles = operator.handles([*self._vectors[:, :size]])
        self._x = work_rows(1, size)[0]
        self._window = Window(ROOM * recycle, size, recycle)
        self._solved_handles = operator.handles([*self._window.V[:recycle, :size]])
        self._forget()
        self.begin(np.zeros(size), np.zeros(size), None)

    def _forget(self) -> None:
        self.theta = np.empty(0)
        self._held: Deflation | None = None

    @property
    def kept(self) -> int:
        return len(self.theta)

    # The space lies at the end of the rows, next to r, z and p, A p.
    @property
    def _U(self) -> Array:
        return self._vectors[self._recycle - self.kept : self._recycle]

    @property
    def _AU(self) -> Array:
        return self._images[self._recycle - self.kept : self._recycle]

    @property
    def spanning(self) -> tuple[Array, Array]:
        """U and its images, rows as long as those of work spaces."""
        return self._U, self._AU

    @property
    def _r(self) -> Array:
        row: Array = self._images[self._recycle]
        return row

    @property
    def x(self) -> Array:
        """A copy of the iterate."""
        return np.array(self._x[: self._size])

    @property
    def norm(self) -> float:
        """‖r‖."""
        return float(np.linalg.norm(self._r))

    def begin(self, x: Array, r: Array, space: Deflation | None) -> None:
        """An iterate with its residual, and the space of the system before, which may still be here."""
        for rows in (self._images[self._recycle :], self._vectors[self._recycle :]):
            rows[:] = 0.0  # the padding too, which a vector that was not finite may have spoilt
        if space is None:
            self._forget()
        elif space is not self._held:
            self.theta, self._held = space.theta, space
            self._U[:, : self._size], self._AU[:, : self._size] = space.U, space.AU
        self._scalars = np.zeros(3)
        self._x[:] = 0.0
        self._x[: self._size] = x
        self.replace(r)

    def replace(self, r: Array) -> None:
        """Another residual; the iteration begins anew."""
        self._r[: self._size] = r
        self._scalars[:] = 0.0

    def space(self, matrix: Matrix, learning: Learning) -> Deflation | None:
        """The space as a value; copied only if it has changed."""
        if not self.kept:
            return None
        size = self._size
        held = self._held
        U, AU = (held.U, held.AU) if held else (rows[:, :size].copy() for rows in (self._U, self._AU))
        self._held = Deflation(U, AU, self.theta, matrix, learning)
        return self._held

    def project(self) -> None:
        """Remove from the residual what the space can: x + Uᵀ U r, r - (A Uᵀ) U r."""
        r = self._r
        share = self._U @ r
        self._x += share @ self._U
        r -= share @ self._AU

    def open_window(self) -> Window:
        """An empty window, for the space that is here."""
        self._window.begin(self.kept)
        return self._window

    def steps(self, window: Window | None, goal: float, limit: int) -> tuple[int, Ending]:
        """Iterate; a window that gets full is restarted."""
        first, used = self._recycle - self.kept, 0
        handles = np.concatenate([self._image_handles[-2:], self._vector_handles[-2:]])
        while True:
            steps, ending = cg_steps(
                self._operator.product, self._images[first:], self._vectors[first:], handles, self._x, self._scalars,
                window, goal, limit - used,
            )  # fmt: skip
            used += steps
            if ending is not Ending.PAUSED or used >= limit or window is None:
                return used, ending
            _, alpha, beta = self._scalars
            window.restart(np.array([[-np.sqrt(beta) / alpha]]))

    def learn(self, window: Window) -> int:
        """The best of the space and the window; returns the number of products."""
        rows = window.filled
        Y = smallest_ritz(self.theta, window.T[:rows, :rows], window.mu[:rows], self._recycle)
        if not np.isfinite(Y).all():
            return 0
        kept, new = self.kept, Y.shape[1]
        target = self._vectors[self._recycle - new : self._recycle]
        mix(target, Y[kept:].T, window.V[:rows], Y[:kept].T, self._U)
        self.theta = np.ones(new)
        return self.carry()

    def carry(self) -> int:
        """The same span for the matrix that is loaded; returns the number of products.

        U A Uᵀ = I, and U rotated so that U A M⁻¹ A Uᵀ = diag θ, which for an invariant space are the eigenvalues.
        """
        products, end = self.kept, self._recycle
        own = slice(end - products, end)
        operator = self._operator.product
        check(apply(operator.multiply, operator.matrix, self._vector_handles[own], self._image_handles[own]))
        self._turn(whitening(self._U @ self._AU.T).T)
        if self.kept:
            solved, own = self._window.V[: self.kept], slice(end - self.kept, end)
            check(apply(operator.precondition, operator.preconditioner, self._image_handles[own], self._solved_handles))
            gram = self._AU @ solved.T
            if np.isfinite(gram).all():
                theta, rotation = np.linalg.eigh((gram + gram.T) / 2)
                self._turn(rotation.T)
                self.theta = np.maximum(theta, np.finfo(float).tiny)
            else:
                self._forget()
        return products

    def _turn(self, coefficients: Array) -> None:
        """U and A Uᵀ combined; where fewer vectors are left, they lie at the end of the rows again."""
        U, AU, new = self._U, self._AU, len(coefficients)
        for rows in (U, AU):
            combine(rows, coefficients)
            if new < len(rows):
                rows[len(rows) - new :] = rows[:new].copy()
        self.theta, self._held = np.ones(new), None
