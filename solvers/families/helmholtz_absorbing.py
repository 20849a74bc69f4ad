"""Time-harmonic waves that leave through sides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pdemill.solvers.families.of_form import UnknownOfForm, Written
from pdemill.solvers.families.poisson import ZERO
from pdemill.solvers.families.ready_form import WHERE_ASKED, ReadyForm, key
from pdemill.solvers.fields.constant import Constant
from pdemill.solvers.weak.layers import MASS, QUADRATURE, WAVES, stretched
from pdemill.solvers.weak.said import Load, Said, SaidSides, Word
from pdemill.spec.domain import BOX_SIDES, Box
from pdemill.spec.field import AnyField, NonNegativeField, PositiveField
from pdemill.spec.model import Positive, refuse

BULK = (
    "coefficient*(inner(grad(u_real), grad(v)) - inner(grad(u_imaginary), grad(w)))*dx"
    " - wavenumber**2*((u_real - loss*u_imaginary)*v - (u_imaginary + loss*u_real)*w)*dx"
    " - (source*v - source_imaginary*w)*dx"
)
PML = "pml"
LEAVING = "sqrt(coefficient)*wavenumber*(u_imaginary*v + u_real*w)"


class WaveSides(SaidSides):
    """By side: ``absorbing``, k ∂u/∂n = i √k κ u; ``pml``, a perfectly matched layer within it; ``hard``, k ∂u/∂n = 0;
    ``soft``, u = 0; values of ``u_real`` and ``u_imaginary``; or fluxes k ∂u/∂n, ``flux_real`` and ``flux_imaginary``.
    ``default`` stands for the sides that are not named."""

    example: ClassVar[str] = "absorbing, pml, hard, soft, {u_real: 1, u_imaginary: 0} or {flux_real: 1}"
    unknowns: ClassVar[Mapping[str, bool]] = {"u_real": False, "u_imaginary": False}
    loads: ClassVar[Mapping[str, Load]] = {
        "flux_real": Load("-{0}*v", on="u_real", vector=False),
        "flux_imaginary": Load("{0}*w", on="u_imaginary", vector=False),
    }
    words: ClassVar[Mapping[str, Word]] = {
        "absorbing": Word(term=LEAVING), "hard": Word(), "soft": Word(zero=("u_real", "u_imaginary")),
        PML: Word(zero=("u_real", "u_imaginary")),
    }  # fmt: skip


class HelmholtzAbsorbing(ReadyForm):
    """-∇·(k ∇u) - κ² (1 + iδ) u = f, u complex: time-harmonic waves that leave through absorbing sides.

    Waves are u exp(-iωt): exp(iκr) goes outwards. ``absorbing`` sides are of first order, k ∂u/∂n = i √k κ u: waves
    that meet them at an angle α are reflected by tan²(α/2). ``pml`` sides of boxes have within them layers of the width
    ``layer``, in which waves of any angle die out (Berenger 1994, by complex stretching): what is stored there is no
    wave, and sources do not belong there. κ is the wave number (1/length), k the ``coefficient``, δ the ``loss``, f the
    source, whose imaginary part may be given too. Input: all of them that are random, and the data on sides. Output:
    the real and the imaginary part of u. Defaults: k = 1, δ = 0, f = 0. Order 2 of P1 elements, 3 of P2, once a wave
    has some ten nodes; errors grow with the distance that waves travel.
    """

    family: Literal["helmholtz_absorbing"]
    wavenumber: PositiveField = key("Wave number κ", "1/m")
    coefficient: PositiveField = key("Coefficient k", default=Constant(constant=1.0))
    loss: NonNegativeField = key("Loss δ", default=ZERO)
    source: AnyField = key("Source f, its real part", default=ZERO)
    source_imaginary: AnyField = key("Its imaginary part", default=ZERO)
    element: Literal["P1", "P2"] = key("Elements of u", default="P2")
    layer: Annotated[Positive | None, WHERE_ASKED] = key("Width of the layers of sides that are pml", "m", None)
    boundary: WaveSides
    keys: ClassVar[tuple[str, ...]] = ("wavenumber", "coefficient", "loss", "source", "source_imaginary")
    positive: ClassVar[tuple[str, ...]] = ("wavenumber", "coefficient")
    not_negative: ClassVar[tuple[str, ...]] = ("loss",)

    @property
    def quadrature(self) -> int | None:
        return QUADRATURE if self.degree is None and self.layer is not None else self.degree

    def check_keys(self) -> None:
        self._check_layers()
        given = [self.source, self.source_imaginary, *(value for _, _, value in self.side_slots())]
        given += [value for *_, loads in self.boundary.terms(self.sides) for value in loads]
        if all(value.bounds() == (0.0, 0.0) for value in given):
            raise refuse(("source",), "is 0, and sides give nothing but 0: there is no wave", None)

    def _check_layers(self) -> None:
        layered = [side for side in self.sides if self._is_layered(side)]
        if (self.layer is None) != (not layered):
            raise refuse(("layer",), "is the width of layers of sides that are pml: give both, or neither", self.layer)
        if self.layer is None:
            return
        for side in layered:
            pair = next((pair for pair in BOX_SIDES if side in pair), None)
            if pair is None or not self._box:
                raise refuse(("boundary", side), "cannot be pml: outer sides of boxes can", PML)
            room = self._box[BOX_SIDES.index(pair)]
            if self.layer * len(set(pair) & set(layered)) >= room:
                raise refuse(("layer",), f"leaves nothing of the length {room:g}", self.layer)

    @property
    def _box(self) -> tuple[float, ...]:
        """The lengths of the box that it is in; none where the domain is another one."""
        lengths: tuple[float, ...] = self._lengths if isinstance(self.domain, Box) else ()  # type: ignore[attr-defined]
        return lengths

    def _is_layered(self, side: str) -> bool:
        said = self.boundary.on(side)
        return isinstance(said, Said) and said.called == PML

    @cached_property
    def equation(self) -> Written:
        real, imaginary = (UnknownOfForm(element=self.element, test=test) for test in ("v", "w"))
        unknowns = {"u_real": real, "u_imaginary": imaginary}
        if self.layer is None or not self._box:
            return self.as_form(unknowns, BULK)
        low, high = zip(*(map(self._is_layered, pair) for pair in BOX_SIDES[: self.dimension]), strict=True)
        return self.as_form(unknowns, WAVES, {**stretched(self._box, low, high, self.layer), **MASS})
