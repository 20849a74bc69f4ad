"""Perfectly matched layers: what complex stretching makes of an equation of waves, as definitions of a form."""

from __future__ import annotations

from collections.abc import Mapping

LOGARITHM = 13.8
"""-ln of the amplitude that comes back from a layer, 1e-6, if it were not for the mesh."""
QUADRATURE = 8
"""The degree where there are layers, whose coefficients are no polynomials."""


def stretched(
    lengths: tuple[float, ...], low: tuple[bool, ...], high: tuple[bool, ...], width: float
) -> dict[str, str]:  # fmt: skip
    """Of s_j = 1 + i a_j, a_j = sigma_j sqrt(coefficient) / wavenumber, with sigma growing as a parabola in layers at
    the ``low`` and the ``high`` end of each axis: the real and the imaginary part of s_1 s_2 ..., ``volume_real`` and
    ``volume_imaginary``, and of that over s_j^2, the diagonals of two matrices, ``stretch_real`` and
    ``stretch_imaginary``."""
    made, d = dict[str, str](), len(lengths)
    product: tuple[str, str] = ("1", "0")
    strength = 1.5 * LOGARITHM / width
    for axis, name in enumerate("xyz"[:d]):
        depths = [f"max_value({width!r} - {name}, 0)"] if low[axis] else []
        depths += [f"max_value({name} - {lengths[axis] - width!r}, 0)"] if high[axis] else []
        parts = " + ".join(f"({depth}/{width!r})**2" for depth in depths)
        made[f"decay{axis}"] = f"{strength!r}*sqrt(coefficient)/wavenumber*({parts})" if parts else "0"
        a, (real, imaginary) = f"decay{axis}", product
        made[f"real{axis}"] = f"{real} - {imaginary}*{a}"
        made[f"imaginary{axis}"] = f"{imaginary} + {real}*{a}"
        product = f"real{axis}", f"imaginary{axis}"
    made["volume_real"], made["volume_imaginary"] = product
    for key, text in (
        ("real", "(volume_real*(1 - {0}**2) + 2*{0}*volume_imaginary)/(1 + {0}**2)**2"),
        ("imaginary", "(volume_imaginary*(1 - {0}**2) - 2*{0}*volume_real)/(1 + {0}**2)**2"),
    ):
        entries = [text.format(f"decay{axis}") for axis in range(d)]
        rows = (", ".join(entries[row] if row == column else "0" for column in range(d)) for row in range(d))
        made[f"stretch_{key}"] = f"[{', '.join(f'[{row}]' for row in rows)}]"
    return made


WAVES = (
    "coefficient*inner(stretch_real*grad(u_real) - stretch_imaginary*grad(u_imaginary), grad(v))*dx"
    " - coefficient*inner(stretch_real*grad(u_imaginary) + stretch_imaginary*grad(u_real), grad(w))*dx"
    " - wavenumber**2*(mass_real*u_real - mass_imaginary*u_imaginary)*v*dx"
    " + wavenumber**2*(mass_real*u_imaginary + mass_imaginary*u_real)*w*dx"
    " - (source*v - source_imaginary*w)*dx"
)
"""-div(k A grad u) - wavenumber² (1 + i loss) S u = source, of A and S as above: tested by v, less its imaginary part
by w."""
MASS: Mapping[str, str] = {
    "mass_real": "volume_real - loss*volume_imaginary", "mass_imaginary": "volume_imaginary + loss*volume_real",
}  # fmt: skip
