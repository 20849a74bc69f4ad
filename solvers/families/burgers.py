"""Burgers' equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT_FUNCTION, ZERO
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Terms


class Burgers(Evolution):
    """u_t + (u²/2)_x = (ν u_x)_x + f, in more dimensions u_t + Σ_i (u²/2)_i = ∇·(ν ∇u) + f for a scalar u.

    Input: the initial state u(0), the viscosity ν and the source f, those that are random. Output: u at the stored
    times. Where all sides are periodic, as they are where none is named, and ν is a number per sample, it is solved by
    spectral methods, and where the grid does not resolve a front, which is about ν / (jump of u) wide, the sample
    fails; else by limited fluxes of second order, which make no new extrema there. Default: f = 0.
    """

    family: Literal["burgers"]
    viscosity: PositiveField
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    sided: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("viscosity",)
    positive: ClassVar[tuple[str, ...]] = ("viscosity",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,) = drawn("initial"), drawn("source")
        return Terms(drawn("viscosity"), source, self_advection=UNIT_FUNCTION, initial=initial)
