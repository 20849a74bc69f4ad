"""The wave equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.families.reaction_diffusion import Fields
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, NonNegativeField, PositiveField
from pdemill.spec.problem import Coefficient, Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown

ZERO_FUNCTION = Function(lambda points: 0.0)


class Wave(Evolution):
    """u_tt + d u_t - c² ∇·(k ∇u) = f, k > 0 a scalar or a diagonal tensor, c > 0, d >= 0.

    Solved for u and v = u_t, both of which are stored. ``initial`` is u(0), with v(0) = 0, or a list of both. Beside
    the other sides there are ``absorbing`` ones, k du/dn + (√k / c) u_t = 0, through which waves leave straight on; a
    part of those that come at an angle is reflected.
    Input: the initial state, the coefficient k, the speed c, the damping d and the source f, those that are random.
    Output: u and v at the stored times. Defaults: k = 1, c = 1, d = 0, f = 0.
    """

    family: Literal["wave"]
    initial: Fields  # type: ignore[assignment]
    coefficient: Coefficient = UNIT
    speed: PositiveField = UNIT
    damping: NonNegativeField = ZERO
    source: AnyField = ZERO
    unknowns: ClassVar[tuple[Unknown, ...]] = (ScalarUnknown("u"), ScalarUnknown("v"))
    sided: ClassVar[bool] = True
    second_order: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "speed")
    positive: ClassVar[tuple[str, ...]] = ("coefficient", "speed")
    not_negative: ClassVar[tuple[str, ...]] = ("damping",)
    per_unknown: ClassVar[tuple[str, ...]] = ("initial",)

    @property
    def initial_names(self) -> tuple[str, ...]:
        return ("initial_u", "initial_v") if isinstance(self.initial, tuple) else ("initial",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (speed,), (damping,), (source,) = drawn("speed"), drawn("damping"), drawn("source")
        initial, rate = (*drawn("initial"), ZERO_FUNCTION)[:2]
        return Terms(drawn("coefficient"), source, initial=initial, rate=rate, speed=speed, damping=damping)
