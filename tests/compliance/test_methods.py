"""Every method passes the compliance suite, and broken ones do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest

from pdemill import arrays
from pdemill.errors import Fault
from pdemill.solvers.directions.beginning import begun
from pdemill.solvers.directions.network import Architecture
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.spec.method import LinearMethod, methods
from pdemill.spec.problem import Problem
from pdemill.testing import ComplianceError, check_method, temporary_parts

NETWORK = Architecture(2, 3)
ROWS: dict[str, list[dict[str, Any]]] = {
    "amg": [{}],
    "auto": [{"trial": "never"}],
    "cg": [
        {},
        {"recycle": 6, "preconditioner": "none"},
        {"preconditioner": "ssor", "omega": 1.4},
        {"preconditioner": "ssor", "omega": "learn"},
    ],
    "dcdm": [{"directions": {"array": arrays.hold(NETWORK.packed(begun(NETWORK)))}}],
    "direct": [{}],
    "fft": [{}],
    "gmres": [{}],
    "minres": [{}],
    "multigrid": [{}],
    "reduced_basis": [{}],
    "skr": [{"restart": 20, "recycle": 6}],
    "sor": [{"omega": 1.6}, {"omega": "learn", "learn": "contextual"}],
    "walks": [{"walks": 4096}, {"target_stderr": 0.01}],
}
TABLE = [
    pytest.param(
        name, row, id=f"{name}-{i}", marks=pytest.mark.needs("petsc4py") if name in ("cg", "skr") else ()
    )
    for name, rows in ROWS.items()
    for i, row in enumerate(rows)
]  # fmt: skip
"""Compiled preconditioners leave matrices with a null space to PETSc."""


@pytest.fixture(autouse=True)
def _parts() -> Iterator[None]:
    with temporary_parts():
        yield


def test_every_method_has_a_row() -> None:
    """Schemes in time have tests of their own: tests/spectral and tests/stepping."""
    assert set(ROWS) == {name for name, kind in methods.items() if kind.solves != "steps"}


@pytest.mark.parametrize(("name", "options"), TABLE)
def test_every_method_is_what_it_says(name: str, options: dict[str, Any]) -> None:
    check_method(name, **options)


@dataclass
class Dense(Solver[Any]):
    """LU by numpy, for tests to break in one way."""

    fault: str = ""
    solved: int = 0

    def start(self) -> Any:
        return None

    def solve(self, system: System, state: Any) -> Solution[Any]:
        self.solved += 1
        if self.fault == "raises" and not np.isfinite(system.matrix.values).all():
            raise ZeroDivisionError
        rhs = np.full_like(system.rhs, 2.0) if self.fault == "ignores rhs" else system.rhs
        found = np.asarray(np.linalg.lstsq(np.nan_to_num(system.matrix.sparse().toarray()), rhs)[0])
        if self.fault == "remembers":
            found = found * (1.0 + 1e-13 * self.solved)
        finite = np.isfinite(system.matrix.values).all() or self.fault == "trusts"
        return Solution(found, Result.CONVERGED if finite else Result.NOT_FINITE, Stats(), state)


class DenseMethod(LinearMethod):
    """The method of ``Dense``."""

    def solver(self) -> Dense:
        return Dense(self.method)


def test_the_method_that_others_break_is_right() -> None:
    class Right(DenseMethod):
        method: Literal["right"]

    check_method("right")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("ignores rhs", "claims to converge, and the relative residual is"),
        ("remembers", "gives other bits"),
        ("raises", "raises ZeroDivisionError.* for a matrix with NaN"),
        ("trusts", "claims to solve a matrix with NaN"),
    ],
)
def test_a_broken_solver_is_caught(fault: str, text: str) -> None:
    class Broken(DenseMethod):
        method: Literal["broken"]

        def solver(self) -> Dense:
            return Dense(fault)

    with pytest.raises(ComplianceError, match=text):
        check_method("broken")


def test_a_state_that_is_changed_is_caught() -> None:
    class Counting(Dense):
        def start(self) -> list[int]:
            return []

        def solve(self, system: System, state: list[int]) -> Solution[Any]:
            state.append(1)
            return replace(super().solve(system, None), stats=Stats(len(state)), state=state)

    class Mutating(DenseMethod):
        method: Literal["mutating"]

        def solver(self) -> Dense:
            return Counting()

    with pytest.raises(ComplianceError, match="solved twice from one state"):
        check_method("mutating")


def test_a_refusal_without_a_path_is_caught() -> None:
    class Curt(DenseMethod):
        method: Literal["curt"]

        def objection(self, problem: Problem) -> Fault | None:
            return None if problem.symmetric else Fault((), "no")

    with pytest.raises(ComplianceError, match="refuses convection_diffusion without a path"):
        check_method("curt")


def test_recycling_that_costs_iterations_is_caught() -> None:
    class Slower(Dense):
        def start(self) -> int:
            return 0

        def solve(self, system: System, state: int) -> Solution[Any]:
            return replace(super().solve(system, None), stats=Stats(10 + state), state=state + 1)

    class Recycling(DenseMethod):
        method: Literal["recycling"]

        @property
        def recycles(self) -> bool:
            return True

        def solver(self) -> Dense:
            return Slower()

    with pytest.raises(ComplianceError, match="recycling must not cost any"):
        check_method("recycling")
