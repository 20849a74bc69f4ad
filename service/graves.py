"""Deleting stores: they are moved aside at once, and removed then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from secrets import token_hex

from pdemill.store.disk import Lock

TRASH = ".trash"
"""How the name of a store begins that is being deleted."""


def bury(root: Path, allowed: Callable[[], bool]) -> None:
    """Delete a store if that is ``allowed``, which is asked while nobody writes it. Raises StoreBusy."""
    grave = root.with_name(f"{TRASH}-{token_hex(8)}")
    with Lock(root, patience=1.0) if root.exists() else nullcontext():
        if allowed() and root.exists():
            root.rename(grave)
    _remove(grave)


def clear(datasets: Path) -> None:
    """Remove what a process that died had moved aside."""
    for grave in datasets.glob(f"{TRASH}-*"):
        _remove(grave)


def _remove(grave: Path) -> None:
    """Another process may be at it as well."""
    if grave.exists():
        shutil.rmtree(grave, onexc=_unless_gone)


def _unless_gone(_call: object, _path: str, error: BaseException) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
