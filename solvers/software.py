"""Versions of software that the bits of stores depend on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pdemill import __version__
from pdemill.solvers.installed import has_petsc
from pdemill.store.root import SUPERLU

RECORDED = (
    "numpy", "scipy", "zarr", "scikit-fem", "netgen-mesher", "dolfinx-solver-real", "petsc", "numba", "llvmlite",
)  # fmt: skip


@cache
def software() -> dict[str, str]:
    """Versions that the bits of a store depend on."""
    found = {"pdemill": __version__, "python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if not has_petsc():
        found[SUPERLU] = found["scipy"]  # which holds it
    return found
