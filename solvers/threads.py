"""One thread for linear algebra: the order of a sum, and so its last bit, depends on their number."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from threading import RLock

MAPS = Path("/proc/self/maps")
_NAMES = [(f"{a}openblas_get_num_threads{b}", f"{a}openblas_set_num_threads{b}")
          for a, b in product(("", "scipy_"), ("", "64_"))]  # fmt: skip

_lock = RLock()
_blocks = 0
_before: dict[str, Callable[[], None]] = {}
"""What gives each OpenBLAS its threads back when the last block has ended."""


def openblas_paths() -> list[str]:
    """The files of the OpenBLAS libraries that this process has loaded; none where the system does not tell."""
    lines = MAPS.read_text(encoding="utf-8", errors="replace").splitlines() if MAPS.exists() else []
    return sorted({line.split(maxsplit=5)[-1] for line in lines if "openblas" in line})


@contextmanager
def one_thread() -> Iterator[None]:
    """Every OpenBLAS of this process computes in one thread, as those of worker processes do.

    Blocks may overlap, within a thread and between threads; the last one that ends gives the threads back. What is
    loaded within a block joins at the next one that begins, or at ``join``. Where the system has no list of loaded
    libraries (it is not Linux), they go on as they are.
    """
    global _blocks
    with _lock:
        _blocks += 1
        join()
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                for give_back in _before.values():
                    give_back()
                _before.clear()


def join() -> None:
    """Within a block of ``one_thread``: the libraries that were loaded since it began compute in one thread too."""
    with _lock:
        if not _blocks:
            return
        for path, count, change in _loaded():
            if count != 1:
                change(1)
                _before.setdefault(path, partial(change, count))


def _loaded() -> Iterator[tuple[str, int, Callable[[int], None]]]:
    """The OpenBLAS libraries of this process: the number of threads of each, and what changes it."""
    for path in openblas_paths():
        library = ctypes.CDLL(path)
        for get, change in _NAMES:
            if hasattr(library, get) and hasattr(library, change):
                yield path, getattr(library, get)(), getattr(library, change)
