"""Reaction and diffusion of one unknown or several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import GetJsonSchemaHandler, field_validator
from pydantic_core import CoreSchema

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.fields.law import UNKNOWNS, AnyLaw, Law
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import Field, Function, choose_field, positive
from pdemill.spec.field import fields as known_fields
from pdemill.spec.model import refusal, refuse
from pdemill.spec.problem import Terms
from pdemill.spec.registry import Slot
from pdemill.spec.terms import CoefficientSlot, Diagonal
from pdemill.spec.unknowns import ScalarUnknown, Unknown


class _Each(Slot):
    """One field for all unknowns, or a list of one for each."""

    def _validate(self, value: object) -> object:
        if not isinstance(value, list | tuple):
            return self._of_all(value)
        if not value:
            raise refusal("needs entries, one per unknown")
        return tuple(map(self._of_one, value))

    def _of_one(self, value: object) -> Field:
        return choose_field(value)

    def _of_all(self, value: object) -> object:
        return self._of_one(value)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        one = {"x-slot": self.definition}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


class _EachCoefficient(_Each):
    def _of_one(self, value: object) -> Field:
        return positive(choose_field(value))

    def _of_all(self, value: object) -> object:
        return CoefficientSlot.chosen(value)


Fields = Annotated[Field | tuple[Field, ...], _Each(known_fields, Field, "Value")]
Coefficients = Annotated[Diagonal | Field | tuple[Field, ...], _EachCoefficient(known_fields, Field, "Coefficient")]


def for_each(functions: tuple[Function, ...], count: int) -> tuple[Function, ...]:
    """One function for each unknown, of one for all or one each."""
    return functions if len(functions) > 1 else functions * count


class ReactionDiffusion(Evolution):
    """u_t - ∇·(k ∇u) + r(u) = f, k > 0 a scalar or a diagonal tensor; of several unknowns, u_t - ∇·(k_u ∇u) + r_u(u, v)
    = f_u and v_t - ∇·(k_v ∇v) + r_v(u, v) = f_v.

    The reaction r is a law, such as ``{law: "u**3 - u"}``, or ``{law: ["u*v**2 - F*(1 - u)", "-u*v**2 + (F + K)*v"],
    where: {F: {uniform: [0.02, 0.05]}, K: 0.06}}``: as many formulas as there are unknowns, u, v, w; or one by name:
    logistic, fisher_kpp, allen_cahn, fitzhugh_nagumo, gray_scott; or a field c of c u. ``initial``, ``coefficient`` and
    ``source`` are one for all unknowns or lists of one for each; sides are the same for all.
    Input: the initial state, the coefficients and sources, those that are random; the scalars of the law are
    parameters. Output: the unknowns at the stored times. A law is explicit in every step: it should not be much stiffer
    than the solution is fast. Defaults: k = 1, f = 0.
    """

    family: Literal["reaction_diffusion"]
    initial: Fields  # type: ignore[assignment]
    coefficient: Coefficients = UNIT
    reaction: AnyLaw
    source: Fields = ZERO
    linear: ClassVar[bool] = False
    sided: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)
    per_unknown: ClassVar[tuple[str, ...]] = ("initial", "coefficient", "source")

    @field_validator("reaction")
    @classmethod
    def _own_unknowns(cls, reaction: Field) -> Field:
        if isinstance(reaction, Law) and reaction.stray:
            message = f"uses {', '.join(reaction.stray)}, and has no formula for it: give a list, one for each unknown"
            raise refuse(("law",), message, None)
        return reaction

    @property
    def solved_for(self) -> tuple[Unknown, ...]:
        count = len(self.reaction.formulas) if isinstance(self.reaction, Law) else 1
        return tuple(map(ScalarUnknown, UNKNOWNS[:count]))

    @property
    def initial_names(self) -> tuple[str, ...]:
        names = [unknown.name for unknown in self.solved_for]
        return tuple(f"initial_{name}" for name in names) if len(self.values("initial")) > 1 else ("initial",)

    @property
    def linear_fields(self) -> tuple[str, ...]:
        """The fields that enter the matrix."""
        return ("coefficient",) if isinstance(self.reaction, Law) else self.operator_fields

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (reaction,) = drawn("reaction")
        count = len(self.solved_for)
        initial, source = (for_each(drawn(name), count) for name in ("initial", "source"))
        listed = isinstance(self.coefficient, tuple)
        diffusion = [(k,) for k in drawn("coefficient")] if listed else [drawn("coefficient")] * count
        if not isinstance(self.reaction, Law):
            return Terms(diffusion[0], source[0], reaction=reaction, initial=initial[0])
        others = [Terms(diffusion[i], source[i], initial=initial[i]) for i in range(1, count)]
        return Terms(diffusion[0], source[0], law=reaction, initial=initial[0], others=tuple(others))
