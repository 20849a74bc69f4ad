"""Solvers that a user might take instead of pdemill's, each tuned for sequences of symmetric definite systems.

MUMPS, CG, GAMG, ICC, MINRES and GMRES are PETSc's and reached through pdemill's methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, triu
from scipy.sparse.linalg import splu

from benchmarks.shared.race import Answer, Contestant
from pdemill.solvers.operators.system import Matrix, Pattern, System

OPTIONAL = {"PARDISO": "pypardiso", "pyamg": "pyamg"}
"""Contestants whose package is in the dependency group ``peers``."""


def missing() -> dict[str, str]:
    """The contestants that cannot take part here, each with how it could."""
    return {
        name: f"not installed; pip install {package}, or .venv/bin/uv pip install --group peers"
        for name, package in OPTIONAL.items()
        if find_spec(package) is None
    }


class Factorised(ABC):
    """A direct solver that factorises when the matrix changes."""

    def __init__(self) -> None:
        self._matrix: Matrix | None = None

    def __call__(self, systems: Sequence[System]) -> list[Answer]:
        answers = []
        for system in systems:
            if system.matrix is not self._matrix:
                self.factorise(system.matrix)
                self._matrix = system.matrix
            answers.append(Answer(self.substitute(system.rhs)))
        return answers

    @abstractmethod
    def factorise(self, matrix: Matrix) -> None: ...

    @abstractmethod
    def substitute(self, rhs: Any) -> Any: ...


class Pardiso(Factorised):
    """Intel's PARDISO by pypardiso: Cholesky on the upper triangle, the pattern analysed once."""

    def __init__(self) -> None:
        super().__init__()
        from pypardiso import PyPardisoSolver

        self._solver = PyPardisoSolver(mtype=2)
        self._pattern: Pattern | None = None
        self._upper: Any = None

    def factorise(self, matrix: Matrix) -> None:
        self._upper = csr_matrix(triu(matrix.sparse(), format="csr"))
        self._solver.set_phase(22 if self._pattern is matrix.pattern else 12)
        self._solver._call_pardiso(self._upper, np.zeros(matrix.pattern.size))
        self._pattern = matrix.pattern

    def substitute(self, rhs: Any) -> Any:
        self._solver.set_phase(33)
        return self._solver._call_pardiso(self._upper, rhs).reshape(-1)


class SuperLU(Factorised):
    """SuperLU by SciPy in its symmetric mode; it has no way to keep the analysis of the pattern."""

    def factorise(self, matrix: Matrix) -> None:
        options = {"SymmetricMode": True}
        columns = csc_matrix(matrix.sparse())
        self._factors = splu(columns, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def substitute(self, rhs: Any) -> Any:
        return self._factors.solve(rhs)


class PyAmg:
    """CG with pyamg's classical algebraic multigrid, set up when the matrix changes."""

    def __init__(self, rtol: float) -> None:
        self._rtol = rtol
        self._matrix: Matrix | None = None
        self._levels: Any = None

    def __call__(self, systems: Sequence[System]) -> list[Answer]:
        import pyamg

        answers = []
        for system in systems:
            if system.matrix is not self._matrix:
                self._levels = pyamg.ruge_stuben_solver(csr_matrix(system.matrix.sparse()))
                self._matrix = system.matrix
            residuals: list[float] = []
            value = self._levels.solve(system.rhs, tol=0.5 * self._rtol, accel="cg", maxiter=200, residuals=residuals)
            answers.append(Answer(value, len(residuals) - 1))
        return answers


def installed(rtol: float) -> dict[str, Callable[[], Contestant]]:
    """Makers of the contestants that are not methods of pdemill, by name, as far as they are installed."""
    makers: dict[str, Callable[[], Contestant]] = {
        "PARDISO": Pardiso, "SuperLU": SuperLU, "pyamg": lambda: PyAmg(rtol)
    }  # fmt: skip
    return {name: maker for name, maker in makers.items() if name not in missing()}
