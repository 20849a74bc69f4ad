"""The Swift-Hohenberg equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT_FUNCTION, ZERO
from pdemill.solvers.fields.law import AnyLaw, Law, of_one_unknown
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.problem import Terms


class SwiftHohenberg(Evolution):
    """u_t - r u + (1 + ∇²)² u + n(u) = f.

    Patterns of the wave number 1, that is of the wave length 2π, grow where r > 0. n is a law of u, such as
    ``{law: "u**3 - b*u**2", where: {b: {uniform: [0.5, 1.5]}}}``.
    Input: the initial state u(0), the growth r (a number per sample) and the source f, those that are random; the
    scalars of the law are parameters. Output: u at the stored times. Defaults: n = u³, f = 0.
    """

    family: Literal["swift_hohenberg"]
    growth: AnyField
    nonlinearity: AnyLaw = Law(law=("u**3",))
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("growth", "nonlinearity")

    @field_validator("nonlinearity")
    @classmethod
    def _is_a_law(cls, nonlinearity: Field) -> Field:
        return of_one_unknown(nonlinearity, "what is linear is growth")

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,) = drawn("initial"), drawn("source")
        (growth,), (law,) = drawn("growth"), drawn("nonlinearity")
        backwards = UNIT_FUNCTION.map(lambda value: -2.0 * value)
        damping = growth.map(lambda value: 1.0 - value)
        return Terms((backwards,), source, reaction=damping, hyperdiffusion=UNIT_FUNCTION, law=law, initial=initial)
