"""Poisson's equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pdemill.solvers.fields.constant import Constant
from pdemill.spec.field import AnyField, Function
from pdemill.spec.problem import Problem, Terms

UNIT = Constant(constant=1.0)
ZERO = Constant(constant=0.0)
UNIT_FUNCTION = Function(lambda points: 1.0)
ZERO_FUNCTION = Function(lambda points: 0.0)


class Poisson(Problem):
    """-∇²u = f.

    Input: the source f and the data on the sides, those that are random. Output: u, in the units of
    f × length². Operator: symmetric, definite, the same for every sample.
    Defaults: f = 1, u = 0 on all sides. Second order in the cell size.
    """

    family: Literal["poisson"]
    source: AnyField = UNIT

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,) = drawn("source")
        return Terms(diffusion=(UNIT_FUNCTION,), source=source)
