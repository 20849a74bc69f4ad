"""Time-harmonic waves that leave through sides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Literal

from pdemill.solvers.families.of_form import UnknownOfForm, Written
from pdemill.solvers.families.poisson import ZERO
from pdemill.solvers.families.ready_form import ReadyForm, key
from pdemill.solvers.fields.constant import Constant
from pdemill.solvers.weak.said import Load, SaidSides, Word
from pdemill.spec.field import AnyField, NonNegativeField, PositiveField

BULK = (
    "coefficient*(inner(grad(u_real), grad(v)) - inner(grad(u_imaginary), grad(w)))*dx"
    " - wavenumber**2*((u_real - loss*u_imaginary)*v - (u_imaginary + loss*u_real)*w)*dx"
    " - (source*v - source_imaginary*w)*dx"
)
LEAVING = "coefficient*wavenumber*(u_imaginary*v + u_real*w)"


class WaveSides(SaidSides):
    """By side: ``absorbing``, k ∂u/∂n = i k κ u; ``hard``, k ∂u/∂n = 0; ``soft``, u = 0; values of ``u_real`` and
    ``u_imaginary``; or fluxes k ∂u/∂n, ``flux_real`` and ``flux_imaginary``. ``default`` stands for the sides that are
    not named."""

    example: ClassVar[str] = "absorbing, hard, soft, {u_real: 1, u_imaginary: 0} or {flux_real: 1}"
    unknowns: ClassVar[Mapping[str, bool]] = {"u_real": False, "u_imaginary": False}
    loads: ClassVar[Mapping[str, Load]] = {
        "flux_real": Load("-{0}*v", on="u_real", vector=False),
        "flux_imaginary": Load("{0}*w", on="u_imaginary", vector=False),
    }
    words: ClassVar[Mapping[str, Word]] = {
        "absorbing": Word(term=LEAVING), "hard": Word(), "soft": Word(zero=("u_real", "u_imaginary")),
    }  # fmt: skip


class HelmholtzAbsorbing(ReadyForm):
    """-∇·(k ∇u) - κ² (1 + iδ) u = f, u complex: time-harmonic waves that leave through absorbing sides.

    Waves are u exp(-iωt): exp(iκr) goes outwards. ``absorbing`` sides are of first order, k ∂u/∂n = i k κ u: waves that
    meet them at an angle α are reflected by tan²(α/2). κ is the wave number (1/length), k the ``coefficient``, δ the
    ``loss``, f the source, whose imaginary part may be given too. Input: all of them that are random, and the data on
    sides. Output: the real and the imaginary part of u. Defaults: k = 1, δ = 0, f = 0. Order 2 of P1 elements, 3 of P2,
    once a wave has some ten nodes; errors grow with the distance that waves travel.
    """

    family: Literal["helmholtz_absorbing"]
    wavenumber: PositiveField = key("Wave number κ", "1/m")
    coefficient: PositiveField = key("Coefficient k", default=Constant(constant=1.0))
    loss: NonNegativeField = key("Loss δ", default=ZERO)
    source: AnyField = key("Source f, its real part", default=ZERO)
    source_imaginary: AnyField = key("Its imaginary part", default=ZERO)
    element: Literal["P1", "P2"] = key("Elements of u", default="P2")
    boundary: WaveSides
    keys: ClassVar[tuple[str, ...]] = ("wavenumber", "coefficient", "loss", "source", "source_imaginary")
    positive: ClassVar[tuple[str, ...]] = ("wavenumber", "coefficient")
    not_negative: ClassVar[tuple[str, ...]] = ("loss",)

    @cached_property
    def equation(self) -> Written:
        real, imaginary = (UnknownOfForm(element=self.element, test=test) for test in ("v", "w"))
        return self.as_form({"u_real": real, "u_imaginary": imaginary}, BULK)
