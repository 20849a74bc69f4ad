"""Steady linear equations: one system each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdemill.errors import SolverError
from pdemill.solvers.algebraic import relative_error
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.norms import EPSILON, Euclidean
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.stopwatch import Stopwatch

ANYWHERE = np.empty(0)
"""Where a linear equation is linearised: it is the same everywhere."""


class Steady(Scheme):
    """A u = b: the system is the equation, and its certificate that of the sample. Refuses equations that are not
    linear, or not steady."""

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        if not all(equation.linear and equation.mass is None for equation in equations):
            raise SolverError("the steady scheme solves linear equations without a time derivative only")
        labels = sequence.labels([equation.linearised(ANYWHERE) for equation in equations], watch)
        return [_raised(label, equation.level) for label, equation in zip(labels, equations, strict=True)]


def _raised(label: Label, level: float) -> Label:
    """The label with the level that its equation was solved without, and what rounding does to their sum."""
    if label.unknowns is None or level == 0.0:
        return label
    u = label.unknowns + level
    rounding = relative_error(Euclidean(), 0.5 * EPSILON * u, u)
    return replace(label, unknowns=u, rounding=rounding, variation=float("nan"))
