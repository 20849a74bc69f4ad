"""The Korteweg-de Vries equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION, ZERO, ZERO_FUNCTION
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Terms


class KortewegDeVries(Evolution):
    """u_t + u u_x + q u_xxx = f.

    Input: the initial state u(0), the dispersion q (a number per sample) and the source f, those that are random.
    Output: u at the stored times. Nothing is damped: the mean and the mean of u² stay what they are where f = 0.
    A soliton of height 3 c moves at the speed c and is about 4 (q/c)^(1/2) wide. Defaults: q = 1, f = 0.
    """

    family: Literal["korteweg_de_vries"]
    dispersion: PositiveField = UNIT
    source: AnyField = ZERO
    dimensions: ClassVar[tuple[int, ...]] = (1,)
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("dispersion",)
    positive: ClassVar[tuple[str, ...]] = ("dispersion",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (third,) = drawn("initial"), drawn("source"), drawn("dispersion")
        return Terms((ZERO_FUNCTION,), source, dispersion=third, self_advection=UNIT_FUNCTION, initial=initial)
