"""Slow flow."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal

from pdemill.solvers.families.flow import FORCES, FORM, STRESS, TAYLOR_HOOD, Flow
from pdemill.solvers.families.of_form import Written
from pdemill.solvers.families.ready_form import key
from pdemill.solvers.fields.constant import Constant
from pdemill.spec.field import PositiveField


class Stokes(Flow):
    """-ν ∇²u + ∇p = f, ∇·u = 0: flow so slow that inertia does not count.

    u is the velocity, p the pressure divided by the density, ν the kinematic ``viscosity``, a number or a field, f the
    force per mass. In Taylor and Hood's elements, P2 and P1. Input: ν, f and the data on sides, those that are random.
    Output: the velocity, one channel per axis, and the pressure. Default: ν = 1. Order 3 of u, 2 of p.
    """

    family: Literal["stokes"]
    viscosity: PositiveField = key("Kinematic viscosity", "m²/s", Constant(constant=1.0))
    keys: ClassVar[tuple[str, ...]] = ("viscosity", "body_force")
    positive: ClassVar[tuple[str, ...]] = ("viscosity",)

    @cached_property
    def equation(self) -> Written:
        return self.as_form(TAYLOR_HOOD, FORM, {"stress": STRESS.format(self.dimension)}, FORCES)
