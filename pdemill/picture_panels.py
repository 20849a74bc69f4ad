"""Shared by all panels of a picture, whatever a store holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from numpy.typing import NDArray

MAX_CHANNELS = 5
INPUT, SOLUTION = "viridis", "magma"
"""Colours of inputs and of u."""


class Distribution(NamedTuple):
    """Values with the name of what they measure and of what is ``counted``; ``limit``: a line with its name."""

    values: NDArray[Any]
    label: str
    counted: str
    limit: tuple[str, float] | None = None


class Panels(ABC):
    """How samples are drawn: one column each, a panel per input channel, then those of the ``results``."""

    results: tuple[str, ...]
    kind: dict[str, str]
    """Arguments of the axes."""

    @abstractmethod
    def draw(self, figure: Any, axes: Any, sample: int) -> None:
        """Draw a sample into its column of axes."""

    @abstractmethod
    def caption(self, sample: int) -> str:
        """How good a sample is."""

    @abstractmethod
    def distributions(self) -> list[Distribution]:
        """How good all samples are."""

    def name(self, ax: Any, name: str) -> None:
        """Write the name of a row beside its first panel."""
        if ax.name == "3d":
            ax.text2D(-0.08, 0.5, name, fontsize=9, rotation=90, va="center", ha="right", transform=ax.transAxes)
        else:
            ax.set_ylabel(name, fontsize=9)


def below(ax: Any, text: str) -> None:
    """Write below a panel."""
    if ax.name == "3d":
        ax.text2D(0.5, -0.05, text, fontsize=9, ha="center", va="top", transform=ax.transAxes)
    else:
        ax.set_xlabel(text, fontsize=9)


def number(ax: Any, value: float) -> None:
    """One number instead of a picture of it."""
    if ax.name == "3d":
        ax.set_axis_off()
    write = ax.text2D if ax.name == "3d" else ax.text
    write(0.5, 0.5, f"{value:.4g}", ha="center", va="center", fontsize=13, transform=ax.transAxes)


def colour_bar(figure: Any, ax: Any, shown: Any) -> None:
    """The scale of a panel."""
    figure.colorbar(shown, ax=ax, shrink=0.75).ax.tick_params(labelsize=7)
