"""Real Fourier transforms between the kept modes and the points of periodic grids.

The last bits of a transform depend on whether the library takes a line by itself or with others in the lanes of vector
instructions. So that the bits of a sample do not depend on what shares its batch, every pass has a multiple of LANES
lines: by the grid where that gives it, else by batches of a multiple of LANES samples.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pdemill.points import Array

LANES = 8
"""Lines that the widest vector instructions take at once."""


class Transforms:
    """Transforms of a batch of samples; ``numbers``: the kept wave numbers of each axis, in the order of transforms."""

    def __init__(self, shape: tuple[int, ...], numbers: tuple[NDArray[np.intp], ...]) -> None:
        self.shape = shape
        last = shape[-1] // 2 + 1
        columns = len(numbers[-1])
        self.even = len(shape) > 1 and all(n % LANES == 0 for n in shape[:-1]) and -(-columns // LANES) * LANES <= last
        self.columns = -(-columns // LANES) * LANES if self.even else columns
        """Columns along the last axis that are transformed along the others."""
        self.padded = (*shape[:-1], last)
        index = [part % n for part, n in zip(numbers[:-1], shape[:-1], strict=True)]
        where = np.meshgrid(*index, numbers[-1], indexing="ij")
        self.places = np.ravel_multi_index(tuple(part.ravel() for part in where), self.padded)
        """Where the kept modes are in a padded spectrum."""

    @property
    def batch(self) -> int:
        """Batches are multiples of so many samples."""
        return 1 if self.even else LANES

    def back(self, padded: NDArray[np.complex128]) -> Array:
        """Real fields of padded spectra [samples, *padded], which are overwritten."""
        part = padded[..., : self.columns]
        for axis in range(1, len(self.shape)):
            part[...] = scipy.fft.ifft(part, axis=axis, norm="forward", overwrite_x=True, workers=1)
        found: Array = scipy.fft.irfft(padded, n=self.shape[-1], axis=-1, norm="forward", workers=1)
        return found

    def forth(self, fields: Array) -> NDArray[np.complex128]:
        """Padded spectra of real fields [samples, *shape], right where modes are kept."""
        padded: NDArray[np.complex128] = scipy.fft.rfft(fields, axis=-1, norm="forward", workers=1)
        part = padded[..., : self.columns]
        for axis in range(1, len(self.shape)):
            part[...] = scipy.fft.fft(part, axis=axis, norm="forward", overwrite_x=True, workers=1)
        return padded

    def fields(self, spectra: NDArray[np.complex128]) -> Array:
        """Real fields [samples, *shape] of kept coefficients [samples, modes], whatever their number."""
        return _in_lanes(self._fields, spectra, self.batch)

    def coefficients(self, fields: Array) -> NDArray[np.complex128]:
        """The kept coefficients [samples, modes] of real fields [samples, *shape], whatever their number."""
        return _in_lanes(self._coefficients, fields, self.batch)

    def _fields(self, spectra: NDArray[np.complex128]) -> Array:
        padded = np.zeros((len(spectra), prod(self.padded)), np.complex128)
        padded[:, self.places] = spectra
        return self.back(padded.reshape(-1, *self.padded))

    def _coefficients(self, fields: Array) -> NDArray[np.complex128]:
        return self.forth(fields).reshape(len(fields), -1)[:, self.places]


def times(symbol: NDArray[Any], values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The product, by real numbers: numpy's complex products have other last bits in arrays of other lengths."""
    out = np.empty(np.broadcast_shapes(symbol.shape, values.shape), np.complex128)
    if np.iscomplexobj(symbol):
        out.real = symbol.real * values.real - symbol.imag * values.imag
        out.imag = symbol.real * values.imag + symbol.imag * values.real
    else:
        out.real, out.imag = symbol * values.real, symbol * values.imag
    return out


def _in_lanes[V: NDArray[Any], W: NDArray[Any]](function: Callable[[V], W], values: V, batch: int) -> W:
    """The function of a batch, filled up to a multiple of ``batch`` with copies of its first entry."""
    missing = -len(values) % batch
    if missing:
        filled: Any = np.concatenate([values, np.repeat(values[:1], missing, axis=0)])
        part: Any = function(filled)[:-missing]
        return cast("W", part)
    return function(values)
