"""Darcy flow: steady diffusion through a random medium."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.spec.field import AnyField, Function, NonNegativeField, at_least
from pdemill.spec.problem import Coefficient, Problem, Terms


class Darcy(Problem):
    """-∇·(k ∇u) + c u = f, k > 0 a scalar or a diagonal tensor, c >= 0.

    Input: the coefficient k (one channel, or one per axis), the reaction c, the source f and the data on the
    sides, those that are random. Output: the pressure u. Operator: symmetric, definite.
    Defaults: k = 1, c = 0, f = 1, u = 0 on all sides. On boxes faces carry the harmonic mean of k, exact for
    layers along the grid. Second order in the cell size for smooth k, first where k jumps between cells.
    """

    family: Literal["darcy"]
    reaction: NonNegativeField = ZERO
    source: AnyField = UNIT
    coefficient: Coefficient = UNIT
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)
    not_negative: ClassVar[tuple[str, ...]] = ("reaction",)

    @property
    def damped(self) -> bool:
        return at_least(self.reaction) > 0

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (reaction,), (source,) = drawn("reaction"), drawn("source")
        return Terms(diffusion=drawn("coefficient"), source=source, reaction=reaction)
