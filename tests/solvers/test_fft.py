"""Fast transforms solve the very system that was assembled: against MUMPS, and never when it is another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.methods.candidates import for_few
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.methods.fft import Fft, FftSolver
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.sequence import Sequence
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.domain import BOX_SIDES
from pdemill.store.layout import Shard

HELD, FLUX = {"dirichlet": {"uniform": [-1, 1]}}, {"neumann": {"uniform": [-1, 1]}}
ENDS: tuple[Any, ...] = ((HELD, HELD), (FLUX, FLUX), (HELD, FLUX), (FLUX, HELD), ("periodic", "periodic"))
SOURCE = {"field": "expression", "formula": "sin(3 * x) * exp(a * x)", "where": {"a": {"uniform": [1, 2]}}}


def _job(samples: int = 3, **problem: Any) -> FieldJob:
    return FieldJob(validate({"problem": {"family": "darcy", "source": SOURCE, **problem}, "samples": samples}))


def _system(job: FieldJob, sample: int = 0) -> System:
    return job.discretisation.assemble(job.instance("train", sample))


def _difference(job: FieldJob, system: System) -> float:
    """How far fft and MUMPS are apart, relative, where constants are free without them."""
    fast = FftSolver().solve(system, None)
    exact = Direct(method="direct").solver().solve(system, None)
    assert fast.result is exact.result is Result.CONVERGED
    assert relative_residual(system, fast.value) <= 1e-12 + 3 * relative_residual(system, exact.value)
    found, expected = (job.discretisation.centred(s.value) for s in (fast, exact))
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def _sides(dimension: int) -> Iterator[dict[str, Any]]:
    """Every combination of kinds of ends."""
    for ends in product(ENDS, repeat=dimension):
        pairs = zip(BOX_SIDES, ends, strict=False)
        yield {side: condition for sides, pair in pairs for side, condition in zip(sides, pair, strict=True)}


@pytest.mark.parametrize("resolution", [(31,), (16, 9), (5, 4, 6)], ids=["1D", "2D", "3D"])
def test_every_combination_of_sides_agrees_with_mumps(resolution: tuple[int, ...]) -> None:
    """With a diagonal tensor that changes from sample to sample and a box of unlike lengths."""
    dimension = len(resolution)
    coefficient = {"diagonal": [{"uniform": [1, 9]}, 2, 0.5][:dimension]}
    domain = {"lengths": [1, 3, 0.5][:dimension]}
    for boundary in _sides(dimension):
        job = _job(resolution=resolution, domain=domain, coefficient=coefficient, boundary=boundary,
                   compatibility="project")  # fmt: skip
        assert job.problem.singular == all(c in (FLUX, "periodic") for c in boundary.values())
        for sample in range(2):
            assert _difference(job, _system(job, sample)) <= 1e-12, boundary


@pytest.mark.needs("petsc4py")
@pytest.mark.parametrize(
    "problem",
    [
        {"family": "screened_poisson", "screening": {"uniform": [1, 100]}, "boundary": {"default": {"neumann": 0}}},
        {"family": "screened_poisson", "screening": 1e12},
        {"family": "screened_poisson", "screening": 1e-4, "boundary": {"default": "periodic"}},
        {"family": "helmholtz", "wavenumber": {"uniform": [8, 8.5]}, "coefficient": {"diagonal": [1, 2]}},
        {"family": "poisson", "resolution": [64, 64]},
        {"family": "poisson", "resolution": [4, 101]},
    ],
)
def test_constant_coefficients_of_every_family_agree_with_mumps(problem: dict[str, Any]) -> None:
    """A small reaction alone makes the matrix nearly singular: what is read of it must not be cancellation."""
    job = _job(**{"resolution": [20, 17], **problem})
    assert _difference(job, _system(job)) <= (1e-9 if problem.get("screening") == 1e-4 else 1e-12)


def _tampered(matrix: Matrix, row: int, entry: int, relative: float) -> Matrix:
    values = matrix.values.copy()
    values[matrix.pattern.indptr[row] + entry] *= 1.0 + relative
    return replace(matrix, values=values)


@pytest.mark.parametrize(("row", "entry"), [(0, 0), (19, 1), (57, 0), (57, 2), (250, 4)])
def test_a_matrix_with_one_other_entry_is_refused(row: int, entry: int) -> None:
    system = _system(_job(resolution=[20, 17]))
    solver = FftSolver()
    before = solver.solve(system, None)
    assert before.result is Result.CONVERGED
    solution = solver.solve(replace(system, matrix=_tampered(system.matrix, row, entry, 1e-10)), None)
    assert solution.result is Result.NOT_SEPARABLE
    assert np.isnan(solution.value).all()
    assert np.array_equal(solver.solve(system, None).value, before.value)


def test_a_matrix_that_is_refused_is_solved_by_direct() -> None:
    job = _job(resolution=[20, 17])
    system = _system(job)
    other = replace(system, matrix=_tampered(system.matrix, row=57, entry=2, relative=0.5))
    (label,) = Sequence(job.method).labels([other], Stopwatch())
    assert (label.method, label.result) == ("direct", Result.CONVERGED)


@pytest.mark.parametrize(
    "problem",
    [
        {"coefficient": {"field": "lognormal", "modes": 8}},
        {"coefficient": {"field": "expression", "formula": "1 + x"}},
        {"boundary": {"left": {"robin": {"coefficient": 1, "value": 0}}}},
        {"family": "convection_diffusion", "velocity": [0, 1e-6]},
        {"family": "thermal", "resolution": {"h": 0.2}, "domain": {"outline": [[0, 0], [1, 0], [0, 1]]}},
    ],
)
def test_what_is_not_separable_is_found_out_from_the_matrix(problem: dict[str, Any]) -> None:
    """Were such a system handed to fft all the same."""
    solution = FftSolver().solve(_system(_job(**{"resolution": [12, 10], **problem})), None)
    assert solution.result is Result.NOT_SEPARABLE


def test_an_eigenvalue_is_a_singular_matrix() -> None:
    eigenvalue = 2 * (2 * 8 * np.sin(np.pi / 16)) ** 2
    job = _job(family="helmholtz", resolution=[8, 8], wavenumber=float(np.sqrt(eigenvalue)))
    assert FftSolver().solve(_system(job), None).result is Result.SINGULAR


@pytest.mark.parametrize("coefficient", [1, {"uniform": [1, 2]}], ids=["one matrix", "many"])
def test_a_sample_is_the_same_to_the_bit_in_every_shard(coefficient: Any) -> None:
    job = _job(12, resolution=[24, 18], coefficient=coefficient, boundary={"left": "periodic", "right": "periodic"})
    job = job.using(Fft(method="fft"))

    def solved(start: int, stop: int) -> Array:
        data, _ = solve_shard(job, Shard("train", 0, start, stop), lambda progress: None)
        assert not data.failures
        return np.asarray(data.arrays["solution"])

    whole = solved(0, 12)
    assert np.array_equal(whole[5:9], solved(5, 9))
    assert np.array_equal(whole[7:8], solved(7, 8))


FIELD, ROBIN = {"field": "lognormal"}, {"default": {"robin": {"coefficient": 1, "value": 0}}}


@pytest.mark.needs("petsc4py")
@pytest.mark.parametrize(
    ("problem", "method", "refined"),
    [
        ({"family": "poisson", "resolution": [48, 48]}, "fft", "fft"),
        ({"family": "poisson", "resolution": [12, 12]}, "direct", "direct"),
        ({"family": "poisson", "resolution": [16, 16], "boundary": ROBIN}, "direct", "direct"),
        ({"family": "poisson", "resolution": [96, 96], "boundary": ROBIN}, "direct", "direct"),
        ({"family": "poisson", "resolution": [32, 32, 32], "boundary": ROBIN}, "direct", "multigrid"),
        ({"family": "poisson", "resolution": [256, 256, 256]}, "fft", "fft"),
        ({"family": "screened_poisson", "resolution": [16], "screening": {"uniform": [1, 2]}}, "cg", "cg"),
        ({"family": "screened_poisson", "resolution": [16], "screening": FIELD}, "cg", "cg"),
        ({"family": "darcy", "resolution": [20, 20, 20], "coefficient": {"uniform": [1, 2]}}, "fft", "fft"),
        ({"family": "darcy", "resolution": [32, 32], "coefficient": {"diagonal": [1, FIELD]}}, *["multigrid"] * 2),
        ({"family": "helmholtz", "resolution": [40, 40, 40], "wavenumber": 9}, "fft", "fft"),
        ({"family": "helmholtz", "resolution": [40, 40, 40], "wavenumber": FIELD}, "skr", "none"),
        ({"family": "convection_diffusion", "resolution": [16], "velocity": [1]}, "direct", "direct"),
    ],
)
def test_auto_takes_fft_where_it_wins(problem: dict[str, Any], method: str, refined: str) -> None:
    spec = validate({"problem": problem, "samples": 1})
    chosen = spec.solver.resolve(spec.problem)
    finer = _picked(spec.problem)
    assert (chosen.method, finer) == (method, refined)


def _picked(problem: Any) -> str:
    """What solves the refined problem of a certificate."""
    picked = for_few(problem, problem.size * 2**problem.dimension, 1e-8)
    return picked.method if picked else "none"
