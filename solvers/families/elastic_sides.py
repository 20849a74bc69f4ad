"""What families of elastic bodies share: moduli, sides, and the displacement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pdemill.solvers.families.of_form import UnknownOfForm
from pdemill.solvers.families.ready_form import between
from pdemill.solvers.weak.said import Load, SaidSides, Word
from pdemill.spec.field import AnyField

PoissonRatio = Annotated[AnyField, between(-1.0, 0.5)]
LIMITS: Mapping[str, tuple[float, float]] = {"nu": (-1.0, 0.5)}
LAME = {"mu": "E/(2*(1 + nu))", "lmbda": "E*nu/((1 + nu)*(1 - 2*nu))"}
FORCES = {"body_force": "-inner(body_force, v)*dx"}


def displacement(element: Literal["P1", "P2"]) -> dict[str, UnknownOfForm]:
    """The unknown, by its name."""
    return {"displacement": UnknownOfForm(element=element, shape="vector", test="v")}


class ElasticSides(SaidSides):
    """By side: ``clamped``, ``free``, a ``displacement``, null where it is free, a ``traction``, which is a force per
    area, or both. ``default`` stands for the sides that are not named."""

    example: ClassVar[str] = "clamped, free, {displacement: [0, null]} or {traction: [0, 1]}"
    unknowns: ClassVar[Mapping[str, bool]] = {"displacement": True}
    loads: ClassVar[Mapping[str, Load]] = {"traction": Load("-inner({0}, v)", on="displacement")}
    words: ClassVar[Mapping[str, Word]] = {"clamped": Word(zero=("displacement",)), "free": Word()}
