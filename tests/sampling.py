"""Parameters of which the quick tests take a sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sample(values: Iterable[Any], *quick: Any) -> list[Any]:
    """All values, for ``parametrize``; those that are not ``quick`` are slow."""
    found = list(values)
    assert all(value in found for value in quick)
    return [value if value in quick else slow(value) for value in found]


def slow(value: Any) -> Any:
    """A value, or a tuple of several, whose test is slow."""
    return pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow)
