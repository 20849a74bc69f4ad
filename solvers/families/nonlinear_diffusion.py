"""Steady diffusion with a coefficient that depends on u."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator, model_validator

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.fields.law import AnyLaw, Law, of_one_unknown
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.model import refuse
from pdemill.spec.problem import Coefficient, Problem, Terms


class DiffusionByLaw(Problem):
    """What the families with -∇·(a k(u) ∇u) + c u share. ``without_law``: that for a k that does not depend on u."""

    coefficient: AnyLaw
    factor: Coefficient = UNIT
    reaction: AnyLaw = ZERO
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "factor", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("factor",)
    without_law: ClassVar[str]

    @field_validator("coefficient")
    @classmethod
    def _is_a_law(cls, coefficient: Field) -> Field:
        return of_one_unknown(coefficient, f"for a k that does not depend on u use {cls.without_law}")

    @field_validator("reaction")
    @classmethod
    def _knows_u_alone(cls, reaction: Field) -> Field:
        return of_one_unknown(reaction, "") if isinstance(reaction, Law) else reaction

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (law,), (reaction,), (source,) = drawn("coefficient"), drawn("reaction"), drawn("source")
        if isinstance(self.reaction, Law):
            return Terms(drawn("factor"), source, law=reaction, diffusion_law=law)
        return Terms(drawn("factor"), source, reaction=reaction, diffusion_law=law)


class NonlinearDiffusion(DiffusionByLaw):
    """-∇·(a k(u) ∇u) + c u = f, a > 0 a scalar or a diagonal tensor, k(u) > 0.

    The coefficient k is a law, such as ``{law: "1 + b*u**2", where: {b: {uniform: [0.5, 2]}}}``, which may use
    coordinates too; the reaction is a field c, or a law r(u) instead of c u. Solved by Newton's iteration. k must be
    positive for all values that u takes; a sample where it is not fails.
    Input: the factor a, c, the source f and the data on the sides, those that are random; the scalars of laws are
    parameters. Output: u. Operator: not symmetric. Defaults: a = 1, c = 0, f = 1, u = 0 on all sides. Second order in
    the cell size.
    """

    family: Literal["nonlinear_diffusion"]
    source: AnyField = UNIT
    without_law: ClassVar[str] = "darcy"

    @model_validator(mode="after")
    def _held(self) -> NonlinearDiffusion:
        if self._is_zero(self.reaction) and not any(side.fixes_level for side in self.conditions.values()):
            message = "holds u nowhere, and there is no reaction: set a Dirichlet or Robin side, or a reaction"
            raise refuse(("boundary",), message, None)
        return self
