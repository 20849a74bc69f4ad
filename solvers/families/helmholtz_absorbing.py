"""Time-harmonic waves that leave through sides."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal

from pdemill.solvers.families.layered_form import LayeredForm
from pdemill.solvers.families.of_form import UnknownOfForm, Written
from pdemill.solvers.families.poisson import ZERO
from pdemill.solvers.families.ready_form import key
from pdemill.solvers.families.wave_sides import MASS, PLAIN, STRETCHED, WaveSides
from pdemill.solvers.fields.constant import Constant
from pdemill.spec.field import AnyField, NonNegativeField, PositiveField
from pdemill.spec.model import refuse


class HelmholtzAbsorbing(LayeredForm):
    """-∇·(k ∇u) - κ² (1 + iδ) u = f, u complex: time-harmonic waves that leave through absorbing sides.

    Waves are u exp(-iωt): exp(iκr) goes outwards. ``absorbing`` sides are of first order, k ∂u/∂n = i √k κ u: waves
    that meet them at an angle α are reflected by tan²(α/2). ``pml`` sides of boxes have within them layers of the width
    ``layer``, in which waves of any angle die out (Berenger 1994, by complex stretching): what is stored there is no
    wave, and sources, holes and changes of the medium are refused there. κ is the wave number (1/length), k the
    ``coefficient``, δ the ``loss``, f the source, whose imaginary part may be given too. Input: all of them that are
    random, and the data on sides. Output: the real and the imaginary part of u. Defaults: k = 1, δ = 0, f = 0. Order 2
    of P1 elements, 3 of P2, once a wave has some ten nodes; errors grow with the distance that waves travel.
    """

    family: Literal["helmholtz_absorbing"]
    wavenumber: PositiveField = key("Wave number κ", "1/m")
    coefficient: PositiveField = key("Coefficient k", default=Constant(constant=1.0))
    loss: NonNegativeField = key("Loss δ", default=ZERO)
    source: AnyField = key("Source f, its real part", default=ZERO)
    source_imaginary: AnyField = key("Its imaginary part", default=ZERO)
    element: Literal["P1", "P2"] = key("Elements of u", default="P2")
    boundary: WaveSides
    medium: ClassVar[tuple[str, ...]] = ("wavenumber", "coefficient", "loss")
    forcing: ClassVar[tuple[str, ...]] = ("source", "source_imaginary")
    keys: ClassVar[tuple[str, ...]] = (*medium, *forcing)
    positive: ClassVar[tuple[str, ...]] = ("wavenumber", "coefficient")
    not_negative: ClassVar[tuple[str, ...]] = ("loss",)

    def check_keys(self) -> None:
        super().check_keys()
        given = [self.source, self.source_imaginary, *(value for _, _, value in self.side_slots())]
        given += [value for *_, loads in self.side_terms() for value in loads]
        if all(value.bounds() == (0.0, 0.0) for value in given):
            raise refuse(("source",), "is 0, and sides give nothing but 0: there is no wave", None)

    @cached_property
    def equation(self) -> Written:
        real, imaginary = (UnknownOfForm(element=self.element, test=test) for test in ("v", "w"))
        unknowns = {"u_real": real, "u_imaginary": imaginary}
        if self.stretching is None:
            return self.as_form(unknowns, PLAIN)
        return self.as_form(unknowns, STRETCHED, {**self.stretching.stretched(), **MASS})
