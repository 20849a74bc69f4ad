"""Every method against every kind of system: one table of rows, one body."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pdemill import arrays
from pdemill.errors import SpecError
from pdemill.solvers.directions.beginning import begun
from pdemill.solvers.directions.network import Architecture
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.solution import Result
from pdemill.spec import validate
from pdemill.spec.method import LinearMethod, methods

SYSTEMS: dict[str, dict[str, Any]] = {
    "definite": {"family": "darcy", "resolution": [20, 17], "coefficient": {"field": "lognormal", "modes": 16}},
    "definite 3D": {"family": "darcy", "resolution": [7, 8, 9], "coefficient": {"field": "lognormal", "modes": 8}},
    "indefinite": {"family": "helmholtz", "resolution": [20, 17], "wavenumber": {"uniform": [8, 9]}},
    "nonsymmetric": {"family": "convection_diffusion", "resolution": [20, 17], "velocity": [{"uniform": [5, 9]}, -4]},
    "singular": {
        "family": "poisson", "resolution": [20, 17], "source": {"field": "gaussian", "modes": 16},
        "boundary": {"default": {"neumann": 0}},
    },
    "periodic": {
        "family": "darcy", "resolution": [20, 17],
        "coefficient": {"field": "lognormal", "modes": 8, "boundary": "periodic"},
        "source": {"field": "gaussian", "modes": 8, "boundary": "periodic"}, "boundary": {"default": "periodic"},
    },
    "constant": {
        "family": "darcy", "resolution": [7, 8, 9], "domain": {"lengths": [2, 1, 1]},
        "coefficient": {"diagonal": [{"uniform": [1, 5]}, 1, 2]},
        "boundary": {"left": {"neumann": {"uniform": [0, 1]}}, "bottom": "periodic", "top": "periodic"},
    },
    "mesh": {
        "family": "thermal", "resolution": {"h": 0.1},
        "boundary": {"edge0": {"dirichlet": {"uniform": [0, 1]}}, "default": {"neumann": 1}},
        "domain": {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    },
}  # fmt: skip
ANY = ("definite", "definite 3D", "indefinite", "nonsymmetric", "singular", "periodic", "constant", "mesh")
SYMMETRIC = tuple(kind for kind in ANY if kind != "nonsymmetric")
SPD = ("definite", "definite 3D", "singular", "periodic", "constant", "mesh")
FREE = ("singular", "periodic")
"""Matrices with a null space, which compiled preconditioners leave to PETSc."""
NETWORKS = {
    dimension: arrays.hold(Architecture(dimension, 3).packed(begun(Architecture(dimension, 3)))) for dimension in (2, 3)
}
ROWS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"method": "direct"}, ANY),
    ({"method": "auto"}, ANY),
    ({"method": "fft"}, ("indefinite", "singular", "constant")),
    ({"method": "reduced_basis"}, ("indefinite",)),
    ({"method": "multigrid"}, ("definite", "definite 3D", "singular", "constant")),
    ({"method": "dcdm", "directions": {"array": NETWORKS[2]}}, ("definite", "singular")),
    ({"method": "dcdm", "directions": {"array": NETWORKS[3]}}, ("definite 3D",)),
    ({"method": "amg"}, SPD),
    *[({"method": "cg", "preconditioner": p}, SPD) for p in ("none", "jacobi", "bjacobi", "sor", "icc", "gamg")],
    *[({"method": "cg", "preconditioner": p, "recycle": 6}, SPD) for p in ("none", "sor", "icc", "gamg")],
    ({"method": "cg", "preconditioner": "ssor", "omega": "learn"}, SPD),
    ({"method": "sor", "omega": 1.6}, SPD),
    *[({"method": "minres", "preconditioner": p}, SYMMETRIC) for p in ("none", "jacobi")],
    *[({"method": "gmres", "preconditioner": p}, ANY) for p in ("none", "jacobi", "bjacobi", "sor", "ilu", "asm")],
    ({"method": "gmres", "preconditioner": "gamg"}, ("definite", "definite 3D", "mesh")),
    *[({"method": "skr", "preconditioner": p}, ANY) for p in ("none", "jacobi", "bjacobi", "sor", "ilu", "asm")],
    *[({"method": "skr", "preconditioner": p}, SPD) for p in ("icc", "gamg")],
    ({"method": "skr", "restart": 8, "recycle": 3}, ANY),
]
CASES = [
    pytest.param(
        method, kind, id=" ".join([*map(str, method.values()), kind]),
        marks=pytest.mark.needs("petsc4py") if method["method"] in ("cg", "skr") and kind in FREE else (),
    )
    for method, kinds in ROWS
    for kind in kinds
]  # fmt: skip


def _job(method: dict[str, Any], kind: str, rtol: float = 1e-9) -> FieldJob:
    return FieldJob(validate({"problem": SYSTEMS[kind], "samples": 6, "seed": 1, "solver": {**method, "rtol": rtol}}))


def test_the_table_covers_every_method() -> None:
    assert {method["method"] for method, _ in ROWS} == {
        name for name in methods if issubclass(methods[name], LinearMethod)
    }


@pytest.mark.parametrize(("method", "kind"), CASES)
def test_every_sample_is_solved_to_the_tolerance(method: dict[str, Any], kind: str) -> None:
    job = _job(method, kind)
    direct = _job({"method": "direct"}, kind)
    solver, exact = job.method.solver(), direct.method.solver()
    state = solver.start()
    for sample in range(4):
        system = job.discretisation.assemble(job.instance("train", sample))
        solution = solver.solve(system, state)
        state = solution.state
        assert solution.result is Result.CONVERGED
        assert relative_residual(system, solution.value) <= 1e-9
        reference = exact.solve(system, None).value
        found, expected = (job.discretisation.centred(u) for u in (solution.value, reference))
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("method", ["direct", "fft", "multigrid", "amg", "cg", "minres", "gmres", "skr"])
def test_a_zero_right_hand_side_has_the_zero_solution(method: str) -> None:
    kind = "singular" if method == "fft" else "definite"
    spec = validate({"problem": {**SYSTEMS[kind], "source": 0}, "samples": 1, "solver": {"method": method}})
    job = FieldJob(spec)
    solver = job.method.solver()
    solution = solver.solve(job.discretisation.assemble(job.instance("train", 0)), solver.start())
    assert solution.result is Result.CONVERGED
    assert not solution.value.any()


@pytest.mark.parametrize("method", ["cg", "minres", "gmres", "skr"])
def test_too_few_iterations_are_a_named_result(method: str) -> None:
    job = _job({"method": method, "max_iterations": 3, "preconditioner": "none"}, "definite")
    solver = job.method.solver()
    solution = solver.solve(job.discretisation.assemble(job.instance("train", 0)), solver.start())
    assert solution.result is Result.MAX_ITERATIONS
    assert "solver.max_iterations" in solution.result.value


def test_minres_refuses_what_may_not_be_symmetric_or_definite() -> None:
    problem = _job({"method": "direct"}, "nonsymmetric").problem
    fault = methods["minres"](method="minres").objection(problem)
    assert fault is not None
    assert "symmetric" in fault.message
    with pytest.raises(SpecError, match="preconditioner"):
        _job({"method": "minres", "preconditioner": "ilu"}, "indefinite")


def test_minres_takes_fewer_iterations_than_restarted_gmres_for_waves() -> None:
    """The same indefinite matrix and M = I; MINRES minimises over all its steps, GMRES over 20."""
    counts = []
    for method in ({"method": "minres"}, {"method": "gmres", "restart": 20}):
        job = _job({**method, "preconditioner": "none"}, "indefinite")
        solver = job.method.solver()
        solution = solver.solve(job.discretisation.assemble(job.instance("train", 0)), solver.start())
        counts.append(solution.stats.iterations)
    assert counts[0] < 0.5 * counts[1]


def test_a_state_is_never_changed_by_the_solver() -> None:
    job = _job({"method": "skr", "restart": 12, "recycle": 5}, "definite")
    solver = job.method.solver()
    systems = [job.discretisation.assemble(job.instance("train", i)) for i in range(3)]
    state = solver.solve(systems[0], solver.start()).state
    space = state.space
    assert space is not None
    before = space.U.copy(), space.C.copy()
    first = solver.solve(systems[1], state)
    assert np.array_equal(space.U, before[0])
    assert np.array_equal(space.C, before[1])
    solver.solve(systems[2], first.state)
    again = solver.solve(systems[1], state)
    assert np.array_equal(first.value, again.value)
    assert first.stats == again.stats


def test_the_recycled_space_satisfies_its_definition() -> None:
    """A M^-1 U^T = C^T with orthonormal C, for the matrix that it is said to be for."""
    from pdemill.solvers.petsc import Preconditioned

    job = _job({"method": "skr", "restart": 12, "recycle": 5, "preconditioner": "jacobi"}, "indefinite")
    solver = job.method.solver()
    state = solver.start()
    for sample in range(4):
        system = job.discretisation.assemble(job.instance("train", sample))
        state = solver.solve(system, state).state
        space = state.space
        assert space is not None
        operator = Preconditioned(system.matrix.pattern, "jacobi")
        assert operator.load(system.matrix)
        image = np.empty_like(space.U)
        for row, out in zip(space.U, image, strict=True):
            out[:] = -operator.residual(operator.precondition(row), np.zeros_like(row))
        assert np.abs(image - space.C).max() <= 1e-8
        assert np.abs(space.C @ space.C.T - np.eye(len(space.C))).max() <= 1e-9


@pytest.mark.needs("petsc4py")
def test_solvers_leave_signals_alone() -> None:
    """A closed socket or pipe is an error that Python raises, also after PETSc was loaded; it must not end the
    process. In a process of its own."""
    check = (
        "import os, pdemill.solvers.petsc\n"
        "reading, writing = os.pipe()\n"
        "os.close(reading)\n"
        "try:\n"
        "    os.write(writing, b'x')\n"
        "except BrokenPipeError:\n"
        "    print('told')\n"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "told\n"), ran.stderr
