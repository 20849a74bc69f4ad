"""The product A M⁻¹ v as compiled code calls it: two C functions of a library and the objects they work on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from pdemill.solvers.compiled import compiled

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
    both: int = 0
    """w = A M⁻¹ v by ``int function(preconditioner, in, out)``, where there is a shorter way to it; else 0."""


class LibraryError(RuntimeError):
    """The library behind A or M⁻¹ refused a product."""


def check(code: int) -> None:
    if code:
        raise LibraryError(f"a product with the matrix or its preconditioner failed with code {code}")


@intrinsic
def call(typing: Any, function: Any, first: Any, second: Any, third: Any) -> Any:
    """``int function(void *, void *, void *)`` for integers that are addresses."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word = ir.IntType(types.intp.bitwidth)
        kind = ir.FunctionType(ir.IntType(32), [word, word, word])
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])

    return types.int32(types.intp, types.intp, types.intp, types.intp), generate


@compiled()
def product(operator: Product, source: int, target: int) -> int:
    """target = A M⁻¹ source; the error code of the library, 0 for success."""
    if operator.both:
        code: int = call(operator.both, operator.preconditioner, source, target)
        return code
    code = call(operator.precondition, operator.preconditioner, source, operator.between)
    if code == 0:
        code = call(operator.multiply, operator.matrix, operator.between, target)
    return code


@compiled()
def products(operator: Product, sources: Handles, targets: Handles) -> int:
    """The images of several vectors."""
    for i in range(len(sources)):
        code: int = product(operator, sources[i], targets[i])
        if code != 0:
            return code
    return 0


@compiled()
def apply(function: int, first: int, sources: Handles, targets: Handles) -> int:
    """target = function(first, source) for several vectors."""
    for i in range(len(sources)):
        code: int = call(function, first, sources[i], targets[i])
        if code != 0:
            return code
    return 0
