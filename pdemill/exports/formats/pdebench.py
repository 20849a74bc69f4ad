"""PDEBench's files: of 2D Darcy flow, nu [N, X, Y] and tensor [N, 1, X, Y]; of trajectories, tensor [N, T, X] in one
dimension and one channel, else a group for each sample, data [T, X, Y, C]; with coordinates, in HDF5.

Source: pdebench/PDEBench, pdebench/models/fno/utils.py (FNODatasetSingle, FNODatasetMult) reads them, and
pdebench/data_gen (data_gen_NLE/Data_Merge.py, gen_diff_react.py) writes them; ``beta`` is the constant force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pdemill.exports.format import Format
from pdemill.exports.hdf5 import Record, new_array, new_file
from pdemill.exports.source import Source, Split

PURPOSE = "--to pdebench"


class PDEBench(Format):
    """HDF5 files as PDEBench's: of 2D Darcy flow (one channel on a grid in two dimensions), and of trajectories."""

    name = "pdebench"

    def objection(self, source: Source) -> str | None:
        return _objection_to_trajectories(source) if source.in_time else _objection(source)

    def write(self, source: Source, folder: Path) -> None:
        for split in source.splits:
            name = f"{len(source.axes)}D_{source.family}_{split.name}"
            if not source.in_time:
                _write_darcy(source, split, folder / f"{name}.hdf5")
            elif len(source.axes) == len(split.data.solution_channels) == 1:
                _write_tensor(source, split, folder / f"{name}.hdf5")
            else:
                _write_groups(source, split, folder / f"{name}.h5")


def _objection(source: Source) -> str | None:
    data = source.splits[0].data
    if len(source.axes) != 2:
        return "PDEBench's files of one step hold grids in two dimensions"
    if len(data.channels) != 1 or len(data.solution_channels) != 1:
        return (
            f"PDEBench's nu is one input and its tensor one solution; "
            f"this store has {', '.join(data.channels)} and {', '.join(data.solution_channels)}"
        )
    if data.channels[0].rpartition("_")[2] in source.axes:
        return f"PDEBench's nu is a scalar, and {data.channels[0]} one entry of a tensor or a vector"
    return None


def _objection_to_trajectories(source: Source) -> str | None:
    if not source.axes:
        return "PDEBench's trajectories are on grids"
    if fields := [name for name in source.constants if name not in source.attributes["parameters"]]:
        return f"PDEBench's trajectories have no place for {', '.join(fields)}"
    return None


def _write_darcy(source: Source, split: Split, path: Path) -> None:
    grid = tuple(len(values) for values in source.axes.values())
    force = source.attributes["spec"]["problem"].get("source")
    with new_file(path, source, split, PURPOSE) as file:
        record = Record(file, source, split)
        if isinstance(force, int | float):
            file.attrs["beta"] = float(force)
        nu = new_array(file, "nu", (len(split), *grid), "<f4", channel=split.data.channels[0])
        u = new_array(file, "tensor", (len(split), 1, *grid), "<f4", channel=split.data.solution_channels[0])
        _coordinates(file, source)
        for part in split.parts():
            nu[part.rows] = part.fields["x"][:, 0]
            u[part.rows] = part.fields["y"]
            record.add(part)


def _write_tensor(source: Source, split: Split, path: Path) -> None:
    """One channel in one dimension, as PDEBench's 1D Burgers and advection."""
    (points,) = (len(values) for values in source.axes.values())
    with new_file(path, source, split, PURPOSE) as file:
        record = Record(file, source, split)
        shape = (len(split), len(source.times), points)
        u = new_array(file, "tensor", shape, "<f4", channel=split.data.solution_channels[0])
        _coordinates(file, source)
        file["t-coordinate"] = source.times.astype(np.float32)
        for part in split.parts():
            u[part.rows] = part.fields["y"][:, 0]
            record.add(part)


def _write_groups(source: Source, split: Split, path: Path) -> None:
    """A group for each sample, as PDEBench's 2D diffusion-reaction; every group is one, so the record stands apart."""
    coordinates = {**source.axes, "t": source.times}
    beside = path.with_name(f"{path.stem}_record.hdf5")
    width = max(4, len(str(len(split) - 1)))
    with (
        new_file(path, source, split, PURPOSE) as file,
        new_file(beside, source, split, PURPOSE, fields=False) as aside,
    ):
        record = Record(aside, source, split)
        for part in split.parts():
            for number, states in zip(range(part.rows.start, part.rows.stop), part.fields["y"], strict=True):
                group = file.create_group(f"{number:0{width}d}")
                group["data"] = np.moveaxis(states, 0, -1)
                for axis, values in coordinates.items():
                    group[f"grid/{axis}"] = values.astype(np.float32)
            record.add(part)


def _coordinates(file: Any, source: Source) -> None:
    for axis, values in source.axes.items():
        file[f"{axis}-coordinate"] = values.astype(np.float32)
