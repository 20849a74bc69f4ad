"""The systems of SKR's Darcy and Helmholtz data as its scripts make them, and the solvers as it ran them.

Wang et al. 2024 (arXiv 2401.09516): the matrices are those of ``published.skr_matrix``, every entry of the right-hand
side is h², and iterations begin at 0. All but ICC and ILU ran on 72 MPI processes, which share the rows: PETSc's block
Jacobi and additive Schwarz have 72 blocks then, and SOR sweeps within these.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.shared.published import skr_matrix
from benchmarks.shared.race import Answer
from benchmarks.shared.sequences import Drawn
from pdemill.solvers.krylov.solver import SkrSolver
from pdemill.solvers.methods.gmres import KrylovSolver
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.ordering.order import solve_order
from pdemill.solvers.petsc import Krylov, Preconditioned
from pdemill.solvers.solution import Solver
from pdemill.spec import Spec
from pdemill.spec.properties import Properties

PROCESSES = 72
LIMIT = 10_000
"""Iterations at which PETSc gives up; the paper's means count such a system with as many."""
RECYCLE = 20
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


class AsPublished:
    """GMRES(restart), or where it ``recycles`` GCRO-DR(restart, 20), with a preconditioner as the paper's machines make
    it. ``carried=False`` forgets the recycled space after every system: fresh deflated restarts."""

    def __init__(
        self, recycles: bool, preconditioner: str, rtol: float, restart: int = 40, carried: bool = True
    ) -> None:
        make = partial(_preconditioned, preconditioner=preconditioner)
        gmres = partial(_gmres, preconditioner=preconditioner, restart=restart)
        self._solver: Solver[Any] = (
            SkrSolver([make], restart, RECYCLE, rtol, LIMIT) if recycles else KrylovSolver(gmres, rtol, LIMIT)
        )
        self._carried = carried

    def __call__(self, systems: Sequence[System]) -> list[Answer]:
        state, answers = self._solver.start(), []
        for system in systems:
            solution = self._solver.solve(system, state)
            state = solution.state if self._carried else self._solver.start()
            answers.append(Answer(solution.value, solution.stats.iterations))
        return answers


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
