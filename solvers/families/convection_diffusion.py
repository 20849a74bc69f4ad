"""Steady convection and diffusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import Field as Option

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.spec.field import AnyField, Function, NonNegativeField, at_least
from pdemill.spec.problem import Coefficient, Problem, Terms, Vector


class ConvectionDiffusion(Problem):
    """-∇·(k ∇u) + b·∇u + c u = f, k > 0, c >= 0.

    Input: the coefficient k, the velocity b (one field per axis), the reaction c, the source f and the data
    on the sides, those that are random. Output: u. Operator: not symmetric.
    ``flux``, on boxes: central differences are of second order in the cell size h, and free of oscillations while
    |b| h / k <= 2; ``upwind`` ones always, and of first order; ``fitted`` ones always, and of second order for small
    |b| h / k; ``auto`` takes central ones for samples where that is at most 2, else fitted ones.
    Defaults: k = 1, c = 0, f = 1, u = 0 on all sides.
    """

    family: Literal["convection_diffusion"]
    coefficient: Coefficient = UNIT
    velocity: Vector
    reaction: NonNegativeField = ZERO
    source: AnyField = UNIT
    flux: Literal["auto", "central", "upwind", "fitted"] = Option(
        default="auto", exclude_if=lambda flux: flux == "auto"
    )
    symmetric: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "velocity", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)
    not_negative: ClassVar[tuple[str, ...]] = ("reaction",)

    @property
    def convective_flux(self) -> str:
        return self.flux

    @property
    def damped(self) -> bool:
        return at_least(self.reaction) > 0

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (reaction,), (source,) = drawn("reaction"), drawn("source")
        return Terms(drawn("coefficient"), source, drawn("velocity"), reaction)
