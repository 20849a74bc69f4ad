"""The Cahn-Hilliard equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT, ZERO, ZERO_FUNCTION
from pdemill.solvers.fields.law import AnyLaw, Law, of_one_unknown
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function, PositiveField
from pdemill.spec.problem import Terms
from pdemill.spec.terms import NOWHERE


class CahnHilliard(Evolution):
    """u_t = M ∇²(μ(u) - κ ∇²u) + f.

    μ is the derivative of the free energy of a mixture, a law of u, such as ``{law: "u**3 - u"}`` of (u² - 1)²/4, whose
    phases are u = ±1. A front is about (8 κ)^(1/2) wide; M and κ are numbers per sample. The mean of u stays what it is
    where f = 0, and the energy, the mean of (u² - 1)²/4 + κ |∇u|²/2, falls.
    Input: the initial state u(0), the mobility M, the gradient energy κ and the source f, those that are random; the
    scalars of the law are parameters. Output: u at the stored times. Defaults: M = 1, μ = u³ - u, f = 0.
    """

    family: Literal["cahn_hilliard"]
    gradient_energy: PositiveField
    mobility: PositiveField = UNIT
    potential: AnyLaw = Law(law=("u**3 - u",))
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("mobility", "gradient_energy", "potential")
    positive: ClassVar[tuple[str, ...]] = ("mobility", "gradient_energy")

    @field_validator("potential")
    @classmethod
    def _is_a_law(cls, potential: Field) -> Field:
        return of_one_unknown(potential, "the derivative of the free energy")

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (law,) = drawn("initial"), drawn("source"), drawn("potential")
        (mobility,), (energy,) = drawn("mobility"), drawn("gradient_energy")
        fourth = energy.map(lambda value: value * mobility(NOWHERE))
        return Terms((ZERO_FUNCTION,), source, hyperdiffusion=fourth, potential=(mobility, law), initial=initial)
