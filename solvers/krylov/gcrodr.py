"""GCRO-DR: GMRES with deflated restarts whose deflation space is carried to the next system."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.krylov.basis import Basis, RightPreconditioned
from pdemill.solvers.krylov.learning import Learning
from pdemill.solvers.krylov.recycle_space import RecycleSpace
from pdemill.solvers.operators.system import Matrix
from pdemill.solvers.solution import Result

MISSES = 3
"""So often the true residual may contradict the one of the recurrence."""


def gcrodr(
    operator: RightPreconditioned,
    matrix: Matrix,
    b: Array,
    space: RecycleSpace | None,
    solutions: Array | None,
    basis: Basis,
    rtol: float,
    limit: int,
) -> tuple[Array, Result, int, RecycleSpace | None]:
    """Solve A x = b to ‖b - A x‖ <= rtol ‖b‖, starting from the recycled space.

    Parks, de Sturler, Mackey, Johnson, Maiti 2006, SIAM J. Sci. Comput. 28(5), appendix, algorithm GCRO-DR(m, k), with
    right preconditioning. ``operator`` has loaded ``matrix``; ``basis`` is work space. ``solutions``: the space in x
    instead of y = M x, to be carried to this matrix, where the operator can. Returns x, how it ended, the number of
    products with A, and the space for the next system.
    """
    goal = rtol * float(np.linalg.norm(b))
    used, misses, learning = 0, 0, Learning()
    basis.begin(b, space)
    if space is not None:
        if space.matrix is matrix:
            learning = space.learning.next_system(space.sigma)
        elif solutions is not None and (images := operator.images(solutions)) is not None:
            used += basis.carry_solutions(*images)
        else:
            used += basis.carry()
        basis.project()
    cheap = learning.rough and matrix.properties.symmetric and matrix.properties.definite
    while True:
        norm = float(np.linalg.norm(basis.r))
        if not np.isfinite(norm):
            return basis.y, Result.NOT_FINITE, used, None
        if norm <= goal:
            x = operator.precondition(basis.y)
            basis.r = operator.residual(x, b)
            norm = float(np.linalg.norm(basis.r))
            if norm <= goal:
                return x, Result.CONVERGED, used, basis.space(matrix, learning)
            misses += 1
            if misses > MISSES:
                return x, Result.MISSED_TOLERANCE, used, None
            if basis.kept:  # the recurrence lied: A M⁻¹ U = C no longer holds
                used += basis.carry()
                basis.project()
                continue
        if used >= limit:
            return operator.precondition(basis.y), Result.MAX_ITERATIONS, used, basis.space(matrix, learning)
        products, stuck = basis.cycle(0.98 * goal, learning.refresh or not basis.kept, cheap)
        used += products
        if stuck and np.linalg.norm(basis.r) > goal:
            return operator.precondition(basis.y), Result.BREAKDOWN, used, None
