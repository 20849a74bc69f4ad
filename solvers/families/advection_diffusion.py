"""Advection and diffusion in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import model_validator

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Field, Function, choose_field
from pdemill.spec.field import fields as known_fields
from pdemill.spec.model import refuse
from pdemill.spec.problem import Terms, Vector
from pdemill.spec.terms import CoefficientSlot, Diagonal

NOTHING = 0.0, 0.0


class _CoefficientOrNone(CoefficientSlot):
    """A positive field, a diagonal tensor, or the number 0."""

    def _validate(self, value: object) -> object:
        if isinstance(value, int | float | Field) and (given := choose_field(value)).bounds() == NOTHING:
            return given
        return self.chosen(value)


class AdvectionDiffusion(Evolution):
    """u_t + ∇·(b u) - ∇·(k ∇u) + c u = f, k > 0 a scalar or a diagonal tensor, or k = 0.

    The conservative form: the integral of u changes by what passes sides, by c u and f. It is u_t + b·∇u + ... where b
    has no divergence. Neumann and Robin data concern the diffusive flux k ∂u/∂n alone; b u leaves with the value inside
    and enters with that on the side. Without diffusion sides are Dirichlet (felt where b enters), ``neumann: 0`` (free)
    or periodic.
    Input: the initial state u(0), the coefficient k, the velocity b (one field per axis), the reaction c and the source
    f, those that are random. Output: u at the stored times. Where all sides are periodic, as they are where none is
    named, and k, b and c are numbers, it is solved by spectral methods; else by limited fluxes of second order, which
    make no new extrema at any cell Peclet number.
    Defaults: k = 1, c = 0, f = 0.
    """

    family: Literal["advection_diffusion"]
    coefficient: Annotated[Diagonal | Field, _CoefficientOrNone(known_fields, Field, "Coefficient")] = UNIT
    velocity: Vector
    reaction: AnyField = ZERO
    source: AnyField = ZERO
    sided: ClassVar[bool] = True
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    @model_validator(mode="after")
    def _nothing_diffuses_through_sides(self) -> AdvectionDiffusion:
        if any(value.bounds() != NOTHING for value in self.values("coefficient")):
            return self
        for side, condition in self.conditions.items():
            flux = condition.flux
            if condition.kind() == "robin" or (flux is not None and flux.bounds() != NOTHING):
                message = (
                    f"asks for a diffusive flux through {side}, and coefficient is 0: give dirichlet or neumann: 0"
                )
                raise refuse(self.side_path(side), message, None)
        return self

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (reaction,) = drawn("initial"), drawn("source"), drawn("reaction")
        return Terms(
            drawn("coefficient"), source, advection=drawn("velocity"), reaction=reaction, initial=initial,
        )  # fmt: skip
