"""The cells of a grid that are kept: the regions they make, and how thick these and what is cut are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def regions(kept: NDArray[np.bool_], periodic: tuple[bool, ...]) -> tuple[NDArray[Any], int]:
    """The number of the region of every cell, from 1 (0: cut), and how many there are; cells of a region are joined
    through faces, those of periodic sides among them."""
    from scipy.ndimage import label  # late: a spec loads no image processing
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number, count = label(kept)
    pairs = [
        np.stack([number.take(-1, axis).ravel(), number.take(0, axis).ravel()])
        for axis, joined in enumerate(periodic)
        if joined
    ]
    if count < 2 or not pairs:
        return number, count
    one, other = np.concatenate(pairs, axis=1)
    both = (one > 0) & (other > 0)
    graph = coo_array((np.ones(both.sum()), (one[both], other[both])), shape=(count + 1, count + 1))
    found, of = connected_components(graph, directed=False)
    return of[number], found - 1


def thin(kept: NDArray[np.bool_], periodic: tuple[bool, ...], least: int) -> bool:
    """Whether an obstacle or a gap, between obstacles or to a side, is nowhere near a square (in space: a cube) of
    ``least`` cells, an odd number; obstacles go on beyond the sides of the box."""
    return _is_thin(~kept, periodic, least, "edge") or _is_thin(kept, periodic, least, "constant")


def _is_thin(cells: NDArray[np.bool_], periodic: tuple[bool, ...], least: int, beyond: Any) -> bool:
    from scipy.ndimage import maximum_filter1d, minimum_filter1d  # late: as above

    for axis, joined in enumerate(periodic):
        width = [(least, least) if other == axis else (0, 0) for other in range(cells.ndim)]
        cells = np.pad(cells, width, mode="wrap" if joined else beyond)
    thick = cells.view(np.uint8)
    for axis in range(cells.ndim):  # the middles of squares that fit in
        thick = minimum_filter1d(thick, least, axis)
    for axis in range(cells.ndim):  # these squares, and a cell around them
        thick = maximum_filter1d(thick, least + 2, axis)
    inner = (slice(least, -least),) * cells.ndim
    return bool((cells & (thick == 0))[inner].any())
