"""How the kernels are compiled.

No fast maths: every operation rounds as IEEE 754 says, so that a value depends neither on how a loop is vectorised
nor on how many systems share it, and a store has the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from pdemill.solvers.compiled import compiled

type Singles = NDArray[np.float32]
type Doubles = NDArray[np.float64]
type Buffer = Singles | Doubles
type Level = NDArray[np.int64]
"""One level of a layout, or all of them."""
type Offsets = tuple[int, int, int, int, int, int]
"""Of six couplings or neighbours."""
type Addresses = NDArray[np.uint64]
"""Where numbers of each lane begin."""

U = numba.uint64
"""Offsets are unsigned: a signed one could be negative, and the test for it keeps loops from being vectorised."""


def kernel[F: Callable[..., object]](function: F) -> F:
    """Compile for the types of the first call, once per machine; can be called from kernels only, without the code
    that unpacks Python's arguments, half of the compiler's work."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def entry[F: Callable[..., object]](function: F) -> F:
    """As ``kernel``, for what Python calls."""
    return _compiled(function, no_cfunc_wrapper=True)


def _compiled[F: Callable[..., object]](function: F, **wrappers: bool) -> F:
    made: F = compiled(boundscheck=False, error_model="numpy", **wrappers)(function)
    return made


@intrinsic
def number_at(typing: Any, address: Any) -> Any:
    """The float64 number at an address: arrays of several systems reach a kernel so without being copied into one."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(builder.inttoptr(values[0], ir.DoubleType().as_pointer()))

    return types.float64(types.uint64), generate
