"""A reduced basis, and what matrices are on it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.solvers.reduced.affine import MOST_PARTS, Affine
from pdemill.solvers.reduced.rows import Rows
from pdemill.solvers.sketch import LENGTH, Sketch

NEW = 1e-11
"""The part of a solution that must be outside the basis to be worth a vector of its own."""


@dataclass(frozen=True)
class Basis:
    """Orthonormal vectors V [N, n] that solutions lie near, and of every part A_q of the matrices V A_q V' and the
    sketches of A_q v. ``closed``: the matrices are no combinations of few."""

    pattern: Pattern
    affine: Affine
    rows: Rows
    reduced: Array
    """V A_q V' [Q, N, N]."""
    images: Array
    """Sketches of A_q v [Q, N, s]."""
    closed: bool = False

    @classmethod
    def begun(cls, pattern: Pattern, most: int) -> Basis:
        affine, s = Affine.begun(len(pattern.indices)), min(pattern.size, LENGTH)
        return cls(pattern, affine, Rows(most, pattern.size), np.empty((0, 0, 0)), np.empty((0, 0, s)))

    @property
    def vectors(self) -> Array:
        return self.rows.array

    def extended(self, matrix: Matrix, solution: Array, sketch: Sketch) -> Basis:
        """With what a solved system adds to it."""
        found = self._with_part(matrix.values, sketch)
        for vector in matrix.null_space:
            solution = solution - (vector @ solution) / (vector @ vector) * vector
        if found.closed or found.rows.full:
            return found
        return found._with_vector(solution, sketch, matrix.properties.symmetric)

    def _with_part(self, values: Array, sketch: Sketch) -> Basis:
        affine = self.affine.extended(values)
        if affine is self.affine:
            return self
        if len(affine.parts) > MOST_PARTS:
            return replace(self, closed=True)
        matrix, V = _sparse(self.pattern, affine.parts[-1]), self.vectors
        columns = [matrix @ v for v in V]
        own = np.stack([V @ column for column in columns], axis=1) if columns else np.empty((0, 0))
        seen = np.stack([sketch(column) for column in columns]) if columns else np.empty((0, self.images.shape[2]))
        reduced = np.concatenate([self.reduced, own[None]])
        return replace(self, affine=affine, reduced=reduced, images=np.concatenate([self.images, seen[None]]))

    def _with_vector(self, solution: Array, sketch: Sketch, symmetric: bool) -> Basis:
        V, v, size = self.vectors, solution, two_norm(solution)
        for _ in range(2):
            v = v - (V @ v) @ V
        if not two_norm(v) > NEW * size:
            return self
        v = v / two_norm(v)
        rows, count = self.rows.added(v), self.rows.count
        reduced = np.zeros((len(self.affine.parts), count + 1, count + 1))
        images = np.zeros((len(self.affine.parts), count + 1, self.images.shape[2]))
        reduced[:, :count, :count], images[:, :count] = self.reduced, self.images
        matrices = [_sparse(self.pattern, part) for part in self.affine.parts]
        columns = np.stack([matrix @ v for matrix in matrices])
        images[:, count] = [sketch(column) for column in columns]
        reduced[:, :, count] = columns @ rows.array.T
        if symmetric:
            reduced[:, count, :] = reduced[:, :, count]
        else:
            reduced[:, count, :] = np.stack([matrix.T @ v for matrix in matrices]) @ rows.array.T
        return replace(self, rows=rows, reduced=reduced, images=images)

    def of(self, matrix: Matrix) -> Projected | None:
        """A matrix on the basis; None where it is no combination of those known, or singular there."""
        if self.closed or not self.rows.count:
            return None
        theta = self.affine.coefficients(matrix.values)
        if theta is None or not np.isfinite(theta).all():
            return None
        small = np.tensordot(theta, self.reduced, 1)
        factors = lu_factor(small, check_finite=False)
        return Projected(theta, factors, self) if np.diag(factors[0]).all() else None


@dataclass(frozen=True)
class Projected:
    """V A V', factorised."""

    theta: Array
    factors: Any
    basis: Basis

    def solve(self, load: Array) -> Array:
        """c with V A V' c = load."""
        return np.asarray(lu_solve(self.factors, load, check_finite=False))

    def left(self, c: Array, seen: Array) -> float:
        """‖b - A V'c‖ / ‖b‖ as far as sketches tell; ``seen``: that of b."""
        image = np.tensordot(self.theta, c @ self.basis.images, 1)
        return two_norm(seen - image) / (two_norm(seen) or 1.0)


def _sparse(pattern: Pattern, values: Array) -> Any:
    matrix = copy(pattern.template)
    matrix.data = values
    return matrix
