"""Reaction and diffusion of one unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.fields.law import AnyLaw, Law
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.model import refuse
from pdemill.spec.problem import Coefficient, Terms


class ReactionDiffusion(Evolution):
    """u_t - ∇·(k ∇u) + r(u) = f, k > 0 a scalar or a diagonal tensor.

    The reaction r is a law, such as ``{law: "u**3 - u"}`` (Allen-Cahn) or ``{law: "-a*u*(1 - u)", where: {a: {uniform:
    [1, 5]}}}`` (Fisher-KPP), or a field c of c u. Input: the initial state u(0), the coefficient k and the source f,
    those that are random; the scalars of the law are parameters. Output: u at the stored times. A law is explicit in
    every step: it should not be much stiffer than the solution is fast. Defaults: k = 1, f = 0.
    """

    family: Literal["reaction_diffusion"]
    coefficient: Coefficient = UNIT
    reaction: AnyLaw
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    @field_validator("reaction")
    @classmethod
    def _own_unknown(cls, reaction: Field) -> Field:
        others = sorted(reaction.unknowns - {"u"}) if isinstance(reaction, Law) else []
        if others:
            raise refuse(("law",), f"uses {', '.join(others)}, and the unknown is u", None)
        return reaction

    @property
    def linear_fields(self) -> tuple[str, ...]:
        """The fields that enter the matrix."""
        return ("coefficient",) if isinstance(self.reaction, Law) else self.operator_fields

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (reaction,) = drawn("initial"), drawn("source"), drawn("reaction")
        if isinstance(self.reaction, Law):
            return Terms(drawn("coefficient"), source, law=reaction, initial=initial)
        return Terms(drawn("coefficient"), source, reaction=reaction, initial=initial)
