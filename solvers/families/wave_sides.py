"""What sides of time-harmonic waves may say, and the terms of such waves: tested by v, less the imaginary part by w."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pdemill.solvers.families.layered_form import PML
from pdemill.solvers.weak.said import Load, SaidSides, Word

PLAIN = (
    "coefficient*(inner(grad(u_real), grad(v)) - inner(grad(u_imaginary), grad(w)))*dx"
    " - wavenumber**2*((u_real - loss*u_imaginary)*v - (u_imaginary + loss*u_real)*w)*dx"
    " - (source*v - source_imaginary*w)*dx"
)
"""-div(k grad u) - wavenumber² (1 + i loss) u = source."""
STRETCHED = (
    "coefficient*inner(stretch_real*grad(u_real) - stretch_imaginary*grad(u_imaginary), grad(v))*dx"
    " - coefficient*inner(stretch_real*grad(u_imaginary) + stretch_imaginary*grad(u_real), grad(w))*dx"
    " - wavenumber**2*(mass_real*u_real - mass_imaginary*u_imaginary)*v*dx"
    " + wavenumber**2*(mass_real*u_imaginary + mass_imaginary*u_real)*w*dx"
    " - (source*v - source_imaginary*w)*dx"
)
"""The same, -div(k A grad u) - wavenumber² (1 + i loss) S u = source, of A and S as layers stretch them."""
MASS: Mapping[str, str] = {
    "mass_real": "volume_real - loss*volume_imaginary", "mass_imaginary": "volume_imaginary + loss*volume_real",
}  # fmt: skip
LEAVING = "sqrt(coefficient)*wavenumber*({0}*v + {1}*w)"


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
        "absorbing": Word(
            term=LEAVING.format("u_imaginary", "u_real"),
            stretched=LEAVING.format(
                "(volume_real*u_imaginary + volume_imaginary*u_real)",
                "(volume_real*u_real - volume_imaginary*u_imaginary)",
            ),
        ),
        "hard": Word(), "soft": Word(zero=("u_real", "u_imaginary")), PML: Word(zero=("u_real", "u_imaginary")),
    }  # fmt: skip
