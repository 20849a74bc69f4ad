"""Linear equations with constant coefficients on periodic boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from pdemill.solvers.families.poisson import ZERO
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, NonNegativeField
from pdemill.spec.model import as_tuple
from pdemill.spec.problem import Terms


class GeneralLinear(Evolution):
    """u_t + b·∇u - k ∇²u + p Σ_i ∂_i³u + q ∇⁴u + c u = f: advection, diffusion, dispersion, hyperdiffusion, damping.

    Input: the initial state u(0), the velocity b (one number per axis), the diffusion k >= 0, the dispersion p, the
    hyperdiffusion q >= 0, the reaction c (numbers per sample) and the source f, those that are random. Output: u at the
    stored times, without any error in time. Defaults: all coefficients 0, f = 0.
    """

    family: Literal["general_linear"]
    velocity: Annotated[tuple[AnyField, ...], BeforeValidator(as_tuple)] = ()
    diffusion: NonNegativeField = ZERO
    dispersion: AnyField = ZERO
    hyperdiffusion: NonNegativeField = ZERO
    reaction: AnyField = ZERO
    source: AnyField = ZERO
    operator_fields: ClassVar[tuple[str, ...]] = ("velocity", "diffusion", "dispersion", "hyperdiffusion", "reaction")
    not_negative: ClassVar[tuple[str, ...]] = ("diffusion", "hyperdiffusion")

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (reaction,) = drawn("initial"), drawn("source"), drawn("reaction")
        (third,), (fourth,) = drawn("dispersion"), drawn("hyperdiffusion")
        return Terms(
            drawn("diffusion"), source, convection=drawn("velocity"), reaction=reaction, dispersion=third,
            hyperdiffusion=fourth, initial=initial,
        )  # fmt: skip
