"""Stores in time are read, exported and trained on by the libraries they are for. Run by ``make consumers``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from tests.store.trajectories import TIMES, write_trajectories

torch: Any = pytest.importorskip("torch", reason="PyTorch is not in the development environment: make consumers")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

EPOCHS, BETTER = 12, 3
FLOW: dict[str, Any] = {"channels": ("velocity_x", "velocity_y", "tracer"), "inputs": ("initial", "viscosity")}


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_loader_with_workers_gives_every_window_once(tmp_path: Path, start: str) -> None:
    store = write_trajectories(tmp_path / "store.zarr", block=2, failed=(3,), valid={1: 2})
    windows: Any = pdemill.open(store, window=(2, 1))
    loader = torch.utils.data.DataLoader(
        windows, batch_size=8, shuffle=True, num_workers=2, multiprocessing_context=start,
        generator=torch.Generator().manual_seed(3),
    )  # fmt: skip
    batches = list(loader)
    assert {name: tuple(values.shape) for name, values in batches[0].items()} == {
        "x": (8, 4, 4, 3), "y": (8, 2, 4, 3), "inputs": (8, 1, 4, 3), "t": (8, 2), "dt": (8, 1), "params": (8, 1),
    }  # fmt: skip
    found = torch.cat([batch["y"] for batch in batches]).numpy()
    assert len(found) == len(windows) == 8 * 5 + 1
    assert {row.tobytes() for row in found} == {row.tobytes() for row in windows[:]["y"]}


def test_neuraloperator_reads_trajectories(tmp_path: Path) -> None:
    datasets: Any = pytest.importorskip("neuralop.data.datasets.pt_dataset")
    store = write_trajectories(tmp_path / "store.zarr", space=(8,), channels=("u",), inputs=("initial",))
    (made,) = pdemill.export(store, tmp_path / "out", to="pt").files
    assert made.name == "made_up_train_8.pt"
    made.with_name("made_up_test_8.pt").write_bytes(made.read_bytes())
    found = datasets.PTDataset(
        root_dir=tmp_path / "out", dataset_name="made_up", n_train=10, n_tests=[10], batch_size=5, test_batch_sizes=[5],
        train_resolution=8, test_resolutions=[8], channels_squeezed=False,
    )  # fmt: skip
    truth = pdemill.open(store)
    for number in (0, 9):
        sample = found.train_db[number]
        assert all(np.array_equal(sample[key].numpy(), truth[number][key]) for key in "xy")
    assert found.train_db[0]["y"].shape == (1, 7, 8)
    assert np.array_equal(torch.load(made)["coordinates"]["t"], TIMES)


def test_the_well_cuts_trajectories_into_steps(tmp_path: Path) -> None:
    the_well: Any = pytest.importorskip("the_well.data")
    store = write_trajectories(tmp_path / "store.zarr", times=np.linspace(0, 1, 6), **FLOW)
    pdemill.export(store, tmp_path / "out", to="well")
    found = the_well.WellDataset(
        path=str(tmp_path / "out"), well_split_name="train", use_normalization=False, n_steps_input=2, n_steps_output=1,
        return_grid=True,
    )  # fmt: skip
    windows = pdemill.open(store, window=(2, 1))
    assert len(found) == len(windows) == 10 * 4
    for number in (0, 5, 39):
        theirs, ours = found[number], windows[number]
        for key, mine, steps in (("input_fields", "x", 2), ("output_fields", "y", 1)):
            states = np.moveaxis(ours[mine].reshape(steps, 3, 4, 3), 1, -1)
            assert np.array_equal(theirs[key].numpy(), states[..., [2, 0, 1]])  # scalars come first, then vectors
        assert np.array_equal(theirs["constant_fields"][..., 0].numpy(), ours["inputs"][0])
        assert np.allclose(theirs["constant_scalars"].numpy(), ours["params"])
        assert np.allclose(np.diff(theirs["input_time_grid"].numpy()), np.diff(ours["t"]))


def test_netcdf_files_are_opened_by_the_netcdf_library(tmp_path: Path) -> None:
    pytest.importorskip("netCDF4")
    xarray: Any = pytest.importorskip("xarray")
    store = write_trajectories(tmp_path / "store.zarr", failed=(2,), **FLOW)
    (made,) = pdemill.export(store, tmp_path / "out", to="netcdf").files
    with xarray.open_dataset(made, engine="netcdf4") as found:
        assert found["velocity"].dims == ("sample", "t", "channel", "x", "y")
        assert found["viscosity"].dims == ("sample", "x", "y")
        for sample in (0, 9):
            states = np.moveaxis(pdemill.open(store)[sample]["y"], 0, 1)
            assert np.array_equal(found["velocity"].sel(sample=sample), states)
        assert np.array_equal(found["velocity"].sel(t=0.5, channel=1).shape, (9, 4, 3))


def test_an_fno_learns_to_step_navier_stokes(tmp_path: Path) -> None:
    """FNO's flow at a viscosity of 1e-3, one unit of time ahead, through windows: on trajectories that it has not seen,
    its error is a third of that of persistence at most (a quarter where this was written)."""
    spec = pdemill.preset("fno-ns-1e-3", [
        "problem.resolution=[32,32]", "solver.simulate_resolution=[64,64]", "problem.time={end: 10, intervals: 10}",
    ])  # fmt: skip
    spec["splits"] = {"train": 64, "test": 16}
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    train: Any = pdemill.open(tmp_path / "store.zarr", window=(1, 1))
    test = pdemill.open(tmp_path / "store.zarr", "test", window=(1, 1))[:]
    assert (len(train), len(test["x"])) == (640, 160)
    error, persistence = learnt(train, test, channels=1)
    assert persistence > 0.05
    assert error < persistence / BETTER


def test_an_fno_learns_to_step_fitzhugh_nagumo(tmp_path: Path) -> None:
    """PDEBench's diffusion and reaction of two unknowns, half a unit of time ahead, once the noise has gone: its error
    is half of that of persistence at most (0.44 of it where this was written)."""
    noise = "{field: white_noise, resolution: [32,32]}"
    spec = pdemill.preset("pdebench-diffusion-reaction", [
        "problem.resolution=[32,32]", f"problem.initial=[{noise}, {noise}]",
        "problem.time={times: [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]}", "solver.time_rtol=1e-4",
    ])  # fmt: skip
    spec["splits"] = {"train": 64, "test": 16}
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    train: Any = pdemill.open(tmp_path / "store.zarr", window=(1, 1))
    test = pdemill.open(tmp_path / "store.zarr", "test", window=(1, 1))[:]
    assert (len(train), test["x"].shape, test["y"].shape) == (512, (128, 2, 32, 32), (128, 2, 32, 32))
    error, persistence = learnt(train, test, channels=2)
    assert persistence > 0.05
    assert error < persistence / 2


def learnt(train: Any, test: Any, channels: int) -> tuple[float, float]:
    """The relative error of a small FNO, trained on the windows ``train``, on the pairs ``test``, and that of
    persistence."""
    models: Any = pytest.importorskip("neuralop.models")
    state = train.normaliser("x")
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(train, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(0))
    model = models.FNO(n_modes=(12, 12), hidden_channels=16, in_channels=channels, out_channels=channels, n_layers=3)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=EPOCHS * len(loader))
    for _ in range(EPOCHS):
        for batch in loader:
            x, y = state.encode(batch["x"]), state.encode(batch["y"])
            loss = ((x + model(x) - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    x, y = (torch.from_numpy(test[key]) for key in "xy")
    with torch.no_grad():
        encoded = state.encode(x)
        found = state.decode(encoded + model(encoded))
    error, persistence = (float((guess - y).norm() / y.norm()) for guess in (found, x))
    return error, persistence
