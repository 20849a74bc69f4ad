"""Stores as zarr-python opens them."""

from __future__ import annotations

from pathlib import Path

import zarr

from pdemill.addresses import Place
from pdemill.objects.opening import opened


def group_at(place: Place) -> zarr.Group:
    """The root group of the store at a path or an address, to read."""
    if isinstance(place, Path):
        return zarr.open_group(place, mode="r")
    from zarr.storage import ObjectStore  # late: needs obstore

    return zarr.open_group(ObjectStore(opened(place), read_only=True), mode="r")
