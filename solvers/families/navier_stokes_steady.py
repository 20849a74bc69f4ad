"""Steady flow."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal

from pdemill.solvers.families.flow import FORCES, FORM, STRESS, TAYLOR_HOOD, Flow
from pdemill.solvers.families.of_form import Written
from pdemill.solvers.families.ready_form import key
from pdemill.spec.field import PositiveField
from pdemill.spec.model import refuse


class NavierStokesSteady(Flow):
    """(u·∇)u - ν ∇²u + ∇p = f, ∇·u = 0: steady flow of an incompressible fluid.

    u is the velocity, p the pressure divided by the density, f the force per mass. ν is the kinematic ``viscosity``, or
    1 / Re of a ``reynolds`` number Re, where lengths and velocities are measured in their scales. In Taylor and Hood's
    elements, P2 and P1, without upwinding. Input: ν or Re, f and the data on sides, those that are random. Output: the
    velocity, one channel per axis, and the pressure. Newton's iteration from the flow without inertia, load steps where
    it needs them; at high Re there may be more than one solution, and none that is stable. Order 3 of u, 2 of p.
    """

    family: Literal["navier_stokes_steady"]
    viscosity: PositiveField | None = key("Kinematic viscosity", "m²/s", None)
    reynolds: PositiveField | None = key("Reynolds number, instead of the viscosity", default=None)
    keys: ClassVar[tuple[str, ...]] = ("viscosity", "reynolds", "body_force")
    positive: ClassVar[tuple[str, ...]] = ("viscosity", "reynolds")

    def check_keys(self) -> None:
        if (self.viscosity is None) == (self.reynolds is None):
            raise refuse(("viscosity",), "give either viscosity or reynolds", None)

    @cached_property
    def equation(self) -> Written:
        scale = {"viscosity": "1/reynolds"} if self.viscosity is None else {}
        inertia = "inner(dot(grad(velocity), velocity), v)*dx"
        stress = {"stress": STRESS.format(self.dimension)}
        return self.as_form(TAYLOR_HOOD, f"{FORM} + {inertia}", {**scale, **stress}, FORCES)
