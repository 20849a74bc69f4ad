"""The exact solution of a discrete system, by no method of pdemill's, and how far labels are from it.

SuperLU of the equilibrated matrix, refined with residuals in doubled precision; where that matrix is nearly singular
in float64, Gauss in the machine's extended precision, refined in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import bmat, csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, onenormest, splu

from pdemill.points import Array
from pdemill.solvers.doubled import residual
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.equation import LinearEquation
from pdemill.solvers.operators.norms import varying
from pdemill.solvers.operators.system import Matrix, System
from pdemill.store.store import ShardData

HARD = 1e14
"""Condition number beyond which float64 factors are not trusted to refine."""
HARDEST = 1e17
"""The same of extended precision."""
DENSE = 700
"""Most unknowns that are solved for in extended precision."""
ROUNDS = 60
SETTLED = 1e-15
EPSILON = float(np.finfo(float).eps)

type Solve = Callable[[Array], Array]


@dataclass(frozen=True)
class Truth:
    """The solution of a sample's system, without its level, and what is known of it."""

    unknowns: Array
    level: float


def solution(system: System) -> Array | None:
    """u with A u = b to the rounding of u itself; None where neither precision finds it. Where constants are free, the
    residual is orthogonal to them."""
    size = system.matrix.pattern.size
    matrix, sides = _bordered(system.matrix), np.zeros(size + len(system.matrix.null_space))
    largest = float(np.abs(system.rhs).max())
    if largest == 0.0:
        return np.zeros(size)
    if not (np.isfinite(matrix.data).all() and np.isfinite(largest)):
        return None
    shift = int(np.frexp(largest)[1])
    sides[:size] = np.ldexp(system.rhs, -shift)
    scales = _scales(matrix)
    even = csr_array(diags_array(scales) @ matrix @ diags_array(scales))
    even.sort_indices()
    found = _refined(even, scales * sides)
    if found is None:
        return None
    with np.errstate(over="ignore"):
        u = np.ldexp(found * scales, shift)[:size]
    return u if np.isfinite(u).all() else None


def _bordered(matrix: Matrix) -> csr_array:
    """The matrix, with the vectors of its null space beside and below."""
    plain = matrix.sparse()
    if not matrix.null_space:
        return plain
    border = csr_array(np.stack(matrix.null_space, axis=1) * 2.0 ** float(np.frexp(matrix.largest)[1]))
    return csr_array(bmat([[plain, border], [border.T, None]]))


def _scales(matrix: csr_array) -> Array:
    """Powers of two that bring the largest entry of every row near one, from both sides."""
    scales = np.ones(matrix.shape[0])
    for _ in range(3):
        largest = abs(diags_array(scales) @ matrix @ diags_array(scales)).max(axis=1).toarray().ravel()
        scales *= 2.0 ** -np.round(0.5 * np.log2(np.where(largest > 0.0, largest, 1.0)))
    return scales


def _refined(matrix: csr_array, sides: Array) -> Array | None:
    for factorise in (_in_float64, _in_extended):
        solve = factorise(matrix)
        u = None if solve is None else _iterated(matrix, sides, solve)
        if u is not None:
            return u
    return None


def _iterated(matrix: csr_array, sides: Array, solve: Solve) -> Array | None:
    """Iterative refinement until the correction is what rounding leaves."""
    u, before = solve(sides), np.inf
    for _ in range(ROUNDS):
        correction = solve(residual(matrix.indptr, matrix.indices, matrix.data, u, sides))
        u, last = u + correction, float(np.abs(correction).max())
        if not np.isfinite(last):
            return None
        if last <= SETTLED * np.abs(u).max():
            return u
        if last >= 0.5 * before:
            return u if last <= 1e2 * SETTLED * np.abs(u).max() else None
        before = last
    return None


def _in_float64(matrix: csr_array) -> Solve | None:
    try:
        factors = splu(matrix.tocsc())
    except RuntimeError:  # singular
        return None
    inverse = LinearOperator(
        matrix.shape, matvec=factors.solve, rmatvec=lambda v: factors.solve(v, trans="T"), dtype=np.float64
    )
    condition = float(onenormest(inverse)) * float(abs(matrix).sum(axis=0).max())
    return factors.solve if condition < HARD else None


def _in_extended(matrix: csr_array) -> Solve | None:
    """LU with partial pivoting in extended precision."""
    size = matrix.shape[0]
    if size > DENSE:
        return None
    rows, order = matrix.toarray().astype(np.longdouble), np.arange(size)
    for k in range(size - 1):
        pivot = k + int(np.abs(rows[k:, k]).argmax())
        if rows[pivot, k] == 0.0:
            return None
        if pivot != k:
            rows[[k, pivot]], order[[k, pivot]] = rows[[pivot, k]], order[[pivot, k]]
        below = k + 1 + np.flatnonzero(rows[k + 1 :, k])
        rows[below, k] /= rows[k, k]
        right = k + 1 + np.flatnonzero(rows[k, k + 1 :])
        rows[np.ix_(below, right)] -= np.outer(rows[below, k], rows[k, right])
    pivots = np.abs(np.diag(rows))
    if not pivots.min() > 0.0:
        return None

    def solve(sides: Array) -> Array:
        x = sides.astype(np.longdouble)[order]
        for k in range(size):
            x[k] -= rows[k, :k] @ x[:k]
        for k in reversed(range(size)):
            x[k] = (x[k] - rows[k, k + 1 :] @ x[k + 1 :]) / rows[k, k]
        return np.asarray(x, dtype=np.float64)

    probe = np.random.default_rng(0).choice([-1.0, 1.0], size)
    return solve if float(np.abs(solve(probe)).max() * abs(matrix).sum(axis=1).max()) < HARDEST else None


def true_solution(job: FieldJob, number: int, split: str = "train") -> Truth | None:
    """The exact solution of the discrete equation of a sample; None where it cannot be found."""
    equation = job.discretisation.equation(job.instance(split, number))
    assert isinstance(equation, LinearEquation)
    u = solution(equation.system)
    return None if u is None else Truth(u, equation.level)


def errors(job: FieldJob, data: ShardData, number: int, truth: Truth) -> tuple[float, float]:
    """How far the stored solution is from the truth, relative to what varies in it, in the norm of the discretisation;
    and how far the rounding of the truth itself may put it off."""
    grid = job.discretisation
    stored = grid.from_fields(data.arrays["solution"][number].astype(np.float64)) - truth.level
    exact = truth.unknowns
    if grid.null_space:
        stored, exact = grid.centred(stored), grid.centred(exact)
    whole = grid.norm(exact + truth.level)
    size = max(varying(grid.variation(u), whole) for u in (exact, stored))  # labels tell it of what they hold
    if size == 0.0:
        return float(grid.norm(stored) > 0.0), 0.0
    return grid.norm(stored - exact) / size, 4.0 * EPSILON * whole / size
