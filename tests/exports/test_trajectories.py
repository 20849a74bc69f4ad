"""Exports of stores in time hold every state, in the layouts that PDEBench, The Well and Poseidon document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
import zarr

import pdemill
from pdemill.errors import ExportError
from tests.store.trajectories import TIMES, write_trajectories

EVEN = np.linspace(0.0, 2.0, 9)
VELOCITY = ("velocity_x", "velocity_y", "tracer")


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten flows in two dimensions with a viscosity; 3 has no solution, 5 is valid up to the third state."""
    out = tmp_path_factory.mktemp("flow") / "store.zarr"
    return write_trajectories(
        out, channels=VELOCITY, inputs=("initial", "viscosity"), times=EVEN, failed=(3,), valid={5: 2}, block=4
    )


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten trajectories of one channel in one dimension."""
    out = tmp_path_factory.mktemp("line") / "store.zarr"
    return write_trajectories(out, channels=("u",), space=(8,), inputs=("initial",), parameters=(), failed=(0,))


def stored(store: Path) -> Any:
    return zarr.open_group(store, mode="r")["train"]


def check_record(file: Any, store: Path) -> None:
    """The certificates of the samples that were exported, and what was left out."""
    good = np.flatnonzero(stored(store)["method"][...])
    for name in ("valid_until", "time_error_estimate", "frame_error", "sample_id"):
        assert np.array_equal(file[f"pdemill/certificates/{name}"], stored(store)[name][...][good])
    assert np.array_equal(file["pdemill/left_out/sample"], np.setdiff1d(np.arange(10), good))
    assert json.loads(file["pdemill/attributes"][()])["valid_until"] > 0


def test_pdebench_reads_one_channel_in_one_dimension_from_a_tensor(line: Path, tmp_path: Path) -> None:
    """As FNODatasetSingle does with 1D Burgers."""
    made = pdemill.export(line, tmp_path / "out", to="pdebench")
    assert [path.name for path in made.files] == ["1D_made_up_train.hdf5"]
    with h5py.File(made.files[0]) as file:
        assert file["tensor"].shape == (9, 7, 8)
        assert np.array_equal(file["tensor"], stored(line)["solution"][1:, 0])
        assert np.array_equal(file["t-coordinate"], TIMES.astype(np.float32))
        assert np.array_equal(file["x-coordinate"], np.arange(8, dtype=np.float32) / 8)
        check_record(file, line)


@pytest.mark.parametrize("space", [(4, 3), (2, 3, 4)])
def test_pdebench_reads_other_trajectories_from_a_group_each(tmp_path: Path, space: tuple[int, ...]) -> None:
    """As FNODatasetMult does with 2D diffusion-reaction: it takes every group of the file for a sample."""
    store = write_trajectories(
        tmp_path / "store.zarr", channels=VELOCITY, inputs=("initial", "viscosity"), space=space, failed=(3,)
    )
    made = pdemill.export(store, tmp_path / "out", to="pdebench")
    name = f"{len(space)}D_made_up_train"
    assert [path.name for path in made.files] == [f"{name}.h5", f"{name}_record.hdf5"]
    good = [0, 1, 2, *range(4, 10)]
    with h5py.File(made.files[0]) as file:
        assert sorted(file) == [f"{number:04d}" for number in range(9)]
        for key, sample in zip(sorted(file), good, strict=True):
            states = np.moveaxis(stored(store)["solution"][sample], 0, -1)
            assert np.array_equal(file[key]["data"], states)  # [T, X, Y, C]
            assert sorted(file[key]["grid"]) == sorted("txyz"[: 1 + len(space)])
            assert np.array_equal(file[key]["grid/t"], TIMES.astype(np.float32))
    with h5py.File(made.files[1]) as file:
        check_record(file, store)
        assert np.array_equal(file["pdemill/certificates/params"], stored(store)["params"][...][good])


def test_the_well_has_all_steps_and_vectors_as_such(flow: Path, tmp_path: Path) -> None:
    made = pdemill.export(flow, tmp_path / "out", to="well")
    solution = stored(flow)["solution"][...][[0, 1, 2, *range(4, 10)]]
    with h5py.File(made.files[0]) as file:
        assert np.array_equal(file["dimensions/time"], EVEN.astype(np.float32))
        assert list(file["t0_fields"].attrs["field_names"]) == ["viscosity", "tracer"]
        assert list(file["t1_fields"].attrs["field_names"]) == ["velocity"]
        velocity, tracer = file["t1_fields/velocity"], file["t0_fields/tracer"]
        assert (velocity.shape, tracer.shape) == ((9, 9, 4, 3, 2), (9, 9, 4, 3))
        assert np.array_equal(velocity, np.moveaxis(solution[:, :2], 1, -1))
        assert np.array_equal(tracer, solution[:, 2])
        assert (velocity.attrs["time_varying"], velocity.attrs["sample_varying"]) == (True, True)
        assert not file["t0_fields/viscosity"].attrs["time_varying"]
        kinds = {name: file["boundary_conditions"][name].attrs["bc_type"] for name in file["boundary_conditions"]}
        assert kinds == {"x_periodic": "PERIODIC", "y_periodic": "PERIODIC"}
        check_record(file, flow)


def test_the_well_has_statistics_of_states_and_of_their_differences(flow: Path, tmp_path: Path) -> None:
    pdemill.export(flow, tmp_path / "out", to="well")
    told = yaml.safe_load((tmp_path / "out" / "stats.yaml").read_text())
    data = pdemill.open(flow)
    states = data[np.flatnonzero(stored(flow)["method"][...])]["y"].astype(np.float64)
    for values, suffix in ((states, ""), (np.diff(states, axis=2), "_delta")):
        each = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
        wanted = {"mean": each.mean(axis=1), "std": each.std(axis=1), "rms": np.sqrt((each**2).mean(axis=1))}
        for key, numbers in wanted.items():
            found = told[f"{key}{suffix}"]
            listed = dict(zip(data.solution_channels, numbers.tolist(), strict=True))
            velocity = [listed.pop(f"velocity_{axis}") for axis in "xy"]
            np.testing.assert_allclose(found["velocity"], velocity, rtol=1e-9, atol=1e-12)
            for name, number in listed.items():
                np.testing.assert_allclose(found[name], number, rtol=1e-9, atol=1e-12)


def test_an_initial_state_that_is_not_among_the_times_comes_as_a_constant_field(tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr", times=np.array([1.0, 2.0]), channels=("u",))
    for to, name in (("well", "t0_fields/initial"), ("netcdf", "initial")):
        with h5py.File(pdemill.export(store, tmp_path / to, to=to).files[0]) as file:
            assert np.array_equal(file[name], stored(store)["input"][:, 0])
    with pytest.raises(ExportError, match="PDEBench's trajectories have no place for initial, force"):
        pdemill.export(store, tmp_path / "pdebench", to="pdebench")


def test_the_well_has_steps_of_equal_length(line: Path, tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr")
    with pytest.raises(
        ExportError, match="cannot be exported to well: The Well's states are equal steps of time apart"
    ):
        pdemill.export(store, tmp_path / "out", to="well")
    with pytest.raises(ExportError, match="grids in two and three dimensions"):
        pdemill.export(line, tmp_path / "out", to="well")


def test_netcdf_files_are_poseidons(flow: Path, line: Path, tmp_path: Path) -> None:
    """``velocity[i, t, 0:2]`` is what its loaders read; ``solution`` where there is no velocity."""
    made = pdemill.export(flow, tmp_path / "flow", to="netcdf")
    assert [path.name for path in made.files] == ["made_up_train.nc"]
    good = [0, 1, 2, *range(4, 10)]
    with h5py.File(made.files[0]) as file:
        velocity = file["velocity"]
        assert velocity.shape == (9, 9, 3, 4, 3)
        assert velocity.attrs["channels"] == "velocity_x velocity_y tracer"
        assert [dimension[0].name for dimension in velocity.dims] == ["/sample", "/t", "/channel", "/x", "/y"]
        assert np.array_equal(velocity, np.moveaxis(stored(flow)["solution"][...][good], 1, 2))
        assert np.array_equal(file["viscosity"], stored(flow)["input"][...][good, 1])
        assert (file["t"][...].tolist(), file["sample"][...].tolist()) == (EVEN.tolist(), good)
        check_record(file, flow)
    with h5py.File(pdemill.export(line, tmp_path / "line", to="netcdf").files[0]) as file:
        assert file["solution"].shape == (9, 7, 1, 8)
        assert "velocity" not in file


@pytest.mark.parametrize("to", ["pdebench", "well", "netcdf"])
def test_the_same_store_gives_the_same_bytes(flow: Path, tmp_path: Path, to: str) -> None:
    made = [pdemill.export(flow, tmp_path / name, to=to).files for name in ("a", "b")]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
