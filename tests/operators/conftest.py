"""The straight line from a spec to a field, as every test of the operators walks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Result
from pdemill.spec import validate


@dataclass(frozen=True)
class Solved:
    """The first sample of a problem, with its solution at the places of ``grid.points``."""

    job: FieldJob
    grid: Discretisation
    instance: Instance
    system: System
    unknowns: Array
    field: Array


type Begin = Callable[[Mapping[str, Any]], FieldJob]
type Solve = Callable[[FieldJob, Discretisation], Solved]


@pytest.fixture
def begin() -> Begin:
    """A job from the section ``problem`` of a spec."""
    return lambda problem: FieldJob(validate({"problem": dict(problem), "samples": 50, "solver": {"method": "direct"}}))


@pytest.fixture
def solve() -> Solve:
    """Sample 0 of a job, solved on one of its grids to rounding."""

    def solved(job: FieldJob, grid: Discretisation) -> Solved:
        instance = job.instance("train", 0)
        system = grid.assemble(instance)
        solver = Direct(method="direct").solver()
        solution = solver.solve(system, None)
        assert solution.result is Result.CONVERGED
        assert relative_residual(system, solution.value) < 1e-10
        unknowns = grid.centred(solution.value)
        return Solved(job, grid, instance, system, unknowns, grid.to_field(unknowns, instance))

    return solved
