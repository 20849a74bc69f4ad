"""The level of a sample: a constant that its equation does not feel, and that is solved without.

-div(k grad u) + b . grad u = f with u = 100,000.3 on the sides and a signal of 0.1 leaves ten digits of float64 to the
signal, and tolerances relative to the right-hand side leave none.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation, LinearEquation
from pdemill.spec.boundary import Dirichlet, Neumann, Periodic, Robin
from pdemill.spec.field import Function


def without_level(grid: Discretisation, instance: Instance) -> DiscreteEquation:
    """The discrete equation of a sample, assembled for u minus its level."""
    level = level_of(grid, instance)
    return LinearEquation(grid.assemble(lowered(instance, level) if level else instance), level)


def level_of(grid: Discretisation, instance: Instance) -> float:
    """A number near all given values of u; 0 where they differ by more than it, where a reaction feels it, where u is
    given nowhere, and where a condition is not known."""
    if instance.terms.reaction is not None and "reaction" not in instance.problem.zero_terms:
        return 0.0  # which feels it
    lows, highs = [], []
    for side in instance.problem.conditions:
        condition, data = instance.condition(side)
        if isinstance(condition, Dirichlet):
            values = data["dirichlet"](grid.side_points[side])
            same = np.ndim(values) == 0
            lows.append(float(values if same else np.min(values)))
            highs.append(float(values if same else np.max(values)))
        elif not isinstance(condition, Neumann | Robin | Periodic):
            return 0.0
    if not lows:
        return 0.0
    low, high = min(lows), max(highs)
    middle = low + 0.5 * (high - low)
    return middle if abs(middle) > high - low else 0.0


def lowered(instance: Instance, level: float) -> Instance:
    """The sample whose solution is lower by a level: u = g becomes u = g - level, a u + k du/dn = g the same with
    g - a level."""
    other = copy(instance)
    other.sides = {side: _lowered(functions, level) for side, functions in instance.sides.items()}
    return other


def _lowered(functions: dict[str, Function], level: float) -> dict[str, Function]:
    found = dict(functions)
    if "dirichlet" in functions:
        found["dirichlet"] = functions["dirichlet"].map(lambda values: values - level)
    if "coefficient" in functions:
        value, coefficient = functions["value"], functions["coefficient"]
        found["value"] = Function(lambda points: value(points) - level * coefficient(points))
    return found
