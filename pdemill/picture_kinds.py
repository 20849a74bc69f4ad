"""Which panels draw the samples of a store."""

from __future__ import annotations

from typing import Any

import zarr
from numpy.typing import NDArray

from pdemill.inspect import SplitReport
from pdemill.picture_fields import Fields
from pdemill.picture_panels import Panels
from pdemill.picture_points import Clouds
from pdemill.picture_times import Times
from pdemill.store.root import in_time, is_pointwise


def panels_of(
    attributes: dict[str, Any], root: zarr.Group, group: Any, good: NDArray[Any], reports: list[SplitReport],
    frame: int | None = None,
) -> Panels:  # fmt: skip
    """How samples of a store are drawn, by what it holds; ``good``: the certified ones that are looked at; ``frame``:
    of trajectories this stored time alone."""
    if is_pointwise(attributes):
        return Clouds(attributes, group, good)
    if in_time(attributes):
        return Times(attributes, root, group, reports, frame)
    return Fields(attributes, root, group, reports)
