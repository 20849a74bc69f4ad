"""NetCDF files as Poseidon's: velocity or solution [sample, t, channel, X, Y], with coordinates.

Source: camlab-ethz/poseidon, scOT/problems/fluids/incompressible.py reads ``velocity[i, t, 0:2]`` of its NS-*.nc and
``solution[i, t, 0:2]`` of FNS-KF.nc, scOT/problems/reaction_diffusion/allen_cahn.py ``solution[i, t]``, by h5py: NetCDF
4 is HDF5 with dimension scales.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.exports.format import Format
from pdemill.exports.hdf5 import Record, new_array, new_file
from pdemill.exports.source import Source, Split

VELOCITY = ("velocity_x", "velocity_y")
"""Channels that begin a variable called velocity; all others are a solution."""


class NetCDF(Format):
    """NetCDF files as Poseidon's: trajectories on grids, [sample, t, channel, x, y]."""

    name = "netcdf"

    def objection(self, source: Source) -> str | None:
        return None if source.in_time and source.axes else "Poseidon's files hold trajectories on grids"

    def write(self, source: Source, folder: Path) -> None:
        for split in source.splits:
            with new_file(folder / f"{source.family}_{split.name}.nc", source, split, "--to netcdf") as file:
                _write(file, source, split)


def _write(file: Any, source: Source, split: Split) -> None:
    channels, constants = split.data.solution_channels, source.constants
    scales = {
        "sample": np.zeros(len(split), np.int64), "t": source.times, "channel": np.arange(len(channels)), **source.axes
    }  # fmt: skip
    for name, values in scales.items():
        file.create_dataset(name, data=values).make_scale(name)
    name = "velocity" if channels[:2] == VELOCITY else "solution"
    states = _variable(file, name, scales, tuple(scales), channels=" ".join(channels))
    fields = {name: _variable(file, name, scales, ("sample", *source.axes)) for name in constants}
    record = Record(file, source, split)
    for part in split.parts():
        file["sample"][part.rows] = part.columns["sample_id"]
        states[part.rows] = np.moveaxis(part.fields["y"], 1, 2)
        for name, number in constants.items():
            fields[name][part.rows] = part.fields["x"][:, number]
        record.add(part)


def _variable(
    file: Any, name: str, scales: Mapping[str, NDArray[Any]], dimensions: tuple[str, ...], **attributes: Any
) -> Any:
    """A variable over some of the coordinates."""
    made = new_array(file, name, tuple(len(scales[axis]) for axis in dimensions), "<f4", **attributes)
    for place, axis in enumerate(dimensions):
        made.dims[place].attach_scale(file[axis])
    return made
