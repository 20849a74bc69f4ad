"""Weak forms beside a straight DOLFINx script: linear elasticity and a hyperelastic cell, 10,000 unknowns.

Both have the same mesh, elements, quadrature and coefficients, so that their solutions are the same to the tolerance of
the solvers, which is looked at. The script meshes and compiles once, keeps the analysis of MUMPS, and stops Newton's
steps at a residual of 1e-8; it certifies nothing. Drawing the coefficients is not counted for either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.shared.cavity import EXTREMES, cavity, centre_lines, from_tables
from benchmarks.shared.elements import has_dolfinx
from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE = (
    "Process CPU time of one thread per sample, of pdemill with the certificate. After a round that does not count "
    "contestants take turns, and a figure is the median of the rounds. Coefficients are drawn before."
)
SAMPLES = 24
"""Of a shard, of which pdemill keeps the analysis; the script keeps it throughout."""
RTOL, MOST = 1e-8, 30
"""Residual at which the script's Newton steps end, in units of the first, and most of them."""


@dataclass(frozen=True)
class Case:
    """A problem: its elements of order ``order`` on ``cells`` along each axis, the ``degree`` of its quadrature, and
    whether its law is linear."""

    name: str
    order: int
    cells: int
    degree: int
    linear: bool

    def problem(self) -> dict[str, Any]:
        """The problem of pdemill's spec."""
        common = {
            "family": "weak_form", "resolution": [self.cells, self.cells],
            "unknowns": {"u": {"element": f"P{self.order}", "shape": "vector"}}, "degree": self.degree,
            "coefficients": {"E": {"field": "lognormal", "std": 0.5 if self.linear else 0.3}},
        }  # fmt: skip
        if self.linear:
            return common | {
                "form": "E*(inner(sym(grad(u)), sym(grad(v))) + 0.75*div(u)*div(v))*dx - v[1]*dx",
                "boundary": {"left": {"u": {"dirichlet": [0.0, 0.0]}}, "default": "natural"},
            }
        return common | {
            "definitions": {
                "F": "Identity(2) + grad(u)", "psi": "E*((inner(F, F) - 2)/2 - ln(det(F)) + ln(det(F))**2)"
            },
            "form": "derivative(psi*dx, u, v)",
            "boundary": {
                "left": {"u": {"dirichlet": [0.0, 0.0]}}, "right": {"u": {"dirichlet": [0.2, 0.0]}},
                "default": "natural",
            },
        }  # fmt: skip


CASES = (
    Case("elasticity, P1", 1, 70, degree=1, linear=True), Case("elasticity, P2", 2, 35, degree=4, linear=True),
    Case("neo-Hookean cell, P2", 2, 35, degree=4, linear=False),
)  # fmt: skip


class Steps:
    """CPU time by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begin = process_time()
        yield
        self.spent[name] += process_time() - begin


def ours(job: FieldJob) -> Callable[[Steps], list[Array]]:
    """From nothing to the certified fields of all samples, which are drawn already."""
    grid = job.discretisation
    drawn = [job.instance("train", number) for number in range(SAMPLES)]
    for instance in drawn:
        instance.evaluate(grid.points, grid.side_points)

    def solve(steps: Steps) -> list[Array]:
        sequence, found, watch = job.sequence(), list[Array](), Stopwatch()
        for some in batched(drawn, sequence.batch(grid.pattern, constant=False)):
            with steps.step("assemble"):
                equations = [grid.equation(instance) for instance in some]
            for label, instance in zip(job.scheme.labels(equations, sequence, watch), some, strict=True):
                assert label.unknowns is not None, label.reason
                found.append(grid.to_fields(label.unknowns, instance))
        steps.spent |= {name: watch.seconds[name] for name in ("solve", "certify")}
        return found

    return solve


def theirs(case: Case, job: FieldJob, factors: str) -> Callable[[Steps], list[Array]]:
    """The same by DOLFINx and PETSc, as one would write it."""
    import dolfinx_solver  # noqa: F401 - the binary wheel: orders MPI before PETSc
    import ufl
    from dolfinx import fem, mesh
    from dolfinx.fem.petsc import apply_lifting, assemble_matrix, assemble_vector, create_matrix, set_bc
    from mpi4py import MPI
    from petsc4py import PETSc

    square = mesh.create_unit_square(MPI.COMM_SELF, case.cells, case.cells)
    space = fem.functionspace(square, ("Lagrange", case.order, (2,)))
    known = fem.functionspace(square, ("Lagrange", case.order))
    u, E, v = fem.Function(space), fem.Function(known), ufl.TestFunction(space)
    dx = ufl.dx(metadata={"quadrature_degree": case.degree})
    if case.linear:
        strain, other = ufl.sym(ufl.grad(u)), ufl.sym(ufl.grad(v))
        residual = E * (ufl.inner(strain, other) + 0.75 * ufl.div(u) * ufl.div(v)) * dx - v[1] * dx
    else:
        F = ufl.Identity(2) + ufl.grad(u)
        J = ufl.det(F)
        residual = ufl.derivative(E * ((ufl.inner(F, F) - 2) / 2 - ufl.ln(J) + ufl.ln(J) ** 2) * dx, u, v)
    form, jacobian = fem.form(residual), fem.form(ufl.derivative(residual, u))
    sides = [(0.0, (0.0, 0.0))] if case.linear else [(0.0, (0.0, 0.0)), (1.0, (0.2, 0.0))]
    given = []
    for place, value in sides:
        nodes = fem.locate_dofs_geometrical(space, lambda x, at=place: np.isclose(x[0], at))
        given.append(fem.dirichletbc(np.array(value), nodes, space))
    matrix, step = create_matrix(jacobian), fem.Function(space)
    solver = PETSc.KSP().create(PETSc.COMM_SELF)
    solver.setType("preonly")
    solver.setOperators(matrix)
    solver.getPC().setType(factors)
    solver.getPC().setFactorSolverType("mumps")
    matrix.setOption(PETSc.Mat.Option.SYMMETRIC, factors == "cholesky")
    places = known.tabulate_dof_coordinates()[:, :2]
    order = _order(job, places)
    samples = [job.instance("train", number) for number in range(SAMPLES)]
    values = [np.asarray(one.drawn("E")[0](job.discretisation.points))[order] for one in samples]

    def solve(steps: Steps) -> list[Array]:
        found = []
        for value in values:
            E.x.array[:] = value
            u.x.array[:] = 0.0
            first = 0.0
            for _ in range(MOST):
                with steps.step("assemble"):
                    rest = assemble_vector(form)
                    apply_lifting(rest, [jacobian], [given], [u.x.petsc_vec], -1.0)
                    set_bc(rest, given, u.x.petsc_vec, -1.0)
                norm = rest.norm()
                if norm <= RTOL * first:
                    break
                first = first or norm
                with steps.step("assemble"):
                    matrix.zeroEntries()
                    assemble_matrix(matrix, jacobian, given)
                    matrix.assemble()
                with steps.step("solve"):
                    solver.solve(rest, step.x.petsc_vec)
                u.x.array[:] -= step.x.array
                if case.linear:
                    break
            back = np.empty_like(u.x.array.reshape(-1, 2))
            back[order] = u.x.array.reshape(-1, 2)
            found.append(back.T)
        return found

    return solve


def _order(job: FieldJob, places: Array) -> Any:
    """The number among our nodes of each of theirs."""
    own = np.stack(list(job.discretisation.points.coordinates.values()), axis=1)
    mine, other = (np.lexsort(np.round(one * 1e6).T) for one in (own, places))
    order = np.empty(len(own), dtype=np.intp)
    order[other] = mine
    assert np.allclose(own[order], places)
    return order


def measure(case: Case, rounds: int, report: Report, table: Any, steps_table: Any) -> None:
    """All rows of a case."""
    job = open_job(validate({"problem": case.problem(), "samples": SAMPLES, "solver": {"method": "direct"}}))
    assert isinstance(job, FieldJob)
    runs = {"pdemill": ours(job)}
    if has_dolfinx():
        runs |= {f"DOLFINx, {name}": theirs(case, job, kind) for name, kind in (("LU", "lu"), ("LDLᵀ", "cholesky"))}
    labels = {name: run(Steps()) for name, run in runs.items()}
    spent: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    whole: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name in list(runs)[:: -1 if turn % 2 else 1]:
            steps, begin = Steps(), process_time()
            runs[name](steps)
            whole[name].append(1e3 * (process_time() - begin) / SAMPLES)
            spent[name].append(steps.spent)
    best = median(whole["pdemill"])
    for name, times in whole.items():
        pairs = zip(labels[name], labels["pdemill"], strict=True)
        apart = max(float(np.linalg.norm(one - other) / np.linalg.norm(other)) for one, other in pairs)
        table.add(case.name, name, job.discretisation.pattern.size, median(times), median(times) / best, f"{apart:.0e}")
        parts = [median(1e3 * one[step] / SAMPLES for one in spent[name]) for step in ("assemble", "solve", "certify")]
        steps_table.append((case.name, name, *parts))
        report.records.append({"case": case.name, "contestant": name, "milliseconds": times})


def cavities(report: Report) -> None:
    """Flow in a cavity on 64 x 64 cells, beside the tables of Ghia et al. and the extremes of Botella and Peyret."""
    columns = "Re", "unknowns", "off the tables, u", "v", "off the extremes", "CPU s"
    table = report.table("Lid-driven cavity, P2-P1 on 64² cells, in units of the lid's speed", *columns)
    for reynolds in EXTREMES:
        begin = process_time()
        job = open_job(validate({"problem": cavity(reynolds, 64), "samples": 1, "solver": {"method": "direct"}}))
        assert isinstance(job, FieldJob)
        grid, instance = job.discretisation, job.instance("train", 0)
        (label,) = job.scheme.labels([grid.equation(instance)], job.sequence(), Stopwatch())
        seconds = process_time() - begin
        assert label.unknowns is not None, label.reason
        velocity = grid.to_fields(label.unknowns, instance)[:2]
        points = np.stack(list(grid.points.coordinates.values()), axis=1)
        u, v = centre_lines(points, velocity)
        found = (u.min(), v.max(), v.min())
        apart = max(abs(one - known) for one, known in zip(found, EXTREMES[reynolds], strict=True))
        off = from_tables(reynolds, points, velocity)
        table.add(reynolds, grid.pattern.size, *(f"{one:.4f}" for one in (*off, apart)), seconds)
        report.records.append({"case": "cavity", "reynolds": reynolds, "off": off, "extremes": apart})


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, rounds=5).parse_args(given)
    with one_thread(), Report("forms", {"rounds": options.rounds}, options.out, RULE) as report:
        columns = "problem", "contestant", "unknowns", "ms", "this / pdemill", "apart"
        table, rows = report.table("CPU ms per sample of weak forms", *columns), list[Any]()
        for case in CASES[:1] if options.quick else CASES:
            measure(case, options.rounds, report, table, rows)
        note = "Newton's scheme assembles residuals and derivatives while it solves."
        steps = report.table("By step, ms", "problem", "contestant", "assemble", "solve", "certify", note=note)
        for row in rows:
            steps.add(*row)
        if not options.quick:
            cavities(report)


if __name__ == "__main__":
    main()
