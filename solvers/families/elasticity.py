"""Linear elasticity."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pdemill.solvers.families.elastic_sides import FORCES, LAME, LIMITS, ElasticSides, PoissonRatio, displacement
from pdemill.solvers.families.of_form import Written
from pdemill.solvers.families.ready_form import WHERE_ASKED, Forces, ReadyForm, key
from pdemill.spec.field import PositiveField
from pdemill.spec.model import refuse

STRESS = {"strain": "sym(grad(displacement))", "stress": "2*mu*strain + lmbda*tr(strain)*Identity({})"}
B_BAR = "2*mu*inner(strain, sym(grad(v)))*dx + lmbda*tr(strain)*div(v)*dx('centre')"


class Elasticity(ReadyForm):
    """-∇·σ = f, σ = 2 μ ε + λ (tr ε) I, ε = (∇u + ∇uᵀ)/2: small deformations of an elastic body.

    μ = E / (2 (1 + ν)), λ = E ν / ((1 + ν)(1 - 2ν)), in plane stress E ν / (1 - ν²), of Young's modulus E and Poisson's
    ratio ν, numbers or fields; f is the force per volume, ``plane`` says what two dimensions are a section of.
    Input: E, ν, f and the data on sides, those that are random. Output: the displacement u, one channel per axis.
    Operator: symmetric, definite. Order 2 of P1 elements, 3 of P2; P1 is too stiff as ν comes near 0.5. ``b_bar``: in
    plane strain, with P2, the change of area counts by its mean in each cell (Hughes 1980), so that nothing locks as ν
    comes near 0.5, at order 2.
    """

    family: Literal["elasticity"]
    E: PositiveField = key("Young's modulus", "Pa")
    nu: PoissonRatio = key("Poisson's ratio", "between -1 and 0.5")
    body_force: Forces = key("Force per volume, one entry per axis", "N/m³", ())
    plane: Literal["strain", "stress"] = key("What a body in two dimensions is a section of", default="strain")
    element: Literal["P1", "P2"] = key("Elements of the displacement", default="P2")
    b_bar: Annotated[bool, WHERE_ASKED] = key("Mean change of area in each cell, against locking", default=False)
    boundary: ElasticSides
    keys: ClassVar[tuple[str, ...]] = ("E", "nu", "body_force")
    positive: ClassVar[tuple[str, ...]] = ("E",)
    limits: ClassVar[Mapping[str, tuple[float, float]]] = LIMITS

    def check_keys(self) -> None:
        if self.plane == "stress" and self.dimension == 3:
            raise refuse(("plane",), "is for two dimensions: leave it out", self.plane)
        if self.b_bar and self.element == "P1":
            raise refuse(("b_bar",), "is for P2 elements: of P1 each cell has one change of area anyway", self.b_bar)
        if self.b_bar and (self.plane == "stress" or self.dimension == 3):
            raise refuse(("b_bar",), "is for plane strain", self.b_bar)

    @cached_property
    def equation(self) -> Written:
        plane = {"lmbda": "E*nu/(1 - nu**2)"} if self.plane == "stress" else {}
        stress = {name: text.format(self.dimension) for name, text in STRESS.items()}
        text = B_BAR if self.b_bar else "inner(stress, sym(grad(v)))*dx"
        return self.as_form(displacement(self.element), text, {**LAME, **plane, **stress}, FORCES)
