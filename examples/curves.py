"""The figure that the examples share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def draw(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], xlabel: str, path: Path) -> None:
    """Test errors over time or epochs, a curve for each name: (where, relative errors)."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    ax: Any = figure.add_subplot()
    for name, (where, errors) in curves.items():
        ax.semilogy(where, np.array(errors) * 100, label=name)
    ax.set(xlabel=xlabel, ylabel="test error [%]", xlim=(0, None))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.legend()
    figure.savefig(path, dpi=110)
