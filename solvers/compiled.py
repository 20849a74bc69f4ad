"""Compiling, and keeping what was compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import cfunc, njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``njit`` whose result is kept on disk for the next process: in NUMBA_CACHE_DIR, beside the module, or in the
    user's cache folder. Where none of them can be written to, every process compiles for itself.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # no place for a cache
            return njit(**options)(function)

    return decorate


def c_function(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """``cfunc``: a function that can be called by its address, kept as ``compiled`` keeps its own."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return cfunc(signature, cache=True, error_model="numpy")(function)
        except RuntimeError:  # no place for a cache
            return cfunc(signature, error_model="numpy")(function)

    return decorate
