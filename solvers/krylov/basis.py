"""The long vectors of a run: recycled ones, Arnoldi vectors, iterate and residual, and what moves them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.arnoldi import arnoldi_cycle
from pdemill.solvers.krylov.block_conjugate import Operator
from pdemill.solvers.krylov.combining import combine, refresh
from pdemill.solvers.krylov.learning import SHORT, Learning
from pdemill.solvers.krylov.orthonormal import has_drifted, orthonormalise
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.krylov.selection import harmonic_vectors, orthonormal_columns, singular_vectors
from pdemill.solvers.krylov.sums import work_rows
from pdemill.solvers.operators.product import Handles, Product, check, products
from pdemill.solvers.operators.system import Matrix


class RightPreconditioned(Protocol):
    """Operations on a matrix and its preconditioner that the method needs."""

    product: Product

    def load(self, matrix: Matrix) -> bool: ...
    def handles(self, rows: list[Array]) -> Handles: ...
    def precondition(self, y: Array) -> Array: ...
    def images(self, solutions: Array) -> tuple[Array, Array] | None: ...
    def residual(self, x: Array, b: Array) -> Array: ...
    def side_by_side(self) -> Operator | None: ...


class Basis:
    """Work space for cycles that span ``restart`` vectors, at most ``recycle`` of them recycled.

    Rows of W: C, v_1, v_2, ...; A M⁻¹ Uᵀ = Cᵀ for the first ``kept`` rows. ``y`` is the iterate (x = M⁻¹ y) and ``r``
    its residual. What is in here between two systems never changes a result: it only saves copies.
    """

    def __init__(self, operator: RightPreconditioned, size: int, restart: int, recycle: int) -> None:
        self._size, self._recycle, self._product = size, recycle, operator.product
        self._rows = work_rows(restart + 1, size)
        self.W, self.U = self._rows[:, :size], work_rows(recycle, size)[:, :size]
        self._W_handles, self._U_handles = operator.handles([*self.W]), operator.handles([*self.U])
        self.y, self.r = np.zeros(size), np.zeros(size)
        self._forget()

    def _forget(self) -> None:
        self.sigma, self._overlap = np.empty(0), np.empty((0, 0))
        self._held: RecycleSpace | None = None

    @property
    def kept(self) -> int:
        return len(self.sigma)

    @property
    def recycled(self) -> tuple[Array, Array]:
        """U and C."""
        return self.U[: self.kept], self.W[: self.kept]

    def begin(self, b: Array, space: RecycleSpace | None) -> None:
        """Zero iterate, and the recycled space of the system before, which may still be here."""
        self.y, self.r = np.zeros_like(b), b.copy()
        if space is None:
            self._forget()
        elif space is not self._held:
            self.sigma, self._overlap, self._held = space.sigma, space.overlap, space
            U, C = self.recycled
            U[:], C[:] = space.U, space.C

    def space(self, matrix: Matrix, learning: Learning) -> RecycleSpace | None:
        """The recycled space as a value; copied only if it has changed."""
        if not self.kept:
            return None
        U, C = (self._held.U, self._held.C) if self._held else (rows.copy() for rows in self.recycled)
        self._held = RecycleSpace(U, C, self.sigma, self._overlap, matrix, learning)
        return self._held

    def project(self) -> None:
        """Remove from the residual what the recycled space can: y + Uᵀ C r, r - Cᵀ C r."""
        U, C = self.recycled
        share = C @ self.r
        self.y += share @ U
        self.r -= share @ C

    def cycle(self, goal: float, learn: bool, cheap: bool) -> tuple[int, bool]:
        """Minimise the residual over the recycled space and an Arnoldi cycle; if ``learn``, keep the best of both.

        ``cheap``: the choice of vectors for definite matrices, see ``selection``.

        Returns the number of products, and whether the Krylov space became invariant.
        """
        k, beta = self.kept, float(np.linalg.norm(self.r))
        np.multiply(self.r, 1.0 / beta, out=self.W[k])
        T, z, stuck = arnoldi_cycle(self._product, self._rows, self._size, self._W_handles, k, beta, goal)
        p = len(z)
        V = self.W[k : k + p + 1]
        left = -(T[k:] @ z)
        left[0] += beta
        self.r = left @ V
        self.y += z @ V[:p] - (T[:k] @ z) @ self.U[:k]
        enough = k + p > self._recycle and p >= SHORT * (len(self.W) - 1 - k)
        if learn and enough and not stuck:
            self._refresh(T, cheap)
        return p, stuck

    def _refresh(self, T: Array, cheap: bool) -> None:
        """New recycled vectors out of the old ones and the Arnoldi vectors.

        With V = [U D, v_1 .. v_p], D = diag σ, and W = [C, v_1 .. v_{p+1}] the cycle has A M⁻¹ V = W G,
        G = [[D, B], [0, H]]. Where G P = Q and QᵀQ = I, U ← V P and C ← W Q.
        """
        k, p = self.kept, T.shape[1]
        G = np.zeros((k + p + 1, k + p))
        G[:k, :k], G[:, k:] = np.diag(self.sigma), T
        overlap = np.empty((0, 0)) if cheap else self._overlaps(p)
        most = self._recycle
        chosen = singular_vectors(G, most) if cheap else harmonic_vectors(G, overlap, k, most)
        if chosen is None:
            return
        P, Q, sigma = chosen
        refresh(self.W[: k + p + 1], self.U, k, Q.T, P[k:].T, (P[:k] * self.sigma[:, None]).T)
        new = len(sigma)
        self._overlap = overlap if cheap else Q.T @ overlap @ P
        self.sigma, self._held = sigma, None
        if has_drifted(self.W[:new]):
            self._orthonormalise()
            self.project()

    def _overlaps(self, p: int) -> Array:
        """WᵀV."""
        k, (U, C) = self.kept, self.recycled
        overlap = np.zeros((k + p + 1, k + p))
        overlap[:k, :k] = (self._overlap if self._overlap.size else C @ U.T) * self.sigma
        overlap[k:, :k] = (self.W[k : k + p + 1] @ self.U[:k].T) * self.sigma
        overlap[k : k + p, k:] = np.eye(p)
        return overlap

    def carry(self) -> int:
        """The same span of U for the matrix that is loaded; returns the number of products."""
        check(products(self._product, self._U_handles[: self.kept], self._W_handles[: self.kept]))
        return self._taken()

    def carry_solutions(self, products: Array, preconditioned: Array) -> int:
        """The span of solutions x, given A x and M x of the matrix that is loaded; returns the number of products."""
        U, C = self.recycled
        U[:], C[:] = preconditioned, products
        return self._taken()

    @np.errstate(all="ignore")
    def _taken(self) -> int:
        """From any U with C = A M⁻¹ U to a recycled space, none where numbers overflow; returns the number of products
        that it took.

        U is made orthonormal first, and then rotated to the singular vectors of its image: rows out of a triangular
        solve would be neither orthogonal nor of length 1 / σ.
        """
        U, C = self.recycled
        count, scale = self.kept, self.sigma
        overlap = scale[:, None] * (U @ U.T) * scale
        self._forget()
        if not np.isfinite(overlap).all():
            return count
        to_unit = orthonormal_columns(overlap).T * scale
        gram = to_unit @ (C @ C.T) @ to_unit.T
        if len(gram) and np.isfinite(gram).all():
            squares, directions = np.linalg.eigh(gram)
            sigma = np.sqrt(np.maximum(squares, 1e-28 * squares[-1]))
            rotation = (directions.T / sigma[:, None]) @ to_unit
            if np.isfinite(rotation).all():
                self.sigma = sigma
                combine(U, rotation)
                combine(C, rotation)
                self._orthonormalise()
        return count

    def _orthonormalise(self) -> None:
        U, C = self.recycled
        if orthonormalise(C, U):
            self._overlap = C @ U.T
        else:
            self._forget()
