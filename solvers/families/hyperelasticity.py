"""Large deformations of elastic bodies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field as Limits

from pdemill.solvers.families.elastic_sides import FORCES, LIMITS, ElasticSides, PoissonRatio, displacement
from pdemill.solvers.families.energies import OF_LAW, energy
from pdemill.solvers.families.of_form import Written
from pdemill.solvers.families.ready_form import Forces, ReadyForm, key
from pdemill.solvers.weak.checking import MOST_DEGREE
from pdemill.spec.field import PositiveField
from pdemill.spec.model import refuse


class Hyperelasticity(ReadyForm):
    """∫ W(I + ∇u) - f·u dx - ∫ t·u ds = min: large deformations of an elastic body.

    F = I + ∇u, J = det F, C = FᵀF, I₁ = tr C, I₂ = (I₁² - tr C²)/2; two dimensions are plane strain, F₃₃ = 1.
    ``neo_hookean``: W = μ/2 (I₁ - 3 - 2 ln J) + λ/2 (ln J)², μ and λ of E and ν as in linear elasticity.
    ``mooney_rivlin``: W = c₁ (J^(-2/3) I₁ - 3) + c₂ (J^(-4/3) I₂ - 3) + κ/2 (J - 1)², κ = ``bulk``.
    Force f per volume and tractions t per area are of the body as it was, and do not turn with it. Input: what is
    random of the law's numbers or fields, f and the data on sides. Output: the displacement u. Newton's iteration, load
    steps where it needs them; a body may have more than one solution. Order 2 of P1 elements, 3 of P2.
    """

    family: Literal["hyperelasticity"]
    law: Literal["neo_hookean", "mooney_rivlin"] = key("The energy W", default="neo_hookean")
    E: PositiveField | None = key("Young's modulus, of neo_hookean", "Pa", None)
    nu: PoissonRatio | None = key("Poisson's ratio, of neo_hookean", "between -1 and 0.5", None)
    c1: PositiveField | None = key("First constant of mooney_rivlin", "Pa", None)
    c2: PositiveField | None = key("Second constant of mooney_rivlin", "Pa", None)
    bulk: PositiveField | None = key("Bulk modulus, of mooney_rivlin", "Pa", None)
    body_force: Forces = key("Force per volume, one entry per axis", "N/m³", ())
    element: Literal["P1", "P2"] = key("Elements of the displacement", default="P2")
    degree: Annotated[int, Limits(ge=1, le=MOST_DEGREE)] = key("Degree of the quadrature", default=4)
    boundary: ElasticSides
    keys: ClassVar[tuple[str, ...]] = ("E", "nu", "c1", "c2", "bulk", "body_force")
    positive: ClassVar[tuple[str, ...]] = ("E", "c1", "c2", "bulk")
    limits: ClassVar[Mapping[str, tuple[float, float]]] = LIMITS

    def check_keys(self) -> None:
        for name in self.keys[:-1]:
            if (name in OF_LAW[self.law]) == (getattr(self, name) is None):
                what = "is missing" if name in OF_LAW[self.law] else "means nothing"
                raise refuse((name,), f"{what}: {self.law} has {', '.join(OF_LAW[self.law])}", None)

    @cached_property
    def equation(self) -> Written:
        text, definitions = "derivative(energy*dx, displacement, v)", energy(self.law, self.dimension)
        return self.as_form(displacement(self.element), text, definitions, FORCES)
