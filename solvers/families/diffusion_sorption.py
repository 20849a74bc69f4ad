"""Diffusion of what is dissolved, part of which is sorbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.fields.law import AnyLaw, Law, of_one_unknown
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.problem import Coefficient, Terms


class DiffusionSorption(Evolution):
    """(u + s(u))_t - ∇·(D ∇u) + c u = f, D > 0 a scalar or a diagonal tensor; so R(u) u_t = ... with the retardation
    factor R(u) = 1 + s'(u) >= 1.

    The sorption s is a law of u that never falls, such as ``{law: freundlich, where: {k: {uniform: [1e-4, 5e-4]}}}``,
    s = (1 - porosity) / porosity density k u^n, or ``{law: "2*u/(1 + u)"}``; R may be infinite at u = 0. The reaction
    is a field c, or a law r(u) instead of c u. All are implicit in every step, which is one of u + s(u): its integral
    changes by what is drawn from it alone.
    Input: the initial state u(0), D, c and f, those that are random; the scalars of laws are parameters. Output: u at
    the stored times. Defaults: D = 1, c = 0, f = 0.
    """

    family: Literal["diffusion_sorption"]
    coefficient: Coefficient = UNIT
    sorption: AnyLaw
    reaction: AnyLaw = ZERO
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    sided: ClassVar[bool] = True
    implicit: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "sorption", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    @field_validator("sorption")
    @classmethod
    def _is_a_law(cls, sorption: Field) -> Field:
        return of_one_unknown(sorption, "where nothing is sorbed use heat")

    @field_validator("reaction")
    @classmethod
    def _knows_u_alone(cls, reaction: Field) -> Field:
        return of_one_unknown(reaction, "") if isinstance(reaction, Law) else reaction

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (sorption,), (reaction,), (source,) = drawn("sorption"), drawn("reaction"), drawn("source")
        (initial,) = drawn("initial")
        terms = Terms(drawn("coefficient"), source, storage=sorption, initial=initial)
        by_law = isinstance(self.reaction, Law)
        return replace(terms, law=reaction) if by_law else replace(terms, reaction=reaction)
