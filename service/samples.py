"""Previews of single samples."""

from __future__ import annotations

from math import ceil, isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import Place
from pdemill.errors import CorruptStore, IncompleteStore, TooLarge
from pdemill.reader import Dataset
from pdemill.service.problems import Detail, Refusal
from pdemill.service.stores import is_begun
from pdemill.service.views import Sample
from pdemill.store.groups import group_at
from pdemill.store.root import is_pointwise, read_attributes, splits_of

SHOWN = 64
"""Values along each axis, at most."""


def sample_view(store: Place, split: str | None, number: int) -> Sample:
    """Sample ``number`` of a split (the first one by default)."""
    if not is_begun(store):
        raise Refusal(409, "the store has not been begun", headers={"Retry-After": "1"})
    names = list(splits_of(read_attributes(store)))
    chosen = split if split is not None else names[0]
    if chosen not in names:
        message = f"is not a split; choose one of {', '.join(names)}"
        raise Refusal(422, f"{chosen!r} {message}", [Detail(parameter="split", detail=message)])
    data = Dataset(store, chosen)
    if not 0 <= number < len(data):
        raise Refusal(404, f"{chosen} has the samples 0 to {len(data) - 1}")
    try:
        values = data[number]
    except IncompleteStore as error:
        raise Refusal(409, str(error), headers={"Retry-After": "1"}) from None
    except CorruptStore as error:
        raise Refusal(409, f"{error}; pdemill verify tells more") from None
    except TooLarge as error:
        raise Refusal(409, str(error)) from None
    group: Any = group_at(store)[chosen]
    codes = group["method"].attrs["flag_meanings"].split()
    pointwise = is_pointwise(data.attributes)
    stride = max(1, ceil(max(values["x"].shape[1:]) / SHOWN))
    return Sample(
        split=chosen,
        sample=number,
        stride=stride,
        x=_thinned(values["x"], data.attributes["input_channels"], stride),
        y=_thinned(values["y"], data.attributes["solution_channels"], stride),
        points=values["points"][::stride].tolist() if "points" in values else None,
        stderr=values["stderr"][::stride].tolist() if pointwise else None,
        rel_residual=_number(group, "rel_residual", number),
        algebraic_error=_number(group, "algebraic_error", number),
        stored_error=_number(group, "stored_error", number),
        error_estimate=_number(group, "error_estimate", number),
        error_order=_number(group, "error_order", number),
        flags=list(data.flags.names(int(group["flags"][number]))) if "flags" in group else [],
        iterations=int(group["iterations"][number]) if "iterations" in group else 0,
        method=codes[int(group["method"][number])],
    )


def _number(group: Any, column: str, row: int) -> float | None:
    value = float(group[column][row]) if column in group else nan
    return value if isfinite(value) else None


def _thinned(values: NDArray[np.float32], channels: list[str], stride: int) -> dict[str, Any]:
    every = (slice(None, None, stride),) * (values.ndim - 1)
    return {channel: values[number][every].tolist() for number, channel in enumerate(channels)}
