"""The Well's layout: one HDF5 file per split, OUT/data/SPLIT/FAMILY.hdf5, of fields, scalars and boundaries.

Source: PolymathicAI/the_well, docs/data_format.md and scripts/check_thewell_formatting.py. A static problem is a
trajectory of one step: inputs are fields that do not vary in time, the solution is one that does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pdemill.exports.format import Format
from pdemill.exports.hdf5 import Record, new_array, new_file
from pdemill.exports.source import Source, Split
from pdemill.extras import library
from pdemill.spec.domain import BOX_SIDES


class Well(Format):
    """HDF5 files in the layout of The Well: grids in two and three dimensions, as trajectories of one step."""

    name = "well"

    def objection(self, source: Source) -> str | None:
        if len(source.axes) not in (2, 3):
            return "The Well holds uniform grids in two and three dimensions"
        return None

    def write(self, source: Source, folder: Path) -> None:
        for split in source.splits:
            path = folder / "data" / split.name / f"{source.family}.hdf5"
            with new_file(path, source, split, "--to well") as file:
                _write(file, source, split)


def _write(file: Any, source: Source, split: Split) -> None:
    file.attrs["dataset_name"] = source.family
    file.attrs["grid_type"] = "cartesian"
    file.attrs["n_spatial_dims"] = len(source.axes)
    file.attrs["n_trajectories"] = len(split)
    file.attrs["simulation_parameters"] = _names([])
    _dimensions(file.create_group("dimensions"), source)
    _boundaries(file.create_group("boundary_conditions"), source)
    parameters = source.attributes["parameters"]
    scalars = file.create_group("scalars")
    scalars.attrs["field_names"] = _names(parameters)
    for name in parameters:
        new_array(scalars, name, (len(split),), "<f4", **_varying(sample=True))
    fields = _fields(file, source, split)
    record = Record(file, source, split)
    for part in split.parts():
        for number, name in enumerate(split.data.channels):
            fields[name][part.rows] = part.fields["x"][:, number]
        for number, name in enumerate(split.data.solution_channels):
            fields[name][part.rows, 0] = part.fields["y"][:, number]
        for number, name in enumerate(parameters):
            scalars[name][part.rows] = part.columns["params"][:, number]
        record.add(part)


def _fields(file: Any, source: Source, split: Split) -> Any:
    """The group of scalar fields, with room for all samples; those of vectors and tensors are empty."""
    grid = tuple(len(values) for values in source.axes.values())
    inputs, solutions = split.data.channels, split.data.solution_channels
    everywhere = np.ones(len(grid), bool)
    groups = [file.create_group(f"t{order}_fields") for order in range(3)]
    for group, names in zip(groups, ((*inputs, *solutions), (), ()), strict=True):
        group.attrs["field_names"] = _names(names)
    for name in inputs:
        new_array(groups[0], name, (len(split), *grid), "<f4", dim_varying=everywhere, **_varying(sample=True))
    for name in solutions:
        varying = _varying(sample=True, time=True)
        new_array(groups[0], name, (len(split), 1, *grid), "<f4", dim_varying=everywhere, **varying)
    return groups[0]


def _dimensions(group: Any, source: Source) -> None:
    group.attrs["spatial_dims"] = _names(list(source.axes))
    new_array(group, "time", (1,), "<f4", **_varying(time=True))
    for axis, values in source.axes.items():
        new_array(group, axis, values.shape, "<f4", **_varying())[:] = values


def _boundaries(group: Any, source: Source) -> None:
    """An axis is PERIODIC or has a WALL at both ends; what is asked of u there is told in ``conditions``."""
    for (axis, values), ends in zip(source.axes.items(), BOX_SIDES, strict=False):
        sides = {side: source.attributes["boundary"][side] for side in ends}
        kind = "periodic" if any("periodic" in str(condition) for condition in sides.values()) else "wall"
        boundary = group.create_group(f"{axis}_{kind}")
        boundary.attrs.update(_varying())
        boundary.attrs["bc_type"] = kind.upper()
        boundary.attrs["associated_dims"] = _names([axis])
        boundary.attrs["associated_fields"] = _names([])
        boundary.attrs["conditions"] = json.dumps(sides)
        mask = np.zeros(len(values), bool)
        mask[[0, -1]] = True
        boundary["mask"] = mask
        boundary["values"] = np.zeros(0, np.float32)


def _varying(sample: bool = False, time: bool = False) -> dict[str, bool]:
    return {"sample_varying": sample, "time_varying": time}


def _names(names: Any) -> Any:
    """A list of strings as an attribute, which may be empty."""
    return np.array(list(names), library("h5py", "export", "--to well").string_dtype())
