"""One matrix, right-hand sides of few numbers: as many solves as there are numbers, and nothing lost where there are
none to find. Solves are counted by a solver that counts what reaches it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pdemill.errors import FamilyError
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.methods.direct import BLOCK
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.sequence import Sequence
from pdemill.solvers.sketch import LENGTH, Sketch
from pdemill.solvers.solution import Result, Solution, Solver
from pdemill.solvers.span import LIMIT, SpanSolver
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import load_preset, validate
from pdemill.store.layout import Shard

SQUARE = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]}
THERMAL: dict[str, Any] = {
    "family": "thermal", "resolution": {"h": 0.1}, "domain": SQUARE,
    "boundary": {"edge0": {"dirichlet": {"uniform": [0, 1]}}, "edge1": {"neumann": {"uniform": [-1, 1]}},
                 "default": {"neumann": 0}},
}  # fmt: skip
SAME = {"field": "expression", "formula": "3 + 0 * a", "where": {"a": {"uniform": [0, 1]}}}
ROBIN: dict[str, Any] = {
    "family": "poisson", "resolution": [24, 20], "source": {"field": "gaussian", "modes": 16, "alpha": 1.0},
    "boundary": {"left": {"robin": {"coefficient": 2, "value": {"uniform": [0, 1]}}}, "default": {"dirichlet": 0}},
}  # fmt: skip


def _job(problem: dict[str, Any], method: str = "direct", **options: Any) -> FieldJob:
    return FieldJob(validate({"problem": problem, "samples": 64, "solver": {"method": method, **options}}))


def _systems(job: FieldJob, count: int) -> list[System]:
    return [job.discretisation.assemble(job.instance("train", i)) for i in range(count)]


class Counting(Solver[Any]):
    """A solver that counts the systems that reach it."""

    def __init__(self, inner: Solver[Any]) -> None:
        self.inner, self.solves = inner, 0

    def start(self) -> Any:
        return self.inner.start()

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return self.inner.batch(pattern, constant)

    def solve(self, system: System, state: Any) -> Solution[Any]:
        return self.solve_batch([system], state)[0]

    def solve_batch(self, systems: list[System], state: Any) -> list[Solution[Any]]:
        self.solves += len(systems)
        return self.inner.solve_batch(systems, state)


def _run(
    job: FieldJob, systems: list[System], batch: int = 1, within: float = 5e-9
) -> tuple[list[Solution[Any]], Counting]:
    inner = Counting(job.method.solver())
    solver = SpanSolver(inner, job.method.rtol, within)
    state, solved = solver.start(), []
    for begin in range(0, len(systems), batch):
        solved += solver.solve_batch(systems[begin : begin + batch], state)
        state = solved[-1].state
    return solved, inner


def test_a_direct_solver_solves_as_many_systems_as_there_are_numbers() -> None:
    job = _job(THERMAL)
    systems = _systems(job, 30)
    solved, inner = _run(job, systems)
    assert inner.solves == 2
    assert max(relative_residual(s, x.value) for s, x in zip(systems, solved, strict=True)) <= 1e-12


@pytest.mark.parametrize("method", ["cg", "gmres", "skr"])
def test_an_iteration_solves_twice_as_many(method: str) -> None:
    """Once to the tolerance, and once for what that left."""
    job = _job(THERMAL, method)
    systems = _systems(job, 30)
    solved, inner = _run(job, systems, within=0.3)
    assert 2 <= inner.solves <= 4
    assert sum(x.stats.iterations == 0 for x in solved) == 30 - inner.solves
    assert max(relative_residual(s, x.value) for s, x in zip(systems, solved, strict=True)) <= 1e-8


def test_the_paper_plate_takes_seven_times_fewer_iterations() -> None:
    """skr-thermal on a coarser mesh, whole shards, all certified: two numbers differ."""
    found = {}
    for guess in ("span", "zero"):
        settings = ["samples=40", "certify.refine=0", f"solver={{method: cg, guess: {guess}}}"]
        job = FieldJob(load_preset("skr-thermal", [*settings, "problem.resolution.h=0.05"]))
        data, _ = solve_shard(job, Shard("train", 0, 0, 40), lambda progress: None)
        assert (data.arrays["rel_residual"] <= 1e-8).all()
        assert (data.arrays["method"] == job.method_names().index("cg")).all()
        found[guess] = data.arrays["iterations"].sum()
    assert 7 * found["span"] <= found["zero"]


@pytest.mark.parametrize("problem", [THERMAL, ROBIN], ids=["two numbers", "independent"])
def test_a_solution_has_the_same_bits_in_any_batch(problem: dict[str, Any]) -> None:
    job = _job(problem)
    systems = _systems(job, 21)
    alone, _ = _run(job, systems)
    for batch in (2, BLOCK, 21):
        together, _ = _run(job, systems, batch)
        assert all(np.array_equal(a.value, b.value) for a, b in zip(alone, together, strict=True))


def test_looking_ends_when_the_first_right_hand_sides_are_independent() -> None:
    job = _job(ROBIN)
    matrix = _systems(job, 1)[0].matrix
    rng = np.random.default_rng(0)
    systems = [System(matrix, rng.standard_normal(matrix.pattern.size)) for _ in range(LIMIT + 1)]
    solved, inner = _run(job, systems)
    span = solved[-1].state.span
    assert inner.solves == LIMIT + 1
    assert span.closed
    assert not span.solutions


def test_a_better_guess_takes_fewer_iterations() -> None:
    job = _job(ROBIN, "cg")
    system = _systems(job, 1)[0]
    solver = job.method.solver()
    cold = solver.solve(system, solver.start())
    noise = 1e-4 * np.random.default_rng(1).standard_normal(len(cold.value)) * np.abs(cold.value).max()
    for method in ("cg", "gmres", "skr"):
        solver = _job(ROBIN, method).method.solver()
        cold = solver.solve(system, solver.start())
        warm = solver.solve(replace(system, guess=cold.value + noise), solver.start())
        assert relative_residual(system, warm.value) <= 1e-8
        assert 0 < warm.stats.iterations < cold.stats.iterations


def test_a_failed_solution_is_not_kept() -> None:
    job = _job(THERMAL, "cg", max_iterations=1, preconditioner="none")
    solved, inner = _run(job, _systems(job, 4), within=0.3)
    assert inner.solves == 4
    assert all(x.result is Result.MAX_ITERATIONS and not x.state.span.solutions for x in solved)


def test_a_state_is_never_changed() -> None:
    job = _job(THERMAL)
    first, second, third = _systems(job, 3)
    solver = SpanSolver(job.method.solver(), 1e-8, 5e-9)
    state = solver.solve(first, solver.start()).state
    after = solver.solve(second, state).state
    assert state.span is not None
    assert not state.span.solutions  # nor are there any before a matrix has come again
    assert after.span is not None
    assert len(after.span.solutions) == 2
    found = solver.solve(third, after).value
    solver.solve(third, state)
    assert np.array_equal(solver.solve(third, after).value, found)


def test_a_sketch_keeps_dependence_and_length() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((LIMIT, 5000))
    sketch = Sketch(5000)
    images = np.array([sketch(v) for v in vectors])
    assert images.shape == (LIMIT, LENGTH)
    assert np.linalg.matrix_rank(images) == LIMIT
    mixed = rng.standard_normal(LIMIT)
    assert np.allclose(sketch(mixed @ vectors), mixed @ images, atol=1e-9)
    assert np.mean(np.sum(images**2, axis=1)) == pytest.approx(5000, rel=0.1)
    short = rng.standard_normal(7)
    assert np.array_equal(np.abs(Sketch(7)(short)), np.abs(short))


def test_blocks_give_the_same_bits_at_every_place_and_beside_any_neighbour() -> None:
    for problem in (THERMAL, ROBIN, {**ROBIN, "resolution": [12, 12, 12]}):
        job = _job(problem, guess="zero")
        systems = _systems(job, 2 * BLOCK + 3)
        solver = job.method.solver()
        assert solver.batch(job.discretisation.pattern, True) == BLOCK
        alone = [solver.solve(system, None).value for system in systems]
        together = [solution.value for solution in solver.solve_batch(systems, None)]
        backwards = [solution.value for solution in solver.solve_batch(systems[::-1], None)][::-1]
        for a, b, c in zip(alone, together, backwards, strict=True):
            assert np.array_equal(a, b)
            assert np.array_equal(a, c)


def test_the_factors_of_one_matrix_are_kept_for_the_next_shard_and_change_no_bit() -> None:
    job, fresh = _job(ROBIN, guess="zero"), _job(ROBIN, guess="zero")
    (first,), (other,) = _systems(job, 1), _systems(fresh, 1)
    job.sequence().labels([first], Stopwatch())
    factors = dict(job.kept)
    assert {name for name, _ in factors} == {"factors", "inverse norm"}
    (again,) = job.sequence().labels([first], Stopwatch())
    assert job.kept == factors
    (anew,) = fresh.sequence().labels([other], Stopwatch())
    assert again.unknowns is not None
    assert anew.unknowns is not None
    assert np.array_equal(again.unknowns, anew.unknowns)
    changing = _job({"family": "darcy", "resolution": [8, 8], "coefficient": {"uniform": [1, 2]}})
    changing.sequence().labels(_systems(changing, 1), Stopwatch())
    assert [name for name, _ in changing.kept] == ["fronts"]


def test_the_factors_of_refined_problems_are_kept_too() -> None:
    data = {"problem": ROBIN | {"resolution": [8, 8]}, "samples": 32, "store": {"shard": 16}, "certify": {"refine": 1}}
    job = FieldJob(validate(data | {"solver": {"method": "direct"}}))
    shards = list(job.layout.shards())
    job.solve(shards[0], lambda progress: None)
    kept = dict(job.kept)
    assert job.third is not None
    assert {key[1] for key in kept} == {grid.pattern for grid in (job.discretisation, job.refined, job.third.grid)}
    job.solve(shards[1], lambda progress: None)
    assert job.kept == kept


@pytest.mark.parametrize("problem", [
    {"family": "darcy", "resolution": [12, 12], "coefficient": SAME, "source": {"uniform": [1, 2]}},
    {**THERMAL, "coefficient": SAME},
], ids=["grid", "mesh"])  # fmt: skip
def test_a_matrix_that_is_the_same_is_recognised_though_the_spec_says_random(problem: dict[str, Any]) -> None:
    job = _job(problem, "cg")
    assert not job.problem.properties.constant
    sequence, watch = Sequence(job.method), Stopwatch()
    labels = sequence.labels(_systems(job, 8), watch)
    assert sum(label.iterations > 0 for label in labels) <= 4
    assert all(label.residual <= 1e-8 for label in labels)


@pytest.mark.parametrize("problem", [THERMAL, ROBIN], ids=["mesh", "grid"])
def test_a_matrix_that_is_said_to_be_constant_and_is_not_is_refused(problem: dict[str, Any]) -> None:
    family = "thermal" if problem is THERMAL else "darcy"
    job = _job({**problem, "family": family, "coefficient": {"uniform": [1, 2]}})
    job.discretisation.properties = replace(job.problem.properties, constant=True)  # type: ignore[attr-defined]
    _systems(job, 1)
    with pytest.raises(FamilyError, match="name all fields that enter it"):
        _systems(job, 2)


def test_another_matrix_begins_another_span() -> None:
    job = _job(ROBIN)
    system = _systems(job, 1)[0]
    matrix = system.matrix
    other = Matrix(matrix.pattern, 2.0 * matrix.values, matrix.properties)
    solved, inner = _run(job, [system, replace(system, matrix=other), system])
    assert inner.solves == 3
    assert np.allclose(solved[0].value, 2.0 * solved[1].value, rtol=1e-10)
