"""What families of incompressible flows share: the sides, the pressure's level, and the terms without inertia."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pdemill.solvers.families.of_form import UnknownOfForm
from pdemill.solvers.families.ready_form import Forces, ReadyForm, key
from pdemill.solvers.weak.constraints import Constraint
from pdemill.solvers.weak.said import Load, SaidSides, Word

TAYLOR_HOOD = {
    "velocity": UnknownOfForm(element="P2", shape="vector", test="v"),
    "pressure": UnknownOfForm(element="P1", test="q"),
}
FORM = "viscosity*inner(grad(velocity), grad(v))*dx - pressure*div(v)*dx - q*div(velocity)*dx"
STRESS = "2*viscosity*sym(grad(velocity)) - pressure*Identity({})"
FORCES = {"body_force": "-inner(body_force, v)*dx"}


class FlowSides(SaidSides):
    """By side: ``no_slip``, velocity 0; a ``velocity``, null where it is free; ``outlet``, where the flow leaves as it
    will, ν ∂u/∂n = p n; or that with a ``pressure`` outside. ``default`` stands for the sides that are not named."""

    example: ClassVar[str] = "no_slip, outlet, {velocity: [1, 0]} or {pressure: 1}"
    unknowns: ClassVar[Mapping[str, bool]] = {"velocity": True}
    loads: ClassVar[Mapping[str, Load]] = {"pressure": Load("{0}*inner(n, v)", on="velocity", vector=False)}
    words: ClassVar[Mapping[str, Word]] = {"no_slip": Word(zero=("velocity",)), "outlet": Word()}


class Flow(ReadyForm):
    """Base of flows in velocity and pressure. Where the velocity is given on all sides, and no constraint says
    otherwise, the pressure has mean 0."""

    boundary: FlowSides
    body_force: Forces = key("Force per mass, one entry per axis", "m/s²", ())

    @property
    def levels(self) -> Mapping[str, Constraint]:
        sides = (one for one in self.conditions.values() if not one.paired)
        open_sides = (None in getattr(one, "given", {}).get("velocity", (None,)) for one in sides)
        if "pressure" in self.constraints or any(open_sides):
            return self.constraints
        return {**self.constraints, "pressure": Constraint(mean=0.0)}
