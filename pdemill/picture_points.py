"""Values at points as pictures: coloured points inside the boundary, u with its standard error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.picture_panels import INPUT, MAX_CHANNELS, SOLUTION, Distribution, Panels, colour_bar, number

ERRORS = "cividis"
COUNTED = 1_000_000
"""Points that distributions are made of, at most."""
RIM = "0.75"


class Clouds(Panels):
    """Points in the plane or in space; of more than three dimensions the first two. ``good``: certified samples."""

    results = ("u", "standard error")

    def __init__(self, attributes: dict[str, Any], group: Any, good: NDArray[np.intp]) -> None:
        self._attributes, self._group = attributes, group
        count, axes = group["points"].shape[1:]
        self._good = good[: max(1, COUNTED // count)]
        self._axes = 3 if axes == 3 else 2
        self._flattened = axes > 3
        self._size = float(np.clip(3000.0 / count, 1.0, 25.0))
        self.kind = {"projection": "3d"} if axes == 3 else {}

    def draw(self, figure: Any, axes: Any, sample: int) -> None:
        points = np.asarray(self._group["points"][sample])[:, : self._axes]
        inputs = np.asarray(self._group["input"][sample])[:MAX_CHANNELS]
        for ax, values in zip(axes, inputs, strict=False):
            self._cloud(figure, ax, sample, points, values, INPUT)
        self._cloud(figure, axes[-2], sample, points, np.asarray(self._group["solution"][sample]), SOLUTION, data=True)
        self._cloud(figure, axes[-1], sample, points, np.asarray(self._group["stderr"][sample]), ERRORS)

    def _cloud(
        self, figure: Any, ax: Any, sample: int, points: Any, values: Any, colours: str, data: bool = False
    ) -> None:
        """Coloured points; with ``data`` the places on the boundary have the colour of what is given there."""
        ax.set_xticks([])
        ax.set_yticks([])
        known = data and self._attributes["boundary_channels"] == ["dirichlet"]
        given = np.asarray(self._group["boundary_input"][sample, 0]) if known else np.empty(0)
        if np.ptp(values) == 0 and not given.size:
            number(ax, values.flat[0])
            return
        if self._axes == 3:
            ax.set_zticks([])
            ax.set_box_aspect(np.ptp(points, axis=0), zoom=1.1)
        else:
            ax.set_aspect("equal")
        both = np.concatenate([values, given])
        scale = {"cmap": colours, "vmin": both.min(), "vmax": both.max()}
        if not self._flattened:
            self._rim(ax, sample, given, scale)
        shown = ax.scatter(*points.T, c=values, s=self._size, linewidths=0, **scale)
        colour_bar(figure, ax, shown)

    def _rim(self, ax: Any, sample: int, given: Any, scale: dict[str, Any]) -> None:
        if "boundary_points" in self._group:
            places = np.asarray(self._group["boundary_points"][sample]).T
            colour = {"c": given, **scale} if given.size else {"color": RIM}
            ax.scatter(*places, s=4 if self._axes == 2 else 1, linewidths=0, **colour)
        elif self._axes == 2:
            for loop in _loops(self._attributes["spec"]["problem"]["domain"]):
                ax.plot(*np.concatenate([loop, loop[:1]]).T, color=RIM, linewidth=1)

    def caption(self, sample: int) -> str:
        return f"standard error / u {self._group['error_estimate'][sample]:.1e}"

    def distributions(self) -> list[Distribution]:
        stop = int(self._good[-1]) + 1
        rows = {
            name: np.asarray(self._group[name][:stop])[self._good] for name in ("stderr", "solution", "walks", "steps")
        }
        size = np.sqrt(np.mean(np.square(rows["solution"], dtype=float), axis=1, keepdims=True))
        relative = rows["stderr"] / np.where(size > 0, size, 1.0)
        return [
            Distribution(relative.ravel(), "standard error relative to rms u", "points"),
            Distribution(rows["walks"].ravel(), "walks", "points"),
            Distribution(rows["steps"].ravel(), "mean steps of a walk", "points"),
        ]

    def name(self, ax: Any, name: str) -> None:
        super().name(ax, f"{name}\nover x1, x2" if self._flattened else name)


def _loops(domain: dict[str, Any]) -> Iterator[NDArray[Any]]:
    """The rims of a domain in the plane that is the same for all samples."""
    angle = np.linspace(0.0, 2.0 * np.pi, 200, endpoint=False)
    match domain["shape"]:
        case "box":
            x, y = domain["lengths"] or (1.0, 1.0)
            yield np.array([[0, 0], [x, 0], [x, y], [0, y]])
        case "polygon":
            yield np.array(domain["outline"])
            yield from map(np.array, domain["holes"])
        case "disk" | "ball" | "annulus":
            for key in ("radius", "inner", "outer"):
                if key in domain:
                    yield domain[key] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
