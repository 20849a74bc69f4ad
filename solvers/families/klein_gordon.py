"""Nonlinear Klein-Gordon equations, sine-Gordon's among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT, ZERO, ZERO_FUNCTION
from pdemill.solvers.families.reaction_diffusion import Fields
from pdemill.solvers.fields.law import AnyLaw, of_one_unknown
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function, PositiveField
from pdemill.spec.problem import Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown


class KleinGordon(Evolution):
    """u_tt - c² ∇²u + g(u) = f.

    g is a law of u: ``{law: "sin(u)"}`` is the sine-Gordon equation, ``{law: "m**2*u", where: {m: 2}}`` the linear
    Klein-Gordon equation, ``{law: "u**3 - u"}`` the phi-4 model. Solved for u and v = u_t, both of which are stored.
    ``initial`` is u(0), with v(0) = 0, or a list of both. Nothing is damped: the energy, the mean of v²/2 + c² |∇u|²/2
    + G(u) with G' = g, stays what it is where f = 0.
    Input: the initial state, the speed c (a number per sample) and the source f, those that are random; the scalars of
    the law are parameters. Output: u and v at the stored times. Defaults: c = 1, f = 0.
    """

    family: Literal["klein_gordon"]
    initial: Fields  # type: ignore[assignment]
    speed: PositiveField = UNIT
    reaction: AnyLaw
    source: AnyField = ZERO
    unknowns: ClassVar[tuple[Unknown, ...]] = (ScalarUnknown("u"), ScalarUnknown("v"))
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("speed", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("speed",)
    per_unknown: ClassVar[tuple[str, ...]] = ("initial",)

    @field_validator("reaction")
    @classmethod
    def _is_a_law(cls, reaction: Field) -> Field:
        return of_one_unknown(reaction, "for waves without one use wave")

    @property
    def initial_names(self) -> tuple[str, ...]:
        return ("initial_u", "initial_v") if isinstance(self.initial, tuple) else ("initial",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (speed,), (law,), (source,) = drawn("speed"), drawn("reaction"), drawn("source")
        initial, rate = (*drawn("initial"), ZERO_FUNCTION)[:2]
        still = (ZERO_FUNCTION,)
        return Terms(
            still, ZERO_FUNCTION, oscillation=(speed, law), initial=initial,
            others=(Terms(still, source, initial=rate),),
        )  # fmt: skip
