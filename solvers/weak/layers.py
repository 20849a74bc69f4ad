"""Perfectly matched layers: where they are in a box, and what complex stretching makes of an equation of waves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.spec.domain import BOX_SIDES

LOGARITHM = 13.8
"""-ln of the amplitude that comes back from a layer, 1e-6, if it were not for the mesh."""
QUADRATURE = 8
"""The degree where there are layers, whose coefficients are no polynomials."""
ROUNDING = 1e-9
"""The part of the width by which nodes on the inner edge of a layer may be within it."""


@dataclass(frozen=True)
class Layers:
    """Layers of a ``width`` within a box of these ``lengths``, at the ``low`` and the ``high`` end of each axis.
    ``same``: the coefficients that have one value in each layer; ``absent``: those that are 0 there, with the side that
    they are integrated over, which is empty where that is the domain."""

    lengths: tuple[float, ...]
    low: tuple[bool, ...]
    high: tuple[bool, ...]
    width: float
    same: tuple[str, ...] = ()
    absent: Mapping[str, str] | None = None

    def beside(self, side: str) -> bool:
        """Whether a side of the box runs through a layer, other than as its end."""
        return any((low or high) and side not in BOX_SIDES[axis] for axis, low, high in self._axes())

    def within(self, points: Array) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """The side of each layer, and which of some points [n, d] are in it."""
        least = self.width * (1.0 - ROUNDING)
        for axis, low, high in self._axes():
            if low:
                yield BOX_SIDES[axis][0], points[:, axis] < least
            if high:
                yield BOX_SIDES[axis][1], points[:, axis] > self.lengths[axis] - least

    def _axes(self) -> Iterator[tuple[int, bool, bool]]:
        return zip(range(len(self.lengths)), self.low, self.high, strict=True)

    def stretched(self) -> dict[str, str]:
        """Definitions of a form. Of s_j = 1 + i a_j, a_j = sigma_j sqrt(coefficient) / wavenumber, with sigma growing
        as a parabola in layers: the real and the imaginary part of s_1 s_2 ..., ``volume_real`` and
        ``volume_imaginary``, and of that over s_j^2, the diagonals of two matrices, ``stretch_real`` and
        ``stretch_imaginary``."""
        made, d, width = dict[str, str](), len(self.lengths), self.width
        product: tuple[str, str] = ("1", "0")
        strength = 1.5 * LOGARITHM / width
        for axis, low, high in self._axes():
            name = "xyz"[axis]
            depths = [f"max_value({width!r} - {name}, 0)"] if low else []
            depths += [f"max_value({name} - {self.lengths[axis] - width!r}, 0)"] if high else []
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
