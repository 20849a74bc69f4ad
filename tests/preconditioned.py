"""A M⁻¹ for tests of compiled methods: by PETSc, which takes every matrix, or by our own code where there is none."""

from __future__ import annotations

from pdemill.solvers.installed import has_petsc
from pdemill.solvers.krylov.triangular import TriangularPreconditioned

if has_petsc():
    from pdemill.solvers.petsc import Preconditioned
else:
    Preconditioned = TriangularPreconditioned  # type: ignore[assignment, misc]

__all__ = ["Preconditioned"]
