"""The compiled preconditioners: the library's M, whatever the order of the rows, and what they leave to the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import diags_array, tril, triu

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.krylov.backends import makers
from pdemill.solvers.krylov.block_kernels import LANES, precondition
from pdemill.solvers.krylov.incomplete import factorise, remainder
from pdemill.solvers.krylov.kinds import KINDS
from pdemill.solvers.krylov.level_schedule import schedules
from pdemill.solvers.krylov.solver import SkrSolver
from pdemill.solvers.krylov.triangular import TriangularPreconditioned
from pdemill.solvers.operators.product import products
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.solution import Result
from pdemill.spec import validate
from pdemill.spec.problem import Properties
from tests.preconditioned import Preconditioned

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
PROBLEMS: dict[str, dict[str, Any]] = {
    "grid": {"family": "darcy", "resolution": [20, 17], "coefficient": {"field": "lognormal", "modes": 16}},
    "box": {"family": "darcy", "resolution": [7, 8, 9], "coefficient": {"field": "lognormal", "modes": 8}},
    "line": {"family": "darcy", "resolution": [40], "coefficient": {"field": "lognormal", "modes": 8}},
    "waves": {"family": "helmholtz", "resolution": [20, 17], "wavenumber": {"uniform": [8, 9]}},
    "wind": {"family": "convection_diffusion", "resolution": [20, 17], "velocity": [{"uniform": [5, 9]}, -4]},
    "mesh": {
        "family": "thermal", "resolution": {"h": 0.07}, "domain": {"shape": "polygon", "outline": SQUARE},
        "boundary": {"edge0": {"dirichlet": {"uniform": [0, 1]}}, "default": {"neumann": 1}},
    },
}  # fmt: skip
CASES = [
    (problem, kind)
    for problem in PROBLEMS
    for kind in KINDS
    if (problem, kind) not in {("wind", "icc"), ("waves", "icc")}
]


def _system(problem: str, sample: int = 0) -> System:
    job = FieldJob(validate({"problem": PROBLEMS[problem], "samples": 4, "seed": 1}))
    return job.discretisation.assemble(job.instance("train", sample))


def _image(operator: TriangularPreconditioned | Preconditioned, v: Array) -> Array:
    """A M⁻¹ v as a cycle makes it."""
    rows = np.stack([v, np.zeros_like(v)])
    source, target = operator.handles([*rows])
    assert products(operator.product, np.array([source]), np.array([target])) == 0
    return np.array(rows[1])


@pytest.mark.needs("petsc4py")
@pytest.mark.parametrize(("problem", "kind"), CASES)
def test_it_is_the_preconditioner_of_the_library(problem: str, kind: str) -> None:
    system = _system(problem)
    ours, library = (make(system.matrix.pattern, kind) for make in (TriangularPreconditioned, Preconditioned))
    assert ours.load(system.matrix)
    assert library.load(system.matrix)
    v = np.random.default_rng(2).standard_normal(system.matrix.pattern.size)
    for found, expected in (
        (ours.precondition(v), library.precondition(v)),
        (ours.residual(v, system.rhs), library.residual(v, system.rhs)),
        (_image(ours, v), _image(library, v)),
    ):
        assert np.linalg.norm(found - expected) <= 1e-12 * np.linalg.norm(expected)


def test_incomplete_factors_agree_with_the_matrix_on_its_pattern_and_leave_out_the_rest() -> None:
    matrix = _system("mesh").matrix
    pattern, A = matrix.pattern, matrix.sparse()
    diagonal = _diagonal(pattern)
    rest = remainder(pattern.indptr, pattern.indices, diagonal)
    both = np.append(matrix.values, np.full(len(rest.indices), np.nan))
    assert factorise(pattern.indptr, pattern.indices, diagonal, rest, True, both)
    factors, left_out = both[: len(matrix.values)], both[len(matrix.values) :]
    F = A.copy()
    F.data = factors
    difference = ((tril(F, -1) + diags_array(np.ones(pattern.size))) @ triu(F) - A).toarray()
    scale = np.abs(matrix.values).max()
    on = A.toarray() != 0
    assert np.abs(difference[on]).max() <= 1e-14 * scale
    found = np.zeros_like(difference)
    rows = np.repeat(np.arange(pattern.size), np.diff(rest.indptr))
    found[rows, rest.indices] = -left_out
    assert not found[on].any()
    assert np.abs(found - difference)[~on].max() <= 1e-14 * scale
    assert np.abs(found).max() > 1e-3 * scale


def _diagonal(pattern: Pattern) -> Any:
    rows = np.repeat(np.arange(pattern.size), np.diff(pattern.indptr))
    return np.flatnonzero(pattern.indices == rows).astype(np.int32)


def _in_natural_order(matrix: Matrix, kind: str, v: Array) -> tuple[Array, Array]:
    """M⁻¹ v and A M⁻¹ v, row by row."""
    pattern, diagonal = matrix.pattern, _diagonal(matrix.pattern)
    n, rest = pattern.size, remainder(pattern.indptr, pattern.indices, diagonal)
    both, d = np.append(matrix.values, np.zeros(len(rest.indices))), matrix.values[diagonal]
    values, left_out = both[: len(matrix.values)], both[len(matrix.values) :]
    if kind in ("icc", "ilu"):
        assert factorise(pattern.indptr, pattern.indices, diagonal, rest, kind == "icc", both)
        one, two = (np.ones(n), np.ones(n)), (1 / values[diagonal], 1 / values[diagonal])
    else:
        one, two = (1 / d, 1 / d), (np.ones(n), 1 / d)

    def added(total: float, indices: Any, entries: Array, x: Array) -> float:
        for j, entry in zip(indices, entries, strict=True):
            total = total - entry * x[j]
        return total

    def solved(b: Array, rows: range, spans: list[slice], scale: Array, factor: Array) -> Array:
        x = np.zeros(n)
        for i in rows:
            x[i] = added(scale[i] * b[i], pattern.indices[spans[i]], values[spans[i]] * factor[i], x)
        return x

    starts, ends = pattern.indptr[:-1], pattern.indptr[1:]
    below = solved(v, range(n), [slice(*ends) for ends in zip(starts, diagonal, strict=True)], *one)
    z = solved(below, range(n - 1, -1, -1), [slice(*span) for span in zip(diagonal + 1, ends, strict=True)], *two)
    if kind in ("icc", "ilu") and len(left_out) < len(values):
        spans = [slice(*span) for span in zip(rest.indptr[:-1], rest.indptr[1:], strict=True)]
        return z, np.array([added(v[i], rest.indices[spans[i]], -left_out[spans[i]], z) for i in range(n)])
    spans = [slice(*span) for span in zip(starts, ends, strict=True)]
    return z, np.array([added(0.0, pattern.indices[spans[i]], -matrix.values[spans[i]], z) for i in range(n)])


@pytest.mark.parametrize(("problem", "kind"), [case for case in CASES if case[1] in ("sor", "icc", "ilu")])
def test_its_products_have_the_bits_of_sums_in_natural_order(problem: str, kind: str) -> None:
    system = _system(problem)
    operator = TriangularPreconditioned(system.matrix.pattern, kind)
    assert operator.load(system.matrix)
    v = np.random.default_rng(2).standard_normal(system.matrix.pattern.size)
    preconditioned, image = _in_natural_order(system.matrix, kind, v)
    assert np.array_equal(operator.precondition(v), preconditioned)
    assert np.array_equal(_image(operator, v), image)
    side_by_side, out = operator.side_by_side(), np.zeros((len(v), LANES))
    precondition(side_by_side.lower, side_by_side.upper, np.repeat(v, LANES), out.ravel())
    assert np.array_equal(out, np.repeat(preconditioned[:, None], LANES, axis=1))


@pytest.mark.parametrize(("problem", "most", "aligned"), [("mesh", 150, 0.0), ("grid", 3 * 37, 0.6)])
def test_rows_of_a_run_have_one_length_and_need_only_rows_of_runs_before(
    problem: str, most: int, aligned: float
) -> None:
    pattern = _system(problem).matrix.pattern
    order, *triangles, _ = schedules(pattern.indptr, pattern.indices, _diagonal(pattern))
    number = np.arange(pattern.size)
    assert (len(order) > 0) == (aligned > 0)
    if len(order):
        number[order] = np.arange(pattern.size)
    for found in triangles:
        assert np.array_equal(np.sort(found.natural), np.arange(pattern.size))
        assert np.array_equal(found.rows, number[found.natural])
        assert np.array_equal(found.columns, number[found.neighbours])
        assert np.array_equal(pattern.indices[found.places], found.neighbours)
        solved, entry = np.zeros(pattern.size, dtype=bool), 0
        for first, stop, length, consecutive in found.runs.tolist():
            count = (stop - first) * length
            columns = found.columns[entry : entry + count].reshape(length, stop - first)
            rows = found.natural[first:stop]
            assert solved[found.neighbours[entry : entry + count]].all()
            assert np.array_equal(np.tile(rows, length), _rows(pattern, found.places[entry : entry + count]))
            if consecutive:
                assert (np.diff(found.rows[first:stop].astype(int)) == 1).all()
                assert (np.diff(columns.astype(int), axis=1) == 1).all()
            solved[rows] = True
            entry += count
        assert solved.all()
        assert entry == (len(pattern.indices) - pattern.size) // 2
        assert len(found.runs) <= most
        assert found.aligned >= aligned * pattern.size


def _rows(pattern: Pattern, places: Any) -> Any:
    """The rows of entries."""
    return np.searchsorted(pattern.indptr, places, side="right") - 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_held_before_changes_no_bit(kind: str) -> None:
    one, other = _system("grid"), _system("grid", 1)
    operator, fresh = (TriangularPreconditioned(one.matrix.pattern, kind) for _ in range(2))
    assert operator.load(one.matrix)
    assert operator.load(Matrix(one.matrix.pattern, other.matrix.values, one.matrix.properties))
    assert operator.load(one.matrix)
    assert fresh.load(one.matrix)
    assert np.array_equal(_image(operator, one.rhs), _image(fresh, one.rhs))


def _dense(values: list[list[float]], **known: bool) -> Matrix:
    pattern = Pattern(np.array([0, 2, 4], dtype=np.int32), np.array([0, 1, 0, 1], dtype=np.int32))
    singular = known.pop("singular", False)
    facts = Properties(known.get("symmetric", False), known.get("definite", False), constant=False, dimension=2)
    return Matrix(pattern, np.array(values).ravel(), facts, (np.ones(2),) if singular else ())


@pytest.mark.parametrize(
    ("kind", "matrix"),
    [
        ("icc", _dense([[1, 2], [2, 1]], symmetric=True)),
        ("ilu", _dense([[1, 1], [1, 1 + 1e-10]])),
        ("ilu", _dense([[np.nan, 1], [1, 2]])),
        ("sor", _dense([[0, 1], [1, 1]])),
        ("jacobi", _dense([[1, -1], [-1, 1]], symmetric=True, singular=True)),
    ],
    ids=["indefinite", "small pivot", "not a number", "zero on the diagonal", "singular"],
)
def test_it_refuses_what_the_library_has_its_own_ways_with(kind: str, matrix: Matrix) -> None:
    operator = TriangularPreconditioned(matrix.pattern, kind)
    assert not operator.load(matrix)
    assert operator.load(_dense([[3, 1], [1, 2]], symmetric=True))


@pytest.mark.needs("petsc4py")
def test_a_matrix_that_is_refused_is_solved_with_the_library_and_the_space_goes_on() -> None:
    """The second of three systems has a zero on its diagonal, which jacobi of the library takes."""
    solver = SkrSolver(makers("jacobi"), 4, 1, 1e-10, 100)
    state = solver.start()
    pattern = Pattern(np.arange(0, 37, 6, dtype=np.int32), np.tile(np.arange(6, dtype=np.int32), 6))
    rng, plain = np.random.default_rng(0), _dense([[0, 0], [0, 0]]).properties
    for corner in (4.0, 0.0, 4.0):
        A = rng.standard_normal((6, 6)) + 4 * np.eye(6)
        A[0, 0] = corner
        b = rng.standard_normal(6)
        solution = solver.solve(System(Matrix(pattern, A.ravel(), plain), b), state)
        state = solution.state
        assert solution.result is Result.CONVERGED
        assert np.linalg.norm(b - A @ solution.value) <= 1e-10 * np.linalg.norm(b)
