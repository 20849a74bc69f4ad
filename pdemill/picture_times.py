"""Trajectories as film strips: the initial state and some of the stored times, or one that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pdemill.inspect import SplitReport
from pdemill.picture_fields import Fields
from pdemill.picture_panels import INPUT, MAX_CHANNELS, SOLUTION, Distribution, colour_bar

FRAMES = 4
"""Stored times that are shown of every channel."""
BEYOND = "tab:red"


def frames_of(times: NDArray[Any], most: int = FRAMES) -> list[int]:
    """Some of the stored times after 0, evenly spread, the last one among them."""
    later = np.flatnonzero(times > 0.0)
    return [int(later[i]) for i in np.unique(np.linspace(len(later) - 1, 0, min(most, len(later))).round().astype(int))]


class Times(Fields):
    """The inputs of a trajectory and its channels at some stored times, or at one ``frame``, each channel with one
    range of values; lines in one dimension are drawn over time. What is beyond ``valid_until`` has a dashed red frame.
    """

    def __init__(
        self, attributes: dict[str, Any], root: zarr.Group, group: Any, reports: list[SplitReport],
        frame: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(attributes, root, group, reports)
        self._times = self._array("t")
        self._channels = tuple(attributes["solution_channels"])[:MAX_CHANNELS]
        self._line = "y" not in root
        several = frames_of(self._times, FRAMES if len(self._channels) == 1 else 1)
        self._frames = [frame] if frame is not None else [] if self._line else several
        self.results = tuple(name for channel in self._channels for name in self._names(channel))

    def _names(self, channel: str) -> list[str]:
        """The titles of a channel's panels."""
        at = [f"{channel}, t = {self._times[frame]:g}" for frame in self._frames]
        return [channel, *at] if self._line else at

    def draw(self, figure: Any, axes: Any, sample: int) -> None:
        inputs = np.asarray(self._group["input"][sample])[:MAX_CHANNELS]
        for ax, values in zip(axes, inputs, strict=False):
            self._field(figure, ax, values, INPUT)
        solution = np.asarray(self._group["solution"][sample])[: len(self._channels)]
        until = float(self._group["valid_until"][sample])
        shown = iter(axes[-len(self.results) :])
        for values in solution:
            if self._line:
                self._over_time(figure, next(shown), values, until)
            limits = float(values.min()), float(values.max())
            for frame in self._frames:
                ax = next(shown)
                self._field(figure, ax, values[frame], SOLUTION, limits)
                if self._times[frame] > until:
                    _mark(ax)

    def _over_time(self, figure: Any, ax: Any, values: NDArray[Any], until: float) -> None:
        """One channel [T, X] over x and t; lines tell where it is no longer valid, and the time that is asked for."""
        x, t = self._array("x"), self._times
        ax.set_xticks([])
        shown = ax.pcolormesh(x, t, values, cmap=SOLUTION, shading="nearest")
        if until < t[-1]:
            ax.axhline(until, color=BEYOND, linestyle="--", linewidth=1.5)
        for frame in self._frames:
            ax.axhline(t[frame], color="white", linewidth=1)
        ax.tick_params(labelsize=7)
        colour_bar(figure, ax, shown)

    def caption(self, sample: int) -> str:
        until = float(self._group["valid_until"][sample])
        short = "" if until >= self._times[-1] else f", right until {until:g}"
        return f"error in time {self._group['time_error_estimate'][sample]:.1e}{short}"

    def distributions(self) -> list[Distribution]:
        """Over all splits: error in time against its tolerance, what else is known of trajectories of this kind,
        steps."""
        columns = self._reports[0].columns
        together = {name: np.concatenate([row.columns[name] for row in self._reports]) for name in columns}
        limit = ("time_rtol", float(self._attributes["plan"]["time_rtol"]))
        resolved = {"spectral_tail": "share of the smallest modes", "algebraic_error": "error of linear systems"}
        return [
            Distribution(together["time_error_estimate"], "error in time (estimated)", "samples", limit),
            *(Distribution(together[name], text, "samples") for name, text in resolved.items() if name in together),
            Distribution(together["steps"], "steps", "samples"),
        ]


def _mark(ax: Any) -> None:
    """A frame around a panel of what is not certified."""
    ax.add_patch(
        Rectangle((0, 0), 1, 1, transform=ax.transAxes, fill=False, edgecolor=BEYOND, linestyle="--", linewidth=3)
    )
