"""Large deformations of elastic bodies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field as Limits

from pdemill.solvers.families.elasticity import LAME, ElasticSides, PoissonRatio
from pdemill.solvers.families.of_form import UnknownOfForm, Written
from pdemill.solvers.families.ready_form import Forces, ReadyForm, key
from pdemill.solvers.weak.checking import MOST_DEGREE
from pdemill.spec.field import PositiveField
from pdemill.spec.model import refuse

INVARIANTS = {"F": "Identity({0}) + grad(displacement)", "J": "det(F)", "C": "transpose(F)*F", "I1": "tr(C) + {1}"}
LAWS: dict[str, dict[str, str]] = {
    "neo_hookean": {**LAME, "energy": "mu/2*(I1 - 3 - 2*ln(J)) + lmbda/2*ln(J)**2"},
    "mooney_rivlin": {
        "I2": "(I1**2 - inner(C, C) - {1})/2",
        "energy": "c1*(J**(-2/3)*I1 - 3) + c2*(J**(-4/3)*I2 - 3) + bulk/2*(J - 1)**2",
    },
}
OF_LAW = {"neo_hookean": ("E", "nu"), "mooney_rivlin": ("c1", "c2", "bulk")}


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
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {"nu": (-1.0, 0.5)}

    def check_keys(self) -> None:
        for name in self.keys[:-1]:
            if (name in OF_LAW[self.law]) == (getattr(self, name) is None):
                what = "is missing" if name in OF_LAW[self.law] else "means nothing"
                raise refuse((name,), f"{what}: {self.law} has {', '.join(OF_LAW[self.law])}", None)

    @cached_property
    def equation(self) -> Written:
        texts, d = {**INVARIANTS, **LAWS[self.law]}, self.dimension
        unknowns = {"displacement": UnknownOfForm(element=self.element, shape="vector", test="v")}
        forces = {"body_force": "-inner(body_force, v)*dx"}
        written = {name: text.format(d, 3 - d) for name, text in texts.items()}
        return self.as_form(unknowns, "derivative(energy*dx, displacement, v)", written, forces)
