"""The product A M⁻¹ v as compiled code calls it: two C functions of a library and the objects they work on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Handles = NDArray[np.intp]
"""Addresses of the library's vectors, each over one row of an array."""


class Product(NamedTuple):
    """z = M⁻¹ v, w = A z by ``int function(object, in, out)``; all are addresses, and 0 means success."""

    precondition: int
    preconditioner: int
    multiply: int
    matrix: int
    between: int
    """The vector z."""


class LibraryError(RuntimeError):
    """The library behind A or M⁻¹ refused a product."""


def check(code: int) -> None:
    if code:
        raise LibraryError(f"a product with the matrix or its preconditioner failed with code {code}")
