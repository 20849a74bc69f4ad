"""Burgers' equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT_FUNCTION, ZERO
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Terms


class Burgers(Evolution):
    """u_t + (u²/2)_x = ν u_xx + f, in more dimensions u_t + Σ_i (u²/2)_i = ν ∇²u + f for a scalar u.

    Input: the initial state u(0), the viscosity ν (a number per sample) and the source f, those that are random.
    Output: u at the stored times. A front is about ν / (jump of u) wide: where the grid does not resolve it, the
    sample fails. Default: f = 0.
    """

    family: Literal["burgers"]
    viscosity: PositiveField
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("viscosity",)
    positive: ClassVar[tuple[str, ...]] = ("viscosity",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,) = drawn("initial"), drawn("source")
        return Terms(drawn("viscosity"), source, self_advection=UNIT_FUNCTION, initial=initial)
