"""Quasi-geostrophic flow of one layer on a beta-plane, by its vorticity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pdemill.solvers.families.navier_stokes import NavierStokes
from pdemill.solvers.families.poisson import ZERO
from pdemill.spec.field import AnyField, Function, NonNegativeField
from pdemill.spec.model import as_tuple
from pdemill.spec.problem import Terms


class QuasiGeostrophic(NavierStokes):
    """ω_t + v·∇ω + β v_y = ν ∇²ω - μ ω + f, v = (ψ_y, -ψ_x), -∇²ψ = ω, in two dimensions.

    One layer of fluid with a rigid lid on a β-plane: x is east and y north; β is the gradient of the Coriolis parameter
    (a number per sample). With a ``radius`` of deformation λ (a number per sample; 0, the default: none) (ω + ψ / λ²)_t
    stands for ω_t, as of a surface that is free. All else is as in ``navier_stokes``: initial vorticity, viscosity,
    hyperviscosity, spectral cut-off, drag, the curl f of the force, and the tracer. Output: the channels of ``outputs``
    at the stored times: the relative vorticity ω, the velocity, the stream function ψ; then the tracer, where there is
    one.
    """

    family: Literal["quasi_geostrophic"]  # type: ignore[assignment]
    beta: AnyField
    radius: NonNegativeField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    outputs: Annotated[
        tuple[Literal["vorticity", "velocity", "stream_function"], ...], Field(min_length=1), BeforeValidator(as_tuple)
    ] = ("vorticity",)
    operator_fields: ClassVar[tuple[str, ...]] = (*NavierStokes.operator_fields, "beta", "radius")
    positive: ClassVar[tuple[str, ...]] = ("radius",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (beta,) = drawn("beta")
        found = replace(super().terms(drawn), planetary=beta)
        return found if self._is_zero(self.radius) else replace(found, deformation=drawn("radius")[0])
