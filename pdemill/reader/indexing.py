"""The numbers by which items of a data set are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Numbers = slice | Sequence[int] | NDArray[Any]


def number_of(index: int, length: int, what: str) -> int:
    """The place of one of ``length`` items, counted from the end where it is negative. Raises IndexError."""
    number = index + length if index < 0 else index
    if not 0 <= number < length:
        raise IndexError(f"{what} {index} is outside 0..{length - 1}")
    return number


def numbers_of(index: Any, length: int, what: str) -> NDArray[np.intp]:
    """The places of some of ``length`` items: a slice, or a list of whole numbers. Raises IndexError."""
    if isinstance(index, slice):
        return np.arange(*index.indices(length))
    numbers = np.asarray(index)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise IndexError(f"{what}s are asked for by a list of whole numbers, not {index!r}")
    numbers = numbers.astype(np.intp)
    outside = numbers[(numbers < -length) | (numbers >= length)]
    if outside.size:
        raise IndexError(f"{what} {outside[0]} is outside 0..{length - 1}")
    return numbers % max(length, 1)
