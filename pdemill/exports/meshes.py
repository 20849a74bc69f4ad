"""Shared by the formats of meshes: which stores they hold, and what points and channels are called."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.exports.source import Source, Split

NODES = {2: (3, 6), 3: (4, 10)}
"""The nodes of cells, by axes."""
AXES = "xyz"
REGIONS = "cell_regions"
"""What a store calls the inclusion of every cell, and files too."""


def no_mesh(source: Source) -> str | None:
    """Why a store is no steady one of triangles or tetrahedra; None where it is."""
    if "cells" not in source.shared:
        return "these files hold meshes; ParaView reads grids in time from --to netcdf"
    if source.in_time:
        return "these files hold steady solutions"
    axes, count = source.shared["points"].shape[1], source.shared["cells"].shape[1]
    return None if count in NODES.get(axes, ()) else f"its cells have {count} nodes in {axes} dimensions"


def in_space(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors [n, d] with a third component."""
    return np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1])))


def named(split: Split, fields: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Channels by name, those of a vector as one; of inputs and solutions with one name, the former are called so."""
    dimension = split.data.shared()["points"].shape[1]
    found: dict[str, NDArray[Any]] = {}
    for key, names, word in (("y", split.data.solution_channels, ""), ("x", split.data.channels, "input_")):
        left = dict(zip(names, fields[key], strict=True))
        for name in names:
            base = name.removesuffix("_x")
            parts = [f"{base}_{axis}" for axis in AXES[:dimension]]
            if base != name and all(part in left for part in parts):
                left[base] = in_space(np.stack([left.pop(part) for part in parts], axis=1))
        for name, values in left.items():
            found[f"{word}{name}" if name in found else name] = values.astype(np.float32, copy=False)
    return found
