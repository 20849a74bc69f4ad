"""Algebraic multigrid whose interpolation outlives its matrix: how often it is made, and that nobody can tell."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.amg import Amg, AmgSolver, Interpolation
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Result, Solution
from pdemill.solvers.threads import one_thread
from pdemill.spec import load_preset, validate
from pdemill.spec.job import Spec

pytest.importorskip("petsc4py", reason="petsc4py is not installed")
from pdemill.solvers.aggregation import Aggregation as Hierarchy

PLATE: dict[str, Any] = {
    "family": "thermal", "resolution": {"h": 0.04}, "source": 1,
    "coefficient": {"field": "lognormal", "std": 0.3, "modes": 16},
    "domain": {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    "boundary": {"edge0": {"dirichlet": {"uniform": [0, 1]}}, "default": {"neumann": 0}},
}  # fmt: skip
CUBE = ["problem.resolution=[12, 12, 12]", "samples=6"]
ROUGH: dict[str, Any] = {
    "field": "threshold", "low": 1, "high": 1000,
    "of": {"field": "gaussian", "alpha": 1.0, "tau": 10, "modes": 32},
}  # fmt: skip


class Counting(Hierarchy):
    """Remembers the matrices from which an interpolation was made."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.makes: list[Matrix] = []

    def make(self, matrix: Matrix) -> None:
        self.makes.append(matrix)
        super().make(matrix)


class Counted(AmgSolver):
    """A solver whose hierarchy can be looked at."""

    def __init__(self, rebuild: float = 1.5, limit: int = 1000) -> None:
        self.hierarchies: list[Counting] = []
        super().__init__(self._counting, rebuild, 1e-9, limit)

    def _counting(self, pattern: Any) -> Counting:
        self.hierarchies.append(Counting(pattern))
        return self.hierarchies[-1]

    @property
    def makes(self) -> list[Matrix]:
        return [matrix for hierarchy in self.hierarchies for matrix in hierarchy.makes]


def plate() -> Spec:
    return validate({"problem": PLATE, "samples": 6, "seed": 1})


def systems(spec: Spec, count: int = 6) -> list[System]:
    job = FieldJob(spec)
    return [job.discretisation.assemble(job.instance("train", i)) for i in range(count)]


def solved(solver: AmgSolver, sequence: list[System]) -> list[Solution[Interpolation | None]]:
    found: list[Solution[Interpolation | None]] = []
    state: Interpolation | None = None
    for system in sequence:
        found.append(solver.solve(system, state))
        state = found[-1].state
    return found


def mixed(*shares: tuple[float, float]) -> list[System]:
    """Sums of a smooth medium and one that jumps by 1000 between cells, on one pattern."""
    kinds = []
    for coefficient in ({"uniform": [1, 2]}, ROUGH):
        problem = {"family": "darcy", "resolution": [32, 32], "coefficient": coefficient}
        kinds += systems(validate({"problem": problem, "samples": 1}), 1)
    smooth, rough = (system.matrix.values for system in kinds)
    first = kinds[0].matrix
    return [System(Matrix(first.pattern, a * smooth + b * rough, first.properties), kinds[0].rhs) for a, b in shares]


@pytest.mark.parametrize("spec", [plate(), load_preset("darcy-3d", CUBE)], ids=["plate", "cube"])
def test_one_interpolation_serves_matrices_that_change_slowly(spec: Spec) -> None:
    solver, sequence = Counted(), systems(spec)
    found = solved(solver, sequence)
    assert solver.makes == [sequence[0].matrix]
    counts = [solution.stats.iterations for solution in found]
    assert max(counts) <= 1.5 * counts[0] < 30
    exact = Direct(method="direct").solver()
    for system, solution in zip(sequence, found, strict=True):
        assert solution.result is Result.CONVERGED
        assert relative_residual(system, solution.value) <= 1e-9
        expected = exact.solve(system, None).value
        assert np.linalg.norm(solution.value - expected) <= 1e-6 * np.linalg.norm(expected)


def test_a_worn_interpolation_is_made_again_from_the_next_matrix() -> None:
    sequence = mixed((1, 0), (1, 0.001), (0, 1), (0.01, 1), (0.02, 1))
    patient, solver = Counted(rebuild=1000), Counted(rebuild=1.2)
    kept = [solution.stats.iterations for solution in solved(patient, sequence)]
    counts = [solution.stats.iterations for solution in solved(solver, sequence)]
    assert patient.makes == [sequence[0].matrix]
    assert solver.makes == [sequence[0].matrix, sequence[3].matrix]
    assert counts[:3] == kept[:3]
    assert counts[1] <= 1.2 * counts[0] < counts[2]
    assert max(counts[3:]) < 0.8 * min(kept[3:])


def test_a_matrix_that_the_interpolation_fails_gets_its_own_at_once() -> None:
    sequence = mixed((1, 0), (0, 1))
    own = solved(Counted(), sequence[1:])[0].stats.iterations
    limit = own + 3
    solver = Counted(limit=limit)
    found = solved(solver, sequence)
    assert [solution.result for solution in found] == [Result.CONVERGED] * 2
    assert solver.makes == [system.matrix for system in sequence]
    assert found[1].stats.iterations == limit + own


def test_too_few_iterations_are_a_named_result_and_leave_nothing_behind() -> None:
    found = solved(Counted(limit=2), systems(plate(), 2))
    assert [solution.result for solution in found] == [Result.MAX_ITERATIONS] * 2
    assert [solution.state for solution in found] == [None, None]


def test_a_matrix_that_is_not_finite_fails_alone() -> None:
    sequence = mixed((1, 0), (np.nan, 1), (0, 1), (np.nan, 1), (1, 0))
    results = [solution.result for solution in solved(Counted(), sequence)]
    assert [result.ok for result in results] == [True, False, True, False, True]


def test_a_solve_depends_on_system_and_state_alone() -> None:
    solver, sequence = Counted(), systems(plate())
    first = solved(solver, sequence)
    for before, system, now in zip(first[:2], sequence[1:3], first[1:3], strict=True):
        solver.solve(sequence[5], None)
        assert solver.solve(system, before.state).value.tobytes() == now.value.tobytes()
    assert all(a.value.tobytes() == b.value.tobytes() for a, b in zip(first, solved(Counted(), sequence), strict=True))


def digest() -> str:
    found = sha256()
    with one_thread():
        for solution in solved(Counted(), systems(plate())):
            found.update(solution.value.tobytes())
    return found.hexdigest()


def test_another_process_finds_the_same_bits() -> None:
    code = "from tests.solvers.test_amg import digest; print(digest())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == digest(), ran.stderr


@pytest.mark.parametrize(
    "problem",
    [
        {"family": "helmholtz", "resolution": [8, 8], "wavenumber": 1},
        {"family": "convection_diffusion", "resolution": [8, 8], "velocity": [1, 1]},
    ],
    ids=lambda problem: problem["family"],
)
def test_what_may_not_be_definite_is_refused(problem: dict[str, Any]) -> None:
    fault = Amg(method="amg").objection(validate({"problem": problem, "samples": 1}).problem)
    assert fault is not None
    missed = "symmetric" if problem["family"] == "convection_diffusion" else "definite"
    assert fault.message.startswith(f"amg needs a {missed} operator")
