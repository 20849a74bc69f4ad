"""Parameters of which the quick tests take a sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sample(values: Iterable[Any], *quick: Any) -> list[Any]:
    """All values, for ``parametrize``; those that are not ``quick`` are slow."""
    found = list(values)
    assert all(value in found for value in quick)
    return [value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in found]
