"""Equations in time by DOLFINx: multilinear elements, consistent mass, equal steps of second order.

M u' = b - K u + M r(u), k constant in every cell. Linear equations go by Crank and Nicolson's scheme, its first two
steps as four of half the length by implicit Euler, which have the same matrix M + dt/2 K (Rannacher 1984, "Finite
element solution of diffusion problems with irregular data", Numer. Math. 43). A reaction r is explicit, by Adams and
Bashforth's scheme of second order beside it, after one step of Heun's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pdemill.points import Array, TensorPoints
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.stepping.job import SteppingJob

SYSTEMS: dict[str, dict[str, Any]] = {
    "MUMPS": {"ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": "mumps"},
    "CG, GAMG": {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-8},
    "CG, ICC": {"ksp_type": "cg", "pc_type": "icc", "ksp_rtol": 1e-8},
    "CG, Jacobi": {"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-8},
}
"""How systems are solved: kept factors, or iterations from the last state with a kept preconditioner. With 1e-6 the
errors of all steps add up to more than that in time."""
DAMPED = 2
"""Steps that are halved and taken by implicit Euler."""


class Elements:
    """A sample of a job with one unknown on its cells: assembled once, then integrated by any number of steps."""

    def __init__(self, job: SteppingJob, number: int) -> None:
        terms, grid = job.instance("train", number).terms, job.grid
        cells = np.broadcast_to(terms.diffusion[0](grid.points), grid.shape)
        axes = {
            name: np.linspace(0.0, length, n + 1)
            for name, n, length in zip(grid.axes, grid.shape, grid.lengths, strict=True)
        }
        points = TensorPoints(axes, dict(zip(axes, grid.lengths, strict=True)))
        fixed = job.problem.conditions["left"].essential
        source = float(np.broadcast_to(terms.source(grid.points), grid.shape).flat[0])
        self.times, self.shape = job.times, points.shape
        self._mass, self._stiff, self._load = assembled(grid.lengths, cells, source, fixed)
        assert terms.initial is not None
        assert terms.law is None or isinstance(terms.law, LawFunction)
        self._start = np.broadcast_to(terms.initial(points), self.shape).astype(float)
        if fixed:
            self._start = np.pad(self._start[(slice(1, -1),) * len(self.shape)], 1)
        self._rate = None if terms.law is None else _rate(terms.law, points)

    def frames(self, steps: int, systems: str) -> Array:
        """u at the nodes at all stored times [1, T, *nodes], by so many equal steps in all."""
        per = max(1, round(steps / (len(self.times) - 1)))
        step = (self.times[-1] - self.times[0]) / (per * (len(self.times) - 1))
        solve = solver(csr_array(self._mass + 0.5 * step * self._stiff), systems)
        u, before = self._start.reshape(-1), None
        found = [u]
        for number in range(per * (len(self.times) - 1)):
            if self._rate is not None:
                u, before = self._with_reaction(u, before, step, solve)
            elif number < DAMPED:
                for _ in range(2):
                    u = solve(self._mass @ u + 0.5 * step * self._load, u)
            else:
                u = solve(self._known(u, step), u)
            if (number + 1) % per == 0:
                found.append(u)
        return np.stack(found).reshape(1, len(self.times), *self.shape)

    def _known(self, u: Array, step: float) -> Array:
        return np.asarray(self._mass @ u - 0.5 * step * (self._stiff @ u) + step * self._load)

    def _with_reaction(
        self, u: Array, before: Array | None, step: float, solve: Callable[[Array, Array], Array]
    ) -> tuple[Array, Array]:
        assert self._rate is not None
        known, rate = self._known(u, step), self._rate(u)
        if before is None:
            ahead = solve(known + step * (self._mass @ rate), u)
            return solve(known + 0.5 * step * (self._mass @ (rate + self._rate(ahead))), ahead), rate
        return solve(known + step * (self._mass @ (1.5 * rate - 0.5 * before)), u), rate


def _rate(law: LawFunction, points: TensorPoints) -> Callable[[Array], Array]:
    def rate(u: Array) -> Array:
        return np.asarray(-law.at(points, {"u": u.reshape(points.shape)})[0].reshape(-1))

    return rate


@cache
def _forms(lengths: tuple[float, ...], shape: tuple[int, ...]) -> Any:
    """What samples share: space, coefficient, compiled forms, nodes at the side; cells and nodes in DOLFINx's order."""
    import dolfinx_solver  # noqa: F401 - the binary wheel: orders MPI before PETSc
    import ufl
    from dolfinx import fem, mesh
    from mpi4py import MPI

    corners = [np.zeros(len(shape)), np.array(lengths)]
    if len(shape) == 2:
        box = mesh.create_rectangle(MPI.COMM_SELF, corners, list(shape), mesh.CellType.quadrilateral)
    else:
        box = mesh.create_box(MPI.COMM_SELF, corners, list(shape), mesh.CellType.hexahedron)
    space, flat = fem.functionspace(box, ("Lagrange", 1)), fem.functionspace(box, ("DG", 0))
    k, f = fem.Function(flat), fem.Constant(box, 0.0)
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    mass = fem.form(u * v * ufl.dx)
    stiff, load = fem.form(k * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx), fem.form(f * v * ufl.dx)
    edge = len(shape) - 1
    box.topology.create_connectivity(edge, edge + 1)
    sides = fem.locate_dofs_topological(space, edge, mesh.exterior_facet_indices(box.topology))
    spacing = np.divide(lengths, shape)
    places = [np.rint(one.tabulate_dof_coordinates()[:, : len(shape)] / spacing - off).astype(int)
              for one, off in ((flat, 0.5), (space, 0.0))]  # fmt: skip
    cells = np.ravel_multi_index(tuple(places[0].T), shape)
    nodes = np.ravel_multi_index(tuple(places[1].T), tuple(n + 1 for n in shape))
    return fem, space, k, f, mass, stiff, load, sides, cells, np.argsort(nodes)


def assembled(
    lengths: tuple[float, ...], cells: Array, source: float, fixed: bool
) -> tuple[csr_array, csr_array, Array]:
    """M, K and b, nodes in the order of arrays; ``cells``: k in them; ``fixed``: u = 0 on all sides."""
    fem, space, k, f, mass, stiff, load, sides, order, nodes = _forms(tuple(lengths), cells.shape)
    k.x.array[:] = cells.reshape(-1)[order]
    f.value = source
    bcs = [fem.dirichletbc(0.0, sides, space)] if fixed else []
    b = fem.assemble_vector(load).array.copy()
    if fixed:
        b[sides] = 0.0
    m, stiffness = (
        csr_array(fem.assemble_matrix(form, bcs=bcs, diag=one).to_scipy())[nodes][:, nodes]
        for form, one in ((mass, 1.0), (stiff, 0.0))
    )
    return csr_array(m), csr_array(stiffness), b[nodes]


def solver(matrix: csr_array, systems: str) -> Callable[[Array, Array], Array]:
    """Solves systems with a matrix, from a right side and a guess."""
    from pdemill.solvers.petsc import PETSc  # late: it loads MPI

    options, size = SYSTEMS[systems], matrix.shape[0]
    parts = matrix.indptr.astype(PETSc.IntType), matrix.indices.astype(PETSc.IntType), matrix.data
    a = PETSc.Mat().createAIJ((size, size), csr=parts, comm=PETSc.COMM_SELF)
    ksp = PETSc.KSP().create(PETSc.COMM_SELF)
    ksp.setOperators(a)
    ksp.setType(options["ksp_type"])
    ksp.getPC().setType(options["pc_type"])
    if "pc_factor_mat_solver_type" in options:
        ksp.getPC().setFactorSolverType(options["pc_factor_mat_solver_type"])
    else:
        ksp.setTolerances(rtol=options["ksp_rtol"])
        ksp.setInitialGuessNonzero(True)
    b, x = (PETSc.Vec().createWithArray(np.zeros(size), comm=PETSc.COMM_SELF) for _ in range(2))

    def solve(right: Array, guess: Array) -> Array:
        b.getArray()[:] = right
        x.getArray()[:] = guess
        ksp.solve(b, x)
        return np.array(x.getArray())

    return solve
