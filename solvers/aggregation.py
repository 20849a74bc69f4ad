"""Algebraic multigrid by smoothed aggregation, by PETSc."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.blocks import Blocked
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.solvers.petsc import Krylov, PETSc, vector
from pdemill.solvers.solution import Result


class Aggregation(Krylov):
    """CG with PETSc's smoothed aggregation, whose interpolation is made from one matrix and used for others.

    For another matrix on the pattern only the Galerkin products are made anew. The smoother is Chebyshev's polynomial
    of the fourth kind (Lottes 2022) on Jacobi; the largest eigenvalues of its levels stay those of the first matrix.
    Unknowns that are components of vectors are aggregated node by node, and the motions of a matrix, such as those of a
    rigid body, are kept on all levels: Vaněk, Mandel, Brezina 1996.
    """

    OPTIONS: ClassVar[dict[str, Any]] = {
        "pc_gamg_reuse_interpolation": True,
        "pc_gamg_recompute_esteig": False,
        "pc_gamg_aggressive_coarsening": 2,
        "pc_gamg_coarse_eq_limit": 300,
        "mg_levels_ksp_chebyshev_kind": "opt_fourth",
    }

    def __init__(self, pattern: Pattern) -> None:
        self._blocked = None if pattern.blocks is None else Blocked(pattern, pattern.blocks)
        super().__init__(pattern if self._blocked is None else self._blocked.pattern, "cg", "gamg")
        self.made: Matrix | None = None
        self._last: tuple[Matrix, Matrix] | None = None

    def make(self, matrix: Matrix) -> None:
        """Make the interpolation from a matrix, whatever there was before."""
        self.matrix.load(self._own(matrix))
        self.made = matrix
        if not self.matrix.finite:
            return  # PETSc raises, and a solve tells
        pc = self.ksp.getPC()
        pc.reset()
        options = PETSc.Options(pc.getOptionsPrefix())
        for option, value in self.OPTIONS.items():
            options[option] = value
        pc.setFromOptions()
        self._tell_of_nodes(matrix)
        self.ksp.setOperators(self.matrix.mat, self.matrix.regular)
        self.ksp.setUp()  # the levels read their options when they are made
        for option in self.OPTIONS:
            options.delValue(option)

    def solve(
        self, matrix: Matrix, rhs: Array, guess: Array | None, rtol: float, limit: int
    ) -> tuple[Array, Result, int]:
        own, blocked = self._own(matrix), self._blocked
        if blocked is None:
            return super().solve(own, rhs, guess, rtol, limit)
        begin = None if guess is None else blocked.spread(guess)
        value, result, iterations = super().solve(own, blocked.spread(rhs), begin, rtol, limit)
        return blocked.gathered(value), result, iterations

    def correct(self, matrix: Matrix, rhs: Array, reduction: float, limit: int) -> tuple[Array, Result, int]:
        """x with r' M⁻¹ r reduced to ``reduction``² of what it was for 0: M is near A, so that this is nearly the error
        in the norm of the energy."""
        own, blocked = self._own(matrix), self._blocked
        value, result, iterations = self.reduce(own, rhs if blocked is None else blocked.spread(rhs), reduction, limit)
        return value if blocked is None else blocked.gathered(value), result, iterations

    def _own(self, matrix: Matrix) -> Matrix:
        """A matrix as it is loaded: in blocks, and definite where those of its pattern are taken to be."""
        if self._last is not None and self._last[0] is matrix:
            return self._last[1]
        own = matrix if self._blocked is None else self._blocked.matrix(matrix)
        properties = matrix.properties
        if properties.symmetric and not properties.definite and matrix.pattern.definite:
            own = replace(own, properties=replace(properties, definite=True))
        self._last = matrix, own
        return own

    def _tell_of_nodes(self, matrix: Matrix) -> None:
        """Tell PETSc of blocks and motions, on the level of the matrix."""
        motions, blocks = () if matrix.motions is None else matrix.motions(), matrix.pattern.blocks
        if self._blocked is not None and blocks is not None:
            motions = tuple(map(self._blocked.spread, motions))
            self.matrix.mat.setBlockSize(blocks.width)
            self.matrix.regular.setBlockSize(blocks.width)
        if motions:
            base, _ = np.linalg.qr(np.stack(motions, axis=1))
            vectors = [vector(np.ascontiguousarray(part)) for part in base.T]
            self.matrix.regular.setNearNullSpace(PETSc.NullSpace().create(vectors=vectors, comm=PETSc.COMM_SELF))
