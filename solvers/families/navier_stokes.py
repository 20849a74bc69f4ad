"""Incompressible Navier-Stokes in two dimensions, by its vorticity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdemill.solvers.families.poisson import UNIT_FUNCTION, ZERO, ZERO_FUNCTION
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, NonNegativeField
from pdemill.spec.model import as_tuple, refusal, refuse
from pdemill.spec.problem import Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown

OUTPUTS = {
    "vorticity": ("vorticity",),
    "velocity": ("velocity_x", "velocity_y"),
    "stream_function": ("stream_function",),
    "pressure": ("pressure",),
}
"""What may be asked for, and its channels."""


def each_once(outputs: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse outputs that are named twice."""
    if len(set(outputs)) < len(outputs):
        raise refusal("names an output twice")
    return outputs


def refuse_unpaired(carries: bool, still: bool) -> None:
    """Refuse a tracer without its diffusivity, and that without a tracer."""
    if still == carries:
        told = "must be positive where there is a tracer" if carries else "is that of a tracer: give one"
        raise refuse(("diffusivity",), told, None)


class NavierStokes(Evolution):
    """ω_t + v·∇ω = ν ∇²ω - μ ω + f, v = (ψ_y, -ψ_x), -∇²ψ = ω, in two dimensions.

    Input: the initial vorticity ω(0), the viscosity ν and the drag μ (numbers per sample), the curl f of the force,
    those that are random; ω(0) and f have mean 0. ``hyperviscosity`` q adds -q ∇⁴ω, and ν may then be 0. With a
    ``spectral_cutoff`` m, the viscosity acts on the modes with |k| > m alone, k the whole numbers of waves along the
    axes (spectral viscosity: Tadmor 1989). A ``tracer`` s(0) is carried along: s_t + v·∇s = κ ∇²s, κ its
    ``diffusivity``, on the same modes as the viscosity. Output: the channels of ``outputs`` at the stored times: the
    vorticity, the velocity, the stream function, and the pressure of mean 0 with -∇²p = ∇·(v·∇v), that of a force
    without divergence; then the tracer, where there is one. Defaults: μ = 0, q = 0, f = 0, no tracer.
    """

    family: Literal["navier_stokes"]
    viscosity: NonNegativeField
    hyperviscosity: NonNegativeField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    spectral_cutoff: NonNegativeField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    drag: NonNegativeField = ZERO
    source: AnyField = ZERO
    tracer: AnyField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    diffusivity: NonNegativeField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    outputs: Annotated[
        tuple[Literal["vorticity", "velocity", "stream_function", "pressure"], ...],
        Field(min_length=1),
        BeforeValidator(as_tuple),
        AfterValidator(each_once),
    ] = ("vorticity",)
    unknowns: ClassVar[tuple[Unknown, ...]] = (ScalarUnknown("vorticity"),)
    linear: ClassVar[bool] = False
    dimensions: ClassVar[tuple[int, ...]] = (2,)
    balanced: ClassVar[tuple[str, ...]] = ("initial", "source")
    operator_fields: ClassVar[tuple[str, ...]] = (
        "viscosity", "hyperviscosity", "spectral_cutoff", "drag", "diffusivity"
    )  # fmt: skip
    not_negative: ClassVar[tuple[str, ...]] = operator_fields

    @model_validator(mode="after")
    def _damps(self) -> NavierStokes:
        if self._is_zero(self.viscosity) and self._is_zero(self.hyperviscosity):
            raise refuse(("viscosity",), "must be positive where there is no hyperviscosity", None)
        refuse_unpaired(self.carries, self._is_zero(self.diffusivity))
        return self

    @property
    def carries(self) -> bool:
        """Whether there is a tracer."""
        return not self._is_zero(self.tracer)

    @property
    def solved_for(self) -> tuple[Unknown, ...]:
        return (*self.unknowns, ScalarUnknown("tracer")) if self.carries else self.unknowns

    @property
    def initial_names(self) -> tuple[str, ...]:
        return ("initial", "tracer") if self.carries else ("initial",)

    @property
    def channels(self) -> tuple[str, ...]:
        found = tuple(channel for name in self.outputs for channel in OUTPUTS[name])
        return (*found, "tracer") if self.carries else found

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (drag,) = drawn("initial"), drawn("source"), drawn("drag")
        (viscosity,), (fourth,), (cutoff,) = drawn("viscosity"), drawn("hyperviscosity"), drawn("spectral_cutoff")
        whole = self._is_zero(self.spectral_cutoff)
        return Terms(
            (viscosity if whole else ZERO_FUNCTION,), source, spectral_viscosity=() if whole else (viscosity, cutoff),
            reaction=drag, hyperdiffusion=fourth, vorticity_advection=UNIT_FUNCTION, initial=initial,
            others=(self._carried(drawn, () if whole else (cutoff,)),) if self.carries else (),
        )  # fmt: skip

    def _carried(self, drawn: Callable[[str], tuple[Function, ...]], cutoff: tuple[Function, ...]) -> Terms:
        (initial,), (diffusivity,) = drawn("tracer"), drawn("diffusivity")
        return Terms(
            (ZERO_FUNCTION if cutoff else diffusivity,), ZERO_FUNCTION, passive_advection=UNIT_FUNCTION,
            spectral_viscosity=(diffusivity, *cutoff) if cutoff else (), initial=initial,
        )  # fmt: skip
