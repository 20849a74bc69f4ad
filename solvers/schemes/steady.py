"""Steady linear equations: one system each."""

from __future__ import annotations

import numpy as np

from pdemill.errors import SolverError
from solvers.operators.equation import DiscreteEquation
from solvers.schemes.scheme import Scheme
from solvers.sequence import Label, Sequence
from solvers.stopwatch import Stopwatch

ANYWHERE = np.empty(0)
"""Where a linear equation is linearised: it is the same everywhere."""


class Steady(Scheme):
    """A u = b: the system is the equation, and its certificate that of the sample. Refuses equations that are not
    linear, or not steady."""

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        if not all(equation.linear and equation.mass is None for equation in equations):
            raise SolverError("the steady scheme solves linear equations without a time derivative only")
        return sequence.labels([equation.linearised(ANYWHERE) for equation in equations], watch)
