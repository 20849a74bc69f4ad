"""Writes stores in time whose states are random numbers: any shape, any chunks, any failures, without solving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pdemill.spec.domain import BOX_SIDES
from pdemill.store.disk import LocalDisk
from pdemill.store.layout import ArrayLayout, StoreLayout
from pdemill.store.store import ShardData, Store

TIMES = np.array([0.0, 0.1, 0.2, 0.4, 0.5, 0.75, 1.0])


def write_trajectories(
    out: Path, samples: int = 10, channels: tuple[str, ...] = ("u", "v"), space: tuple[int, ...] = (4, 3),
    block: int | None = None, shard: int = 4, dtype: str = "float32", times: Any = TIMES,
    valid: dict[int, int] | None = None, failed: tuple[int, ...] = (), inputs: tuple[str, ...] = ("initial", "force"),
    parameters: tuple[str, ...] = ("viscosity",), unfinished: tuple[int, ...] = (),
) -> Path:  # fmt: skip
    """A store with the split train. ``valid``: the last stored time that is valid, of some samples; ``failed``: samples
    without a solution; ``unfinished``: shards that are not there."""
    axes, frames = "xyz"[: len(space)], len(times)
    method = (("flag_values", (0, 1)), ("flag_meanings", "failed etdrk4"))
    parts = [
        ArrayLayout("input", dtype, (len(inputs), *space), ("channel", *axes), is_field=True),
        ArrayLayout("solution", dtype, (len(channels), frames, *space), ("solution_channel", "t", *axes), block=block),
        ArrayLayout("time_error_estimate", "float32"),
        ArrayLayout("frame_error", "float32", (frames,), ("t",)),
        ArrayLayout("valid_until", "float64"),
        ArrayLayout("method", "int8", fill=-1, attributes=method),
        ArrayLayout("sample_id", "int64", fill=-1),
    ]
    if parameters:
        parts.append(ArrayLayout("params", "float64", (len(parameters),), ("parameter",)))
    attributes: dict[str, Any] = {
        "schema": 2, "spec": {"problem": {"family": "made_up"}, "splits": {"train": samples}}, "spec_sha256": "0" * 64,
        "versions": {}, "plan": {}, "input_channels": list(inputs), "solution_channels": list(channels),
        "parameters": list(parameters), "boundary": {side: "periodic" for ends in BOX_SIDES for side in ends},
        "sides": [], "shard_samples": shard, "complete": False, "valid_until": float(times[1]),
    }  # fmt: skip
    shared = {axis: ((axis,), np.arange(n) / n) for axis, n in zip(axes, space, strict=True)} | {"t": (("t",), times)}
    layout = StoreLayout({"train": samples}, shard, tuple(parts), shared, attributes)
    store = Store(LocalDisk(out), layout)
    out.mkdir()
    store.create()
    for one in layout.shards():
        if one.index in unfinished:
            continue
        rng = np.random.default_rng(one.index)
        arrays = {part.name: rng.normal(size=(len(one), *part.shape)).astype(part.dtype) for part in parts}
        numbers = np.arange(one.start, one.stop)
        arrays["sample_id"], arrays["method"] = numbers, np.isin(numbers, failed, invert=True).astype(np.int8)
        arrays["valid_until"] = np.array([times[(valid or {}).get(number, frames - 1)] for number in numbers.tolist()])
        failures = []
        for number in set(failed).intersection(numbers.tolist()):
            arrays["solution"][number - one.start] = np.nan
            arrays["valid_until"][number - one.start] = np.nan
            reason = {"result": "MISSED_TIME", "reason": "too far off"}
            failures.append({"row": number - one.start, "sample": number, **reason})
        store.commit(one, ShardData(arrays, tuple(failures)))
    if not unfinished:
        store.finish()
    return out
