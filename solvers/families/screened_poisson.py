"""The screened Poisson (modified Helmholtz) equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION
from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Problem, Terms


class ScreenedPoisson(Problem):
    """-∇²u + c u = f, c > 0.

    Input: the screening c (1/length²), the source f and the data on the sides, those that are random.
    Output: u. Operator: symmetric, definite. Defaults: c = 1, f = 1, u = 0 on all sides. c up to about
    1/h² is resolved by cells of size h. Second order in the cell size.
    """

    family: Literal["screened_poisson"]
    screening: PositiveField = UNIT
    source: AnyField = UNIT
    operator_fields: ClassVar[tuple[str, ...]] = ("screening",)
    positive: ClassVar[tuple[str, ...]] = ("screening",)

    @property
    def damped(self) -> bool:
        return True

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (screening,), (source,) = drawn("screening"), drawn("source")
        return Terms(diffusion=(UNIT_FUNCTION,), source=source, reaction=screening)
