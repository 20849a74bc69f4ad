"""Steady linear equations: one system each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdemill.errors import SolverError
from pdemill.solvers.algebraic import Measure
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.norms import EPSILON, ratio
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
        pairs = zip(labels, equations, strict=True)
        return [_raised(label, equation.level, sequence.measure) for label, equation in pairs]


def _raised(label: Label, level: float, measure: Measure) -> Label:
    """The label with the level that its equation was solved without, and what rounding does, at most, to their sum."""
    if label.unknowns is None or level == 0.0:
        return label
    u = label.unknowns + level
    whole = measure.largest_norm(u)
    varies = label.variation if label.variation > 0.0 else measure.variation(label.unknowns)
    size = varies if varies > 8.0 * EPSILON * whole else measure.variation(u)
    return replace(label, unknowns=u, rounding=ratio(0.5 * EPSILON * whole, size), variation=size)
