"""Steady reaction and diffusion: a nonlinear reaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import field_validator

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.fields.law import AnyLaw, of_one_unknown
from pdemill.spec.field import AnyField, Field, Function
from pdemill.spec.problem import Coefficient, Problem, Terms


class Semilinear(Problem):
    """-∇·(k ∇u) + r(u) = f, k > 0 a scalar or a diagonal tensor.

    The reaction r is a law, such as ``{law: "u**3 - a*u", where: {a: {uniform: [0, 1]}}}``, which may use coordinates
    too; Bratu's equation is ``{law: "-a*exp(u)", where: {a: 1}}``. Solved by Newton's iteration from u = 0; where there
    are several solutions it is the one that this leads to, and where there is none the sample fails.
    Input: the coefficient k, the source f and the data on the sides, those that are random; the scalars of the law are
    parameters. Output: u. Defaults: k = 1, f = 0, u = 0 on all sides. Second order in the cell size.
    """

    family: Literal["semilinear"]
    coefficient: Coefficient = UNIT
    reaction: AnyLaw
    source: AnyField = ZERO
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    @field_validator("reaction")
    @classmethod
    def _is_a_law(cls, reaction: Field) -> Field:
        return of_one_unknown(reaction, "for a reaction c u use darcy")

    @property
    def definite(self) -> bool:
        return False  # the law may fall with u

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (reaction,), (source,) = drawn("reaction"), drawn("source")
        return Terms(drawn("coefficient"), source, law=reaction)
