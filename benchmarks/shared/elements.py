"""Nonlinear diffusion by DOLFINx: bilinear elements, Newton's method of PETSc's SNES."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from pdemill.points import Array

SYSTEMS: dict[str, dict[str, Any]] = {
    "MUMPS": {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"},
    "GAMG": {
        "ksp_type": "gmres", "pc_type": "gamg", "snes_ksp_ew": True, "mg_levels_ksp_type": "richardson",
        "mg_levels_pc_type": "sor",
    },
}  # fmt: skip
"""How the systems of Newton's steps are solved: factors, or GMRES with algebraic multigrid to the forcing terms of
Eisenstat and Walker."""


def has_dolfinx() -> bool:
    """Whether DOLFINx can take part."""
    return find_spec("dolfinx") is not None


def solver(
    cells: int, systems: str, source: Callable[[Array, Array, float], Array]
) -> Callable[[float], tuple[Array, Array, Array]]:
    """-div((1 + u²) grad u) = f on the unit square, u = 0 on the sides: from the number of a sample to the coordinates
    of nodes and u there. Forms are compiled, and everything that samples share is made, once."""
    import dolfinx_solver  # noqa: F401 - the binary wheel: orders MPI before PETSc
    import ufl
    from dolfinx import fem, mesh
    from dolfinx.fem.petsc import NonlinearProblem
    from mpi4py import MPI

    square = mesh.create_unit_square(MPI.COMM_SELF, cells, cells, mesh.CellType.quadrilateral)
    space = fem.functionspace(square, ("Lagrange", 1))
    u, f, v = fem.Function(space), fem.Function(space), ufl.TestFunction(space)
    square.topology.create_connectivity(1, 2)
    outside = fem.locate_dofs_topological(space, 1, mesh.exterior_facet_indices(square.topology))
    form = (1 + u**2) * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx - f * v * ufl.dx
    options = {
        "snes_type": "newtonls", "snes_linesearch_type": "bt", "snes_rtol": 1e-8, "snes_atol": 1e-50, "snes_stol": 0.0,
        "snes_error_if_not_converged": True, **SYSTEMS[systems],
    }  # fmt: skip
    problem = NonlinearProblem(
        form, u, bcs=[fem.dirichletbc(0.0, outside, space)], petsc_options_prefix=f"{systems}{cells}_",
        petsc_options=options,
    )  # fmt: skip
    x, y = space.tabulate_dof_coordinates()[:, :2].T.copy()

    def solve(number: float) -> tuple[Array, Array, Array]:
        f.x.array[:] = source(x, y, number)
        u.x.array[:] = 0.0
        problem.solve()
        return x, y, np.array(u.x.array)

    return solve
