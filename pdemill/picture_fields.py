"""Whole fields as pictures: planes, the middle planes of volumes, lines, triangle meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from matplotlib import colormaps
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from pdemill.inspect import SplitReport
from pdemill.kept import MASK, SIDE
from pdemill.picture_panels import INPUT, MAX_CHANNELS, SOLUTION, Distribution, Panels, colour_bar, number
from pdemill.section import middle_section

CUT = "0.65"
"""The grey of what is cut out of a domain."""


class Fields(Panels):
    """The fields of a grid or mesh, with residuals and error estimates."""

    def __init__(self, attributes: dict[str, Any], root: zarr.Group, group: Any, reports: list[SplitReport]) -> None:
        self._attributes, self._root, self._group, self._reports = attributes, root, group, reports
        self.kind = {}
        self._sample = 0
        self.results = tuple(attributes["solution_channels"])[:MAX_CHANNELS]

    def draw(self, figure: Any, axes: Any, sample: int) -> None:
        self._sample = sample
        inputs = np.asarray(self._group["input"][sample])[:MAX_CHANNELS]
        kept = self._kept(sample)
        for name, ax, values in zip(self._attributes["input_channels"], axes, inputs, strict=False):
            self._field(figure, ax, values if name == MASK else _within(values, kept), INPUT)
        solution = np.asarray(self._group["solution"][sample])
        if solution.ndim > inputs.ndim:  # of other axes than space: the last entries
            solution = solution.reshape(len(solution), -1, *solution.shape[1 - inputs.ndim :])[:, -1]
        for ax, values in zip(axes[-len(self.results) :], solution, strict=False):
            self._field(figure, ax, _within(values, kept), SOLUTION)

    def _kept(self, sample: int) -> NDArray[np.bool_] | None:
        """The cells of a sample that are in no obstacle; None where the domain has none."""
        if SIDE not in self._attributes.get("sides", ()):
            return None
        mask = np.asarray(self._group["input"][sample])[self._attributes["input_channels"].index(MASK)]
        return np.asarray(mask > 0.0)

    def _field(
        self, figure: Any, ax: Any, values: NDArray[Any], colours: str, limits: tuple[float, float] | None = None
    ) -> None:
        """Draw one field; ``limits``: of its values, if others share them."""
        low, high = limits or (values.min(), values.max())
        ax.set_xticks([])
        ax.set_yticks([])
        if np.ptp(values) == 0:
            number(ax, float(low))
            return
        if "cells" in self._root:
            own = "points" in self._group
            points = np.asarray(self._group["points"][self._sample]) if own else self._array("points")
            corners = self._array("cells")[:, :3]
            if points.shape[1] > 2:
                points, corners, values = middle_section(points, self._array("cells"), values)
            triangles = Triangulation(points[:, 0], points[:, 1], corners)
            shown = ax.tripcolor(triangles, values, shading="gouraud", cmap=colours, vmin=low, vmax=high)
            ax.set_aspect("equal")
        elif values.ndim == 1:
            ax.plot(self._array("x"), values, color="tab:red" if colours == SOLUTION else "tab:blue")
            ax.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"], fontsize=7)
            return
        else:
            plane = values[:, :, values.shape[2] // 2] if values.ndim == 3 else values
            x, y = self._array("x"), self._array("y")
            scale: dict[str, Any] = {"cmap": colormaps[colours].with_extremes(bad=CUT), "vmin": low, "vmax": high}
            shown = ax.imshow(plane.T, origin="lower", extent=(0, x[0] + x[-1], 0, y[0] + y[-1]), **scale)
        colour_bar(figure, ax, shown)

    def _array(self, name: str) -> NDArray[Any]:
        own = f"{name}@{self._group.basename.partition('@')[2]}"  # at another fidelity than the spec's
        found: Any = self._root[own if own in self._root else name]
        return np.asarray(found[...])

    def caption(self, sample: int) -> str:
        return f"residual {self._group['rel_residual'][sample]:.1e}"

    def distributions(self) -> list[Distribution]:
        """Over all splits: residual against its tolerance, error estimate, iterations or time."""
        columns = self._reports[0].columns
        together = {name: np.concatenate([row.columns[name] for row in self._reports]) for name in columns}
        cost = ("iterations", "iterations") if together["iterations"].any() else ("solve_seconds", "seconds per solve")
        rtol = ("rtol", float(self._attributes["plan"]["rtol"]))
        return [
            Distribution(together["rel_residual"], "relative residual", "samples", rtol),
            Distribution(together["error_estimate"], "discretisation error (estimated)", "samples"),
            Distribution(together[cost[0]], cost[1], "samples"),
        ]


def _within(values: NDArray[Any], kept: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Values of the cells that are kept; the others are masked."""
    return values if kept is None else np.ma.masked_where(~kept, values)
