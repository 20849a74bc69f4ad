"""Trajectories as film strips: the initial state and some of the stored times."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.inspect import SplitReport
from pdemill.picture_fields import Fields
from pdemill.picture_panels import INPUT, MAX_CHANNELS, SOLUTION, Distribution, colour_bar

FRAMES = 4
"""Stored times that are shown of every channel."""


def frames_of(times: NDArray[Any], most: int = FRAMES) -> list[int]:
    """Some of the stored times after 0, evenly spread, the last one among them."""
    later = np.flatnonzero(times > 0.0)
    return [int(later[i]) for i in np.unique(np.linspace(len(later) - 1, 0, min(most, len(later))).round().astype(int))]


class Times(Fields):
    """The inputs of a trajectory and its channels at some stored times, each channel with one range of values; lines in
    one dimension are drawn over time."""

    def __init__(self, attributes: dict[str, Any], root: zarr.Group, group: Any, reports: list[SplitReport]) -> None:
        super().__init__(attributes, root, group, reports)
        self._times = self._array("t")
        channels = tuple(attributes["solution_channels"])[:MAX_CHANNELS]
        self._line = "y" not in root
        self._frames = [-1] if self._line else frames_of(self._times, FRAMES if len(channels) == 1 else 1)
        self._channels = channels
        self.results = tuple(
            channel if self._line else f"{channel}, t = {self._times[frame]:g}"
            for channel in channels
            for frame in self._frames
        )

    def draw(self, figure: Any, axes: Any, sample: int) -> None:
        inputs = np.asarray(self._group["input"][sample])[:MAX_CHANNELS]
        for ax, values in zip(axes, inputs, strict=False):
            self._field(figure, ax, values, INPUT)
        solution = np.asarray(self._group["solution"][sample])[: len(self._channels)]
        shown = iter(axes[-len(self.results) :])
        for values in solution:
            if self._line:
                self._over_time(figure, next(shown), values)
                continue
            for frame in self._frames:
                self._field(figure, next(shown), values[frame], SOLUTION)

    def _over_time(self, figure: Any, ax: Any, values: NDArray[Any]) -> None:
        """One channel [T, X] over x and t."""
        x, t = self._array("x"), self._times
        ax.set_xticks([])
        shown = ax.pcolormesh(x, t, values, cmap=SOLUTION, shading="nearest")
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
