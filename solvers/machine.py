"""The kind of machine that the last bits of numbers depend on: instruction sets and BLAS kernels as they are in use."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401 - loads its BLAS
from llvmlite.binding import get_host_cpu_name
from numba import config

from pdemill.solvers.threads import openblas_paths

_NAMES = [f"{a}openblas_get_corename{b}" for a, b in product(("scipy_", ""), ("64_", ""))]


@cache
def machine() -> dict[str, str]:
    """``instructions``: the widest that numpy uses; ``blas``: the kernels of numpy's and SciPy's OpenBLAS;
    ``compiler``: the processor that kernels are compiled for."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "instructions": _instructions(),
        "blas": "+".join(sorted(set(_kernels()))) or _library(),
        "compiler": " ".join([config.CPU_NAME or get_host_cpu_name(), config.CPU_FEATURES or ""]).strip(),
    }


def _config() -> Any:
    return np.show_config(mode="dicts")


def _instructions() -> str:
    found = _config()["SIMD Extensions"]
    names = found.get("found") or found.get("baseline") or ["none"]
    return str(names[-1])


def _library() -> str:
    return str(_config()["Build Dependencies"]["blas"]["name"])


def _kernels() -> Iterator[str]:
    """The kernels of the OpenBLAS libraries that numpy and SciPy brought, or of all where they brought none."""
    paths = openblas_paths()
    for path in [path for path in paths if "/numpy.libs/" in path or "/scipy.libs/" in path] or paths:
        library = ctypes.CDLL(path)
        for name in _NAMES:
            if hasattr(library, name):
                tell = getattr(library, name)
                tell.restype = ctypes.c_char_p
                yield tell().decode()
                break
