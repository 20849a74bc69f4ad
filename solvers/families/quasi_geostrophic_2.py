"""Quasi-geostrophic flow of two layers on a beta-plane, by their potential vorticities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdemill.solvers.families.navier_stokes import each_once
from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.solvers.families.reaction_diffusion import Fields, for_each
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, NonNegativeField, PositiveField
from pdemill.spec.model import as_tuple, refuse
from pdemill.spec.problem import Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown

CHANNELS = {
    "potential_vorticity": ("potential_vorticity",),
    "stream_function": ("stream_function",),
    "velocity": ("velocity_x", "velocity_y"),
    "vorticity": ("vorticity",),
}
"""What may be asked for, and its channels in each layer."""


class QuasiGeostrophic2(Evolution):
    """(q_i)_t + v_i·∇q_i + U_i ∂_x q_i + Q_i v_iy = ν ∇²q_i - h ∇⁴q_i - μ_i ω_i + f_i, of two layers, i = 1, 2.

    In two dimensions, v_i = (∂_y ψ_i, -∂_x ψ_i), ω_i = -∇²ψ_i, q_i = ω_i + F_i (ψ_i - ψ_j) and Q_i = β + F_i (U_i -
    U_j): two layers under a rigid lid on a β-plane (Phillips' model), x east and y north, layer 1 above layer 2. F_1 =
    1 / ((1 + δ) λ²) and F_2 = δ F_1, λ the ``radius`` of deformation, δ = H_1 / H_2 the ``depth_ratio``; U_i the
    ``mean_flow``, β ``beta``, μ_1 = 0 and μ_2 the ``drag`` at the bottom, ν ``viscosity``, h ``hyperviscosity``:
    numbers per sample. ``initial`` q_i(0) and ``source`` f_i are one for both layers or lists of two. Input: the
    initial state, then what is random of all these. Output: the channels of ``outputs`` at the stored times, the upper
    layer's first; with a radius or a ratio that is drawn, potential vorticities alone. A large shear of the mean flow
    makes waves grow. Defaults: δ = 1, β = 0, U_i = 0, μ_2 = 0, ν = 0, h = 0, f_i = 0.
    """

    family: Literal["quasi_geostrophic_2"]
    initial: Fields  # type: ignore[assignment]
    radius: PositiveField
    depth_ratio: PositiveField = UNIT
    beta: AnyField = ZERO
    mean_flow: Fields = ZERO
    drag: NonNegativeField = ZERO
    viscosity: NonNegativeField = ZERO
    hyperviscosity: NonNegativeField = ZERO
    source: Fields = ZERO
    outputs: Annotated[
        tuple[Literal["potential_vorticity", "stream_function", "velocity", "vorticity"], ...],
        Field(min_length=1),
        BeforeValidator(as_tuple),
        AfterValidator(each_once),
    ] = ("potential_vorticity",)
    unknowns: ClassVar[tuple[Unknown, ...]] = tuple(ScalarUnknown(f"potential_vorticity_{i}") for i in (1, 2))
    per_unknown: ClassVar[tuple[str, ...]] = ("initial", "mean_flow", "source")
    linear: ClassVar[bool] = False
    dimensions: ClassVar[tuple[int, ...]] = (2,)
    operator_fields: ClassVar[tuple[str, ...]] = (
        "radius", "depth_ratio", "beta", "mean_flow", "drag", "viscosity", "hyperviscosity"
    )  # fmt: skip
    positive: ClassVar[tuple[str, ...]] = ("radius", "depth_ratio")
    not_negative: ClassVar[tuple[str, ...]] = ("drag", "viscosity", "hyperviscosity")

    @model_validator(mode="after")
    def _known(self) -> QuasiGeostrophic2:
        if self._is_zero(self.viscosity) and self._is_zero(self.hyperviscosity):
            raise refuse(("viscosity",), "must be positive where there is no hyperviscosity", None)
        if set(self.outputs) - {"potential_vorticity"} and (self.radius.is_random or self.depth_ratio.is_random):
            raise refuse(("outputs",), "takes potential_vorticity alone where radius or depth_ratio is random", None)
        return self

    @property
    def initial_names(self) -> tuple[str, ...]:
        return ("initial_potential_vorticity_1", "initial_potential_vorticity_2")

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(f"{channel}_{i}" for name in self.outputs for i in (1, 2) for channel in CHANNELS[name])

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        initial, source, flows = (for_each(drawn(name), 2) for name in ("initial", "source", "mean_flow"))
        (viscosity,), (fourth,) = drawn("viscosity"), drawn("hyperviscosity")
        alone = (*drawn("radius"), *drawn("depth_ratio"), *drawn("beta"))
        first, second = (
            Terms((viscosity,), f, hyperdiffusion=fourth, initial=q) for f, q in zip(source, initial, strict=True)
        )
        return Terms(
            first.diffusion, first.source, hyperdiffusion=fourth, layered=(*alone, *flows, *drawn("drag")),
            initial=first.initial, others=(second,),
        )  # fmt: skip
