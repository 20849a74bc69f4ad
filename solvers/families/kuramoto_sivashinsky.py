"""The Kuramoto-Sivashinsky equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION, ZERO
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Terms


class KuramotoSivashinsky(Evolution):
    """u_t + u u_x + u_xx + ν u_xxxx = f.

    Input: the initial state u(0), the hyperviscosity ν (a number per sample) and the source f, those that are random.
    Output: u at the stored times. On long boxes it is chaotic: a trajectory is right up to
    ``valid_until`` only (``certify.valid_until`` says how far it has to be). Defaults: ν = 1, f = 0.
    """

    family: Literal["kuramoto_sivashinsky"]
    hyperviscosity: PositiveField = UNIT
    source: AnyField = ZERO
    dimensions: ClassVar[tuple[int, ...]] = (1,)
    linear: ClassVar[bool] = False
    operator_fields: ClassVar[tuple[str, ...]] = ("hyperviscosity",)
    positive: ClassVar[tuple[str, ...]] = ("hyperviscosity",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,), (fourth,) = drawn("initial"), drawn("source"), drawn("hyperviscosity")
        backwards = UNIT_FUNCTION.map(lambda value: -value)
        return Terms((backwards,), source, hyperdiffusion=fourth, self_advection=UNIT_FUNCTION, initial=initial)
