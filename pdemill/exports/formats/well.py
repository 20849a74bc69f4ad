"""The Well's layout: one HDF5 file per split, OUT/data/SPLIT/FAMILY.hdf5, of fields, scalars and boundaries, and
OUT/stats.yaml, by which its loaders normalise.

Source: PolymathicAI/the_well, docs/data_format.md and scripts/check_thewell_formatting.py. A static problem is a
trajectory of one step. Inputs are fields that do not vary in time, the solution is one that does; channels that are the
components of a vector, as velocity_x and velocity_y, are one field of t1_fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdemill.exports.format import Format
from pdemill.exports.formats.well_statistics import write_statistics
from pdemill.exports.hdf5 import Record, new_array, new_file
from pdemill.exports.source import Source, Split
from pdemill.extras import library
from pdemill.spec.domain import BOX_SIDES


class Well(Format):
    """HDF5 files in the layout of The Well: grids in two and three dimensions, static problems as one step."""

    name = "well"

    def objection(self, source: Source) -> str | None:
        if len(source.axes) not in (2, 3):
            return "The Well holds uniform grids in two and three dimensions"
        if source.in_time and not np.allclose(steps := np.diff(source.times), steps[:1], rtol=1e-6):
            return "The Well's states are equal steps of time apart"
        return None

    def write(self, source: Source, folder: Path) -> None:
        for split in source.splits:
            path = folder / "data" / split.name / f"{source.family}.hdf5"
            with new_file(path, source, split, "--to well") as file:
                _write(file, source, split)
        write_statistics(source, folder, *_sorted(source.splits[0].data.solution_channels, source.axes))


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
    single, vectors = _sorted(split.data.solution_channels, source.axes)
    constants, states = _fields(file, source, split, tuple(single), tuple(vectors))
    record = Record(file, source, split)
    for part in split.parts():
        solution = part.fields["y"] if source.in_time else part.fields["y"][:, :, None]
        for name, number in source.constants.items():
            constants[name][part.rows] = part.fields["x"][:, number]
        for name, number in single.items():
            states[name][part.rows] = solution[:, number]
        for name, numbers in vectors.items():
            states[name][part.rows] = np.moveaxis(solution[:, numbers], 1, -1)
        for number, name in enumerate(parameters):
            scalars[name][part.rows] = part.columns["params"][:, number]
        record.add(part)


def _sorted(channels: Sequence[str], axes: Iterable[str]) -> tuple[dict[str, int], dict[str, list[int]]]:
    """The channels that are scalars, with their numbers, and the vectors with those of their components."""
    numbers = {name: number for number, name in enumerate(channels)}
    bases = dict.fromkeys(name.rpartition("_")[0] for name in channels)
    found = {base: [f"{base}_{axis}" for axis in axes] for base in bases if base}
    vectors = {base: [numbers.pop(name) for name in names] for base, names in found.items() if {*names} <= {*channels}}
    return numbers, vectors


def _fields(
    file: Any, source: Source, split: Split, scalars: tuple[str, ...], vectors: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Room for all samples of the fields that are constant in time, and of those that vary, by name."""
    grid = tuple(len(values) for values in source.axes.values())
    steps = len(source.times) if source.in_time else 1
    everywhere = np.ones(len(grid), bool)
    groups = [file.create_group(f"t{order}_fields") for order in range(3)]
    names = ((*source.constants, *scalars), vectors, ())
    for group, those in zip(groups, names, strict=True):
        group.attrs["field_names"] = _names(those)
    room = {"dtype": "<f4", "dim_varying": everywhere}
    constant, varying = _varying(sample=True), _varying(sample=True, time=True)
    constants = {name: new_array(groups[0], name, (len(split), *grid), **room, **constant) for name in source.constants}
    states = {name: new_array(groups[0], name, (len(split), steps, *grid), **room, **varying) for name in scalars}
    for name in vectors:
        states[name] = new_array(groups[1], name, (len(split), steps, *grid, len(grid)), **room, **varying)
    return constants, states


def _dimensions(group: Any, source: Source) -> None:
    group.attrs["spatial_dims"] = _names(list(source.axes))
    times = source.times if source.in_time else np.zeros(1)
    new_array(group, "time", times.shape, "<f4", **_varying(time=True))[:] = times
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
