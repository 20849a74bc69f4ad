"""Specs as numpy users write them: its numbers and arrays become those of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """``value`` with Python's numbers in place of numpy's, and lists in place of arrays, however deep they stand."""
    match value:
        case np.ndarray():
            return plain(value.tolist())
        case np.bool_():
            return bool(value)
        case np.integer():
            return int(value)
        case np.floating():
            return float(value)
        case np.str_():
            return str(value)
        case Mapping():
            return {plain(key): plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [plain(entry) for entry in value]
    return value
