"""The systems of SKR's Darcy and Helmholtz data as its scripts make them, and the solvers as it ran them.

Wang et al. 2024 (arXiv 2401.09516): the matrices are those of ``published.skr_matrix``, every entry of the right-hand
side is h², and iterations begin at 0. All but ICC and ILU ran on 72 MPI processes, which share the rows: PETSc's block
Jacobi and additive Schwarz have 72 blocks then, and SOR sweeps within these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from benchmarks.shared.published import skr_matrix
from benchmarks.shared.sequences import Drawn
from pdemill.solvers.krylov.solver import SkrSolver
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.ordering.order import solve_order
from pdemill.solvers.petsc import Krylov, Preconditioned
from pdemill.spec import Spec
from pdemill.spec.properties import Properties

PROCESSES = 72
LIMIT = 10_000
"""Iterations at which PETSc gives up; the paper's means count such a system with as many."""
RESTART, RECYCLE = 40, 20
WATCHED = 0.95
"""The part of a tolerance at which GMRES stops here: first by its recurrence, then the true residual is looked at."""
SPLIT = {"bjacobi": ("bjacobi", "ilu"), "asm": ("asm", "ilu"), "sor": ("bjacobi", "sor")}
"""What 72 processes make of a preconditioner: blocks, and what is done in each."""
NEITHER = Properties(symmetric=False, definite=False, constant=False, dimension=2)


def published_systems(spec: Spec, samples: int) -> list[System]:
    """The first samples of a spec as the published script assembles them, each after the one whose medium and wave
    number are most like it. On n x n points the inner (n - 2)² are unknowns."""
    drawn = Drawn.of(spec, samples)
    points = drawn.job.discretisation.points
    media = [np.asarray(instance.drawn("coefficient")[0](points)) for instance in drawn.instances]
    numbers = [float(i.drawn("wavenumber")[0](points)) if "wavenumber" in i.problem.operator_fields else 0.0
               for i in drawn.instances]  # fmt: skip
    systems, pattern = [], None
    for w, kappa in zip(media, numbers, strict=True):
        a = skr_matrix(w, kappa)
        a.eliminate_zeros()
        a.sort_indices()
        pattern = pattern or Pattern(a.indptr.astype(np.int32), a.indices.astype(np.int32))
        rhs = np.full(pattern.size, 1.0 / (len(w) - 3) ** 2)
        systems.append(System(Matrix(pattern, a.data, NEITHER), rhs))
    features = np.array([np.append(w.ravel(), kappa) for w, kappa in zip(media, numbers, strict=True)])
    return [systems[i] for i in solve_order("greedy", features)]


@dataclass(frozen=True)
class Tried:
    """One system: iterations, LIMIT of them where the solver gave up, CPU seconds, and the share of values below 0."""

    iterations: int
    seconds: float
    negative: float = float("nan")


class Restarted:
    """GMRES(restart) with a preconditioner as the paper's machines make it.

    Its steps to a loose tolerance are the first ones to a tight one. So it runs to the tightest alone, and its
    residuals tell where it would have stopped at the others; of the time, these have the share of their iterations.
    """

    def __init__(self, preconditioner: str, restart: int) -> None:
        self._preconditioner, self._restart = preconditioner, restart

    def __call__(self, systems: Sequence[System], rtols: Sequence[float]) -> dict[float, list[Tried]]:
        found: dict[float, list[Tried]] = {rtol: [] for rtol in rtols}
        gmres = _gmres(systems[0].matrix.pattern, self._preconditioner, self._restart)
        for system in systems:
            gmres.ksp.setConvergenceHistory(length=LIMIT + 2, reset=True)
            begin = process_time()
            _, result, most = gmres.solve(system.matrix, system.rhs, None, min(rtols), LIMIT)
            seconds = process_time() - begin
            norms = gmres.ksp.getConvergenceHistory() / np.linalg.norm(system.rhs)
            for rtol in rtols:
                below = np.flatnonzero(norms <= WATCHED * rtol)
                iterations = most if rtol == min(rtols) and result.ok else int(below[0]) if len(below) else LIMIT
                found[rtol].append(Tried(iterations, seconds * iterations / most))
        return found


class Recycled:
    """GCRO-DR(40, 20) with a preconditioner as the paper's machines make it. ``carried=False`` forgets the recycled
    space after every system: fresh deflated restarts."""

    def __init__(self, preconditioner: str, carried: bool = True) -> None:
        self._make, self._carried = partial(_preconditioned, preconditioner=preconditioner), carried

    def __call__(self, systems: Sequence[System], rtol: float) -> list[Tried]:
        solver = SkrSolver([self._make], RESTART, RECYCLE, rtol, LIMIT, always=True)
        state, found = solver.start(), []
        for system in systems:
            begin = process_time()
            solution = solver.solve(system, state)
            seconds = process_time() - begin
            state = solution.state if self._carried else solver.start()
            iterations = solution.stats.iterations if solution.result.ok else LIMIT
            found.append(Tried(iterations, seconds, float(np.mean(solution.value < 0.0))))
        return found


def _preconditioned(pattern: Pattern, preconditioner: str) -> Preconditioned:
    made = Preconditioned(pattern, SPLIT.get(preconditioner, (preconditioner,))[0])
    _split(made.pc, preconditioner)
    return made


def _gmres(pattern: Pattern, preconditioner: str, restart: int) -> Krylov:
    made = Krylov(pattern, "gmres", SPLIT.get(preconditioner, (preconditioner,))[0], restart)
    _split(made.ksp.getPC(), preconditioner)
    return made


def _split(pc: Any, preconditioner: str) -> None:
    """Give a preconditioner the blocks of 72 processes."""
    if preconditioner not in SPLIT:
        return
    from petsc4py import PETSc

    kind, inner = SPLIT[preconditioner]
    options: Any = PETSc.Options(pc.getOptionsPrefix())
    options[f"pc_{kind}_blocks"] = PROCESSES
    options["sub_pc_type"] = inner
    pc.setFromOptions()
