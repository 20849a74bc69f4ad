"""Darcy flow: steady diffusion through a random medium."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.spec.field import AnyField, Function
from pdemill.spec.problem import Coefficient, Terms
from solvers.families.grid import GridProblem
from solvers.families.poisson import UNIT


class Darcy(GridProblem):
    """-∇·(k ∇u) = f on a box, k > 0 a scalar or a diagonal tensor.

    Input: the coefficient k (one channel, or one per axis), the source f and the data on the sides, those
    that are random. Output: the pressure u. Operator: symmetric, definite.
    Defaults: k = 1, f = 1, u = 0 on all sides. Faces carry the harmonic mean of k, exact for layers
    along the grid. Second order in the cell size for smooth k, first where k jumps between cells.
    """

    family: Literal["darcy"]
    coefficient: Coefficient = UNIT
    source: AnyField = UNIT
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient",)
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,) = drawn("source")
        return Terms(diffusion=drawn("coefficient"), source=source)
