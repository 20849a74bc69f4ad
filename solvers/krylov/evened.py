"""Right-hand sides whose squares are not numbers, brought to size one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdemill.solvers.operators.norms import unit_scale
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Solution


def evened(system: System) -> tuple[System, float]:
    """The system, and 1; where the norm of its right-hand side would overflow or underflow, the one for a power of two
    times its solution, and that power."""
    scale = unit_scale(system.rhs)
    if scale == 1.0:
        return system, scale
    guess = None if system.guess is None else system.guess * scale
    return replace(system, rhs=system.rhs * scale, guess=guess), scale


def restored[State](solution: Solution[State], scale: float) -> Solution[State]:
    """The solution of the system that was evened by the scale."""
    if scale == 1.0:
        return solution
    with np.errstate(over="ignore"):
        return replace(solution, value=solution.value / scale)
