"""The heat equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function
from pdemill.spec.problem import Coefficient, Terms


class Heat(Evolution):
    """u_t - ∇·(k ∇u) + c u = f, k > 0 a scalar or a diagonal tensor.

    Input: the initial state u(0), the coefficient k, the reaction c and the source f, those that are random.
    Output: u at the stored times. Where all sides are periodic, as they are where none is named, and k and c are
    numbers, it is solved by spectral methods; else k and c may be formulas of t, with k = 0 at a moment.
    Defaults: k = 1, c = 0, f = 0.
    """

    family: Literal["heat"]
    coefficient: Coefficient = UNIT
    reaction: AnyField = ZERO
    source: AnyField = ZERO
    sided: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (reaction,) = drawn("initial"), drawn("source"), drawn("reaction")
        return Terms(drawn("coefficient"), source, reaction=reaction, initial=initial)
