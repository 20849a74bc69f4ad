"""Blocks without a warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_lock = RLock()


@contextmanager
def quiet(category: type[Warning]) -> Iterator[None]:
    """A block without warnings of this category. Filters belong to the process, so threads take turns: blocks that
    overlap would leave it other filters than it had."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield
