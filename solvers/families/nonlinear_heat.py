"""Diffusion in time with a coefficient that depends on u: heat, moisture, gas in porous media."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.fields.law import AnyLaw, Law, of_one_unknown
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.problem import Coefficient, Terms


class NonlinearHeat(Evolution):
    """u_t - ∇·(a k(u) ∇u) + c u = f, a > 0 a scalar or a diagonal tensor, k(u) >= 0.

    The coefficient k is a law, such as ``{law: "1 + b*u**2", where: {b: {uniform: [0.5, 2]}}}``, or ``{law: "2*u"}``
    for the porous medium equation u_t = ∇²u² + f; the reaction is a field c, or a law r(u) instead of c u. Both are
    implicit in every step. k may be 0, as ahead of the fronts of porous media, and must not become negative.
    Input: the initial state u(0), a, c and f, those that are random; the scalars of laws are parameters. Output: u at
    the stored times. Defaults: a = 1, c = 0, f = 0.
    """

    family: Literal["nonlinear_heat"]
    coefficient: AnyLaw
    factor: Coefficient = UNIT
    reaction: AnyLaw = ZERO
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    sided: ClassVar[bool] = True
    implicit: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "factor", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("factor",)

    @field_validator("coefficient")
    @classmethod
    def _is_a_law(cls, coefficient: Field) -> Field:
        return of_one_unknown(coefficient, "for a k that does not depend on u use heat")

    @field_validator("reaction")
    @classmethod
    def _knows_u_alone(cls, reaction: Field) -> Field:
        return of_one_unknown(reaction, "") if isinstance(reaction, Law) else reaction

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (law,), (reaction,), (source,) = drawn("coefficient"), drawn("reaction"), drawn("source")
        (initial,), factor = drawn("initial"), drawn("factor")
        if isinstance(self.reaction, Law):
            return Terms(factor, source, law=reaction, diffusion_law=law, initial=initial)
        return Terms(factor, source, reaction=reaction, diffusion_law=law, initial=initial)
