"""Diffusion in time with a coefficient that depends on u: heat, moisture, gas in porous media."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

from pdemill.solvers.families.nonlinear_diffusion import DiffusionByLaw
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import Function
from pdemill.spec.problem import Terms


class NonlinearHeat(DiffusionByLaw, Evolution):
    """u_t - ∇·(a k(u) ∇u) + c u = f, a > 0 a scalar or a diagonal tensor, k(u) >= 0.

    The coefficient k is a law, such as ``{law: "1 + b*u**2", where: {b: {uniform: [0.5, 2]}}}``, or ``{law: "2*u"}``
    for the porous medium equation u_t = ∇²u² + f; the reaction is a field c, or a law r(u) instead of c u. Both are
    implicit in every step. k may be 0, as ahead of the fronts of porous media, and must not become negative.
    Input: the initial state u(0), a, c and f, those that are random; the scalars of laws are parameters. Output: u at
    the stored times. Defaults: a = 1, c = 0, f = 0.
    """

    family: Literal["nonlinear_heat"]
    sided: ClassVar[bool] = True
    implicit: ClassVar[bool] = True
    without_law: ClassVar[str] = "heat"

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,) = drawn("initial")
        return replace(super().terms(drawn), initial=initial)
