"""One thread for linear algebra: the order of a sum, and so its last bit, depends on their number."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from pdemill.process import ONE_THREAD

MAPS = Path("/proc/self/maps")
_NAMES = [(f"{a}openblas_get_num_threads{b}", f"{a}openblas_set_num_threads{b}")
          for a, b in product(("", "scipy_"), ("", "64_"))]  # fmt: skip


@contextmanager
def one_thread() -> Iterator[None]:
    """Every OpenBLAS of this process computes in one thread, as those of worker processes do.

    Libraries that are loaded meanwhile stay so. Where the system has no list of loaded libraries (it is not Linux),
    those that are there already go on as they are.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    changed = [(change, count) for count, change in _loaded() if count != 1]
    for change, _ in changed:
        change(1)
    try:
        yield
    finally:
        for change, count in changed:
            change(count)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _loaded() -> Iterator[tuple[int, Callable[[int], None]]]:
    """The number of threads of each OpenBLAS, and what changes it."""
    lines = MAPS.read_text(encoding="utf-8", errors="replace").splitlines() if MAPS.exists() else []
    for path in sorted({line.split(maxsplit=5)[-1] for line in lines if "openblas" in line}):
        library = ctypes.CDLL(path)
        for get, change in _NAMES:
            if hasattr(library, get) and hasattr(library, change):
                yield getattr(library, get)(), getattr(library, change)
