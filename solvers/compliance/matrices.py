"""Matrices are what is declared of them: symmetric, definite, constant, singular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import FamilyError, SpecError
from pdemill.points import Array
from pdemill.solvers.compliance.probes import Changed, with_field
from pdemill.solvers.compliance.solved import on_grid, rows, spec_of
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.operators.system import Matrix
from pdemill.spec.problem import Problem
from pdemill.testing.compliance import ComplianceError

ROUNDING = 1e-10
SAMPLES = 2


def check_matrices(problem: Mapping[str, Any]) -> None:
    """See that the matrices of some samples are what ``problem.properties`` says. Points have none."""
    job = open_job(spec_of(problem, SAMPLES))
    if not on_grid(job):
        return
    name, known = _named(job.problem), job.problem.properties
    dense = [_dense(matrix_of(job, number)) for number in range(SAMPLES)]
    for A in dense:
        _check(A, job, name)
    if known.constant and not np.array_equal(dense[0], dense[1]):
        raise ComplianceError(f"the matrix of {name} is declared constant, and differs between samples")
    for path, value in job.problem.slots():
        if path[0] not in job.problem.operator_fields:
            _unmoved(job.problem, path, Changed(of=value), dense[0])


def _check(A: Array, job: FieldJob, name: str) -> None:
    known, size = job.problem.properties, float(np.abs(A).max())
    if known.symmetric and np.abs(A - A.T).max() > ROUNDING * size:
        raise ComplianceError(f"the matrix of {name} is declared symmetric and is not: set symmetric = False")
    vectors = job.discretisation.null_space
    values = np.linalg.svd(A, compute_uv=False)
    free = int((values <= ROUNDING * values[0]).sum())
    if free != len(vectors):
        raise ComplianceError(
            f"the null space of {name} has {free} dimensions, and {len(vectors)} are declared: mend damped, or "
            "give fields whose bounds tell that they are positive (a number, uniform, lognormal)"
        )
    for vector in vectors:
        if np.linalg.norm(A @ vector) > ROUNDING * size * np.linalg.norm(vector):
            raise ComplianceError(f"a null vector of {name} is none: A v should be 0")
    if known.definite and np.linalg.eigvalsh((A + A.T) / 2.0)[0] < -ROUNDING * values[0]:
        raise ComplianceError(f"the matrix of {name} is declared definite and has a negative eigenvalue: mend definite")


def _unmoved(problem: Problem, path: tuple[str | int, ...], value: Changed, before: Array) -> None:
    try:
        job = open_job(spec_of(with_field(problem, path, value)))
    except SpecError:
        return
    assert on_grid(job)
    if not np.array_equal(_dense(matrix_of(job, 0)), before):
        raise ComplianceError(f"{path[0]} of {_named(problem)} enters the matrix: name it in operator_fields")


def check_null_space(problem: Mapping[str, Any]) -> None:
    """The same with no flux through any side, and that such a problem is solved; nothing where it is refused."""
    closed = {**problem, "boundary": {"default": {"neumann": 0}}, "compatibility": "project"}
    try:
        job = open_job(spec_of(closed))
    except SpecError:
        return
    if on_grid(job):
        _check(_dense(matrix_of(job, 0)), job, _named(job.problem) + " with no flux through any side")
        rows(job, 0, 1)


def matrix_of(job: FieldJob, number: int) -> Matrix:
    """The matrix of a sample."""
    try:
        equation = job.discretisation.equation(job.instance("train", number))
    except FamilyError as fault:
        raise ComplianceError(f"{_named(job.problem)}: {fault}") from fault
    return equation.linearised(equation.start()).matrix


def _dense(matrix: Matrix) -> NDArray[np.float64]:
    return np.asarray(matrix.sparse().toarray())


def _named(problem: Problem) -> str:
    return f"{problem.family} on {problem.discretisation.name}"
