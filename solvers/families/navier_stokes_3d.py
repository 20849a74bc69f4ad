"""Incompressible Navier-Stokes in three dimensions, by its velocity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdemill.solvers.families.navier_stokes import each_once, refuse_unpaired
from pdemill.solvers.families.poisson import UNIT_FUNCTION, ZERO, ZERO_FUNCTION
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, NonNegativeField, PositiveField
from pdemill.spec.model import as_tuple
from pdemill.spec.problem import Terms
from pdemill.spec.terms import Vector
from pdemill.spec.unknowns import ScalarUnknown, Unknown, VectorUnknown

AXES = "x", "y", "z"


class NavierStokes3D(Evolution):
    """v_t + (v·∇)v + ∇p = ν ∇²v - μ v + f, ∇·v = 0, in three dimensions.

    ``initial`` and ``source`` are lists of three fields, the velocity v(0) and the force f; of both, what has no
    divergence counts (their Helmholtz projection). ``hyperviscosity`` q adds -q ∇⁴v. Input: v(0) as projected, all of
    it where some is random; the viscosity ν, q and the drag μ (numbers per sample) and f as it is drawn, those that are
    random. A ``tracer`` s(0) is carried along: s_t + v·∇s = κ ∇²s, κ its ``diffusivity``. Output: the channels of
    ``outputs`` at the stored times: the velocity, the vorticity ∇×v, and the pressure of mean 0 with -∇²p = ∇·(v·∇v),
    that of a force without divergence; then the tracer, where there is one. Defaults: μ = 0, q = 0, f = 0, no tracer.
    """

    family: Literal["navier_stokes_3d"]
    initial: Vector  # type: ignore[assignment]
    viscosity: PositiveField
    hyperviscosity: NonNegativeField = ZERO
    drag: NonNegativeField = ZERO
    source: Annotated[tuple[AnyField, ...], BeforeValidator(as_tuple)] = ()
    tracer: AnyField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    diffusivity: NonNegativeField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    outputs: Annotated[
        tuple[Literal["velocity", "vorticity", "pressure"], ...],
        Field(min_length=1),
        BeforeValidator(as_tuple),
        AfterValidator(each_once),
    ] = ("velocity",)
    unknowns: ClassVar[tuple[Unknown, ...]] = (VectorUnknown("velocity"),)
    linear: ClassVar[bool] = False
    dimensions: ClassVar[tuple[int, ...]] = (3,)
    operator_fields: ClassVar[tuple[str, ...]] = ("viscosity", "hyperviscosity", "drag", "diffusivity")
    positive: ClassVar[tuple[str, ...]] = ("viscosity",)
    not_negative: ClassVar[tuple[str, ...]] = ("hyperviscosity", "drag", "diffusivity")

    @model_validator(mode="after")
    def _paired(self) -> NavierStokes3D:
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
        names = tuple(f"initial_{axis}" for axis in AXES)
        return (*names, "tracer") if self.carries else names

    @property
    def channels(self) -> tuple[str, ...]:
        found = tuple(
            channel
            for name in self.outputs
            for channel in ((name,) if name == "pressure" else (f"{name}_{axis}" for axis in AXES))
        )
        return (*found, "tracer") if self.carries else found

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        initial = drawn("initial")
        source = drawn("source") if self.source else (ZERO_FUNCTION,) * len(initial)
        (viscosity,), (fourth,), (drag,) = drawn("viscosity"), drawn("hyperviscosity"), drawn("drag")
        first, *others = (
            Terms((viscosity,), f, reaction=drag, hyperdiffusion=fourth, initial=v)
            for v, f in zip(initial, source, strict=True)
        )
        if self.carries:
            (start,), (diffusivity,) = drawn("tracer"), drawn("diffusivity")
            others.append(Terms((diffusivity,), ZERO_FUNCTION, passive_advection=UNIT_FUNCTION, initial=start))
        return Terms(
            first.diffusion, first.source, reaction=drag, hyperdiffusion=fourth, velocity_advection=UNIT_FUNCTION,
            initial=first.initial, others=tuple(others),
        )  # fmt: skip
