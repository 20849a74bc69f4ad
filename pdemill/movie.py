"""A film of a store's trajectories, as a GIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from pdemill.addresses import home, on_disk
from pdemill.errors import IncompleteStore, StoreError
from pdemill.inspect import report
from pdemill.picture_panels import SOLUTION
from pdemill.store.groups import group_at
from pdemill.store.root import in_time

SAMPLES = 4
LEAST_PIXELS = 192
"""Height of a sample at least; pixels are repeated."""
MOST_FRAMES = 200
MILLISECONDS = 80
GAP = 4
"""Pixels between samples."""


def draw_movie(store: str | Path, out: str | Path) -> Path:
    """Write a GIF: the first channel of the first certified samples side by side, one frame per stored time.

    Of volumes the middle plane is shown; lines are bands over x. Each sample has one range of colours for all times.
    Raises StoreError for a store without trajectories, IncompleteStore.
    """
    place, movie = home(store, "the store to draw"), on_disk(out, "the movie")
    attributes, reports = report(place)
    if not in_time(attributes):
        raise StoreError(f"{store} holds no trajectories: there is nothing to show in a movie")
    first = next((row for row in reports if row.certified), None)
    if first is None:
        raise IncompleteStore(f"{store} has no certified sample yet")
    group: Any = group_at(place)[first.split]
    good = np.flatnonzero(np.asarray(group["method"][...]) > 0)[:SAMPLES]
    strips = [_frames(np.asarray(group["solution"][number, 0], dtype=np.float64)) for number in good.tolist()]
    gap = np.full((*strips[0].shape[:2], GAP, 3), 255, np.uint8)
    parts = [part for strip in strips for part in (gap, strip)][1:]
    pictures = [Image.fromarray(frame).quantize(128) for frame in np.concatenate(parts, axis=2)]
    movie = movie if movie.suffix else movie.with_suffix(".gif")
    pictures[0].save(
        movie, format="GIF", save_all=True, append_images=pictures[1:], duration=MILLISECONDS, loop=0, optimize=True
    )
    return movie


def _frames(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """One channel [T, *space] as coloured frames [T, height, width, 3]."""
    chosen = values[:: -(-len(values) // MOST_FRAMES)]
    if chosen.ndim == 4:
        chosen = chosen[..., chosen.shape[3] // 2]
    if chosen.ndim == 2:
        chosen = np.repeat(chosen[:, :, None], max(1, chosen.shape[1] // 8), axis=2)
    low, high = float(chosen.min()), float(chosen.max())
    scaled = (chosen - low) / (high - low) if high > low else np.zeros_like(chosen)
    upright = np.flip(np.swapaxes(scaled, 1, 2), axis=1)
    coloured = (colormaps[SOLUTION](upright)[..., :3] * 255).astype(np.uint8)
    times = max(1, -(-LEAST_PIXELS // max(upright.shape[1:])))
    return np.repeat(np.repeat(coloured, times, axis=1), times, axis=2)
