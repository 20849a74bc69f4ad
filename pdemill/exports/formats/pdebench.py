"""PDEBench's files of Darcy flow: nu [N, X, Y], tensor [N, 1, X, Y] and coordinates, in HDF5.

Source: pdebench/PDEBench, pdebench/models/fno/utils.py (FNODatasetSingle) reads them, and
pdebench/data_gen/data_gen_NLE/Data_Merge.py writes them; ``beta`` is the constant force.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pdemill.exports.format import Format
from pdemill.exports.hdf5 import Record, new_array, new_file
from pdemill.exports.source import Source, Split


class PDEBench(Format):
    """HDF5 files as PDEBench's 2D Darcy flow: one channel on a grid in two dimensions."""

    name = "pdebench"

    def objection(self, source: Source) -> str | None:
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

    def write(self, source: Source, folder: Path) -> None:
        for split in source.splits:
            self._write(source, split, folder / f"2D_{source.family}_{split.name}.hdf5")

    def _write(self, source: Source, split: Split, path: Path) -> None:
        grid = tuple(len(values) for values in source.axes.values())
        force = source.attributes["spec"]["problem"].get("source")
        with new_file(path, source, split, "--to pdebench") as file:
            record = Record(file, source, split)
            if isinstance(force, int | float):
                file.attrs["beta"] = float(force)
            nu = new_array(file, "nu", (len(split), *grid), "<f4", channel=split.data.channels[0])
            u = new_array(file, "tensor", (len(split), 1, *grid), "<f4", channel=split.data.solution_channels[0])
            for axis, values in source.axes.items():
                file[f"{axis}-coordinate"] = values.astype(np.float32)
            for part in split.parts():
                nu[part.rows] = part.fields["x"][:, 0]
                u[part.rows] = part.fields["y"]
                record.add(part)
