"""Methods: every answer is certified, and depends on the system and the state alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.compliance.systems import PROBLEMS, problem_of
from pdemill.solvers.compliance.walk_method import check_walks
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.solution import Solution, Solver
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate
from pdemill.spec.method import LinearMethod, Method, methods
from pdemill.spec.problem import Problem
from pdemill.testing.compliance import ComplianceError

SAMPLES = 4
ROUNDING = 1e-12


@one_thread()
def check_method(name: str, options: Mapping[str, Any]) -> None:
    """See ``pdemill.testing.check_method``."""
    method = methods[name].model_validate({"method": name, **options})
    admitted = [kind for kind in PROBLEMS if _admits(method, problem_of(kind))]
    if method.solves == "walks":
        check_walks(dict(options) | {"method": name})
    elif not admitted:
        raise ComplianceError(f"{name} admits no problem that the suite knows: {', '.join(PROBLEMS)}")
    for kind in admitted:
        _check(method, kind)


def _admits(method: Method, problem: Problem) -> bool:
    """Whether it does; what it refuses must be refused with a path, by itself and in a spec."""
    fault = method.objection(problem)
    admitted = fault is None and method.solves in ("any", problem.solved_by)
    if fault is not None and not (fault.path and fault.message):
        raise ComplianceError(f"{method.method} refuses {problem.family} without a path: name the option in the Fault")
    try:
        validate({"problem": problem, "samples": 1, "solver": method})
    except SpecError as refusal:
        if admitted:
            raise ComplianceError(
                f"{method.method} admits {problem.family}, and a spec refuses it: {refusal}"
            ) from None
        return False
    return admitted


def _check(method: Method, kind: str) -> None:
    job = FieldJob(validate({"problem": problem_of(kind), "samples": SAMPLES, "solver": method}))
    systems = [job.discretisation.assemble(job.instance("train", number)) for number in range(SAMPLES)]
    name = f"{method.method} on {kind} systems"
    solver = _solver(job.method)
    state, states, found = solver.start(), [], []
    for system in systems:
        states.append(state)
        found.append(solver.solve(system, state))
        state = found[-1].state
        _certified(name, job, system, found[-1])
    again = solver.solve(systems[1], states[1])
    _same(f"{name}, solved twice from one state,", again, found[1])
    if all(one.state is None for one in found):
        together = _solver(job.method).solve_batch(systems, None)
        for one, system, other in zip(together, systems, found, strict=True):
            _same(f"{name}, in a batch and after others,", one, other)
            _same(f"{name}, alone,", _solver(job.method).solve(system, None), other)
    if job.method.recycles:
        _gains(name, job, systems[0])
    _zero(name, job, systems[0])
    _broken(name, job, systems[0])


def _solver(method: LinearMethod) -> Solver[Any]:
    solver: Solver[Any] = method.solver()
    return solver


def _certified(name: str, job: FieldJob, system: System, solution: Solution[Any]) -> None:
    if not solution.result.ok:
        raise ComplianceError(f"{name} fails: {solution.result.value}; refuse them in objection(), or mend the solver")
    residual = relative_residual(system, solution.value)
    if not residual <= job.method.rtol:
        raise ComplianceError(f"{name} claims to converge, and the relative residual is {residual:.1e}")
    A = system.matrix.sparse().toarray()
    exact = np.linalg.lstsq(A, system.rhs)[0]
    singular = np.linalg.svd(A, compute_uv=False)
    condition = singular[0] / singular[-1 - len(system.matrix.null_space)]
    error = np.linalg.norm(_centred(job, solution.value) - _centred(job, exact)) / np.linalg.norm(_centred(job, exact))
    if not error <= 2.0 * condition * (job.method.rtol + ROUNDING):
        raise ComplianceError(f"{name} is off by {error:.1e} from a dense solution")


def _centred(job: FieldJob, unknowns: Array) -> Array:
    return job.discretisation.centred(unknowns)


def _same(what: str, one: Solution[Any], other: Solution[Any]) -> None:
    if not np.array_equal(one.value, other.value) or one.result is not other.result or one.stats != other.stats:
        raise ComplianceError(f"{what} gives other bits: a solution may depend on the system and the state alone")


def _gains(name: str, job: FieldJob, system: System) -> None:
    """Systems of one matrix: what is recycled must not cost iterations."""
    solver = _solver(job.method)
    state, counts = solver.start(), []
    for number in range(6):
        rhs = np.random.default_rng(number).standard_normal(len(system.rhs))
        for vector in system.matrix.null_space:
            rhs -= (vector @ rhs) / (vector @ vector) * vector
        other = replace(system, rhs=rhs)
        solution = solver.solve(other, state)
        state = solution.state
        _certified(f"{name} of one matrix", job, other, solution)
        counts.append(solution.stats.iterations)
    if counts[-1] > counts[0]:
        raise ComplianceError(f"{name} of one matrix takes {counts} iterations: recycling must not cost any")


def _zero(name: str, job: FieldJob, system: System) -> None:
    solver = _solver(job.method)
    solution = solver.solve(replace(system, rhs=np.zeros_like(system.rhs)), solver.start())
    if not solution.result.ok or solution.value.any():
        raise ComplianceError(f"{name} does not give zeros for a right-hand side of zeros")


def _broken(name: str, job: FieldJob, system: System) -> None:
    values = system.matrix.values.copy()
    pattern, unknown = system.matrix.pattern, len(system.rhs) // 2
    of_row = np.repeat(np.arange(pattern.size), np.diff(pattern.indptr)) == unknown
    values[of_row | (pattern.indices == unknown)] = np.nan
    matrix = Matrix(pattern, values, system.matrix.properties, system.matrix.null_space)
    solver = _solver(job.method)
    try:
        solution = solver.solve(replace(system, matrix=matrix), solver.start())
    except Exception as fault:
        raise ComplianceError(f"{name} raises {fault!r} for a matrix with NaN: return a failed Result") from fault
    if solution.result.ok:
        raise ComplianceError(f"{name} claims to solve a matrix with NaN: return a failed Result")
