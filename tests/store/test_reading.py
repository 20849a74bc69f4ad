"""A store is read by pdemill, by plain zarr and by xarray, and what is not there is an error to all."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr

import pdemill
from pdemill.errors import CorruptStore, IncompleteStore, StoreError, TooLarge


def test_a_data_set_is_a_sequence_of_float32_pairs(darcy_store: Path) -> None:
    data = pdemill.open(darcy_store, split="train")
    assert len(data) == 40
    assert data.channels == ("coefficient",)
    sample = data[3]
    assert sample["x"].shape == sample["y"].shape == (1, 16, 12)
    assert sample["x"].dtype == sample["y"].dtype == np.float32
    assert set(np.unique(sample["x"])) <= {3.0, 12.0}
    batch = data[10:20]
    assert batch["y"].shape == (10, 1, 16, 12)
    assert np.array_equal(batch["y"][4], data[14]["y"])
    assert np.array_equal(data[-1]["y"], data[39]["y"])
    assert data[5:5]["x"].shape == (0, 1, 16, 12)
    with pytest.raises(IndexError):
        data[40]


def test_iteration_ends(darcy_store: Path) -> None:
    assert len(list(pdemill.open(darcy_store, "test"))) == 7  # type: ignore[call-overload]


def test_a_data_set_can_be_sent_to_loader_workers(darcy_store: Path) -> None:
    data = pdemill.open(darcy_store)
    first = data[0]["y"]
    assert np.array_equal(pickle.loads(pickle.dumps(data))[0]["y"], first)


def test_what_is_stored_is_what_the_spec_draws(darcy_store: Path, darcy_spec: dict[str, Any]) -> None:
    from pdemill.solvers.field_job import FieldJob
    from pdemill.spec import validate

    job = FieldJob(validate(darcy_spec))
    data = pdemill.open(darcy_store, "test")
    instance = job.instance("test", 4)
    expected = job.inputs(instance, job.discretisation.assemble(instance).shift)
    assert np.array_equal(data[4]["x"], expected.astype(np.float32))


def test_a_split_that_is_not_there(darcy_store: Path) -> None:
    with pytest.raises(StoreError, match=r"no split .valid.; it has train, test$"):
        pdemill.open(darcy_store, split="valid")


def test_a_shard_that_is_not_finished_is_an_error(darcy_store: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(darcy_store, tmp_path / "copy.zarr")
    (copied / "_manifest" / "train-00001.json").unlink()
    data = pdemill.open(copied)
    assert data[0]["y"].shape == (1, 16, 12)
    with pytest.raises(IncompleteStore, match="shard 1 of train is not finished"):
        data[16]


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_lost_and_damaged_bytes_are_an_error_never_data(darcy_store: Path, tmp_path: Path, damage: str) -> None:
    copied = shutil.copytree(darcy_store, tmp_path / "copy.zarr")
    file = copied / "train" / "solution" / "c" / "1" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.unlink()
    if damage == "flipped":
        file.write_bytes(data)
    which = {"gone": "samples 16..31", "flipped": "sample 16"}[damage]
    with pytest.raises(CorruptStore, match=f"{which} of train, shard 1, cannot be read: train/solution/c/1/0/0/0: "):
        pdemill.open(copied)[16]


def test_a_number_beyond_float32_is_an_error_never_infinite(tmp_path: Path) -> None:
    amount = {"field": "expression", "formula": "exp(a)", "where": {"a": {"uniform": [70, 110]}}}
    problem = {"family": "poisson", "resolution": [4, 4], "source": amount}
    spec = {"problem": problem, "samples": 12, "store": {"dtype": "float64", "shard": 8}}
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    data = pdemill.open(tmp_path / "store.zarr")
    exact: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    largest = np.finfo(np.float32).max
    fits = [all(abs(exact[name][row]).max() < largest for name in ("input", "solution")) for row in range(12)]
    assert {*fits[:8]} == {*fits[8:]} == {False, True}
    for row, good in enumerate(fits):
        if good:
            assert np.isfinite(data[row]["x"]).all()
            continue
        with pytest.raises(TooLarge, match=f"^sample {row} of train: input has numbers beyond float32; read it with"):
            data[[row]]
    with pytest.raises(TooLarge, match="beyond float32"):
        data[:]


def test_xarray_opens_the_tree_with_coordinates(darcy_store: Path) -> None:
    tree = xarray.open_datatree(darcy_store, engine="zarr")
    train = tree["train"].to_dataset()
    assert train["solution"].dims == ("sample", "solution_channel", "x", "y")
    assert train.sizes == {"sample": 40, "channel": 1, "solution_channel": 1, "x": 16, "y": 12}
    assert np.allclose(train["x"], (np.arange(16) + 0.5) / 16)
    assert float(train["rel_residual"].max()) <= 1e-8
    assert np.array_equal(train["sample_id"], np.arange(40))


def test_xarray_opens_trajectories_with_their_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was solved, in two chunks a trajectory: what it is to zarr, xarray, ``verify`` and windows."""
    monkeypatch.setattr("pdemill.store.layout.BLOCK_BYTES", 3 * 32 * 16 * 4)
    problem = {
        "family": "heat", "resolution": [32, 16], "coefficient": {"uniform": [0.01, 0.1]},
        "initial": {"field": "gaussian", "alpha": 2, "tau": 5, "boundary": "periodic", "modes": 8},
        "time": {"times": [0.0, 0.1, 0.3, 0.5, 1.0]},
    }  # fmt: skip
    assert pdemill.generate({"problem": problem, "samples": 3}, tmp_path / "store.zarr", workers=0).ok
    train = xarray.open_datatree(tmp_path / "store.zarr", engine="zarr")["train"].to_dataset()
    solution = train["solution"]
    assert solution.dims == ("sample", "solution_channel", "t", "x", "y")
    assert (train["frame_error"].dims, train["valid_until"].dims) == (("sample", "t"), ("sample",))
    assert np.array_equal(train["t"], [0.0, 0.1, 0.3, 0.5, 1.0])
    assert np.array_equal(train["y"], np.arange(16) / 16)
    stored: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train/solution"]
    assert (stored.chunks, stored.shape) == ((1, 1, 3, 32, 16), (3, 1, 5, 32, 16))
    assert np.array_equal(solution.isel(sample=0, t=0), train["input"].isel(sample=0, channel=[0]))
    later = solution.sel(t=0.5).isel(sample=2).to_numpy()
    windows = pdemill.open(tmp_path / "store.zarr", window=(1, 1))
    assert np.array_equal(windows[-1]["x"], later)
    assert windows[-1]["params"] == np.float32(train["params"][2, 0])
    decay = windows[-1]["params"] * windows[-1]["dt"] * (2 * np.pi) ** 2
    waves = [np.fft.rfft(windows[-1][key][0].mean(axis=1))[1] for key in "xy"]
    assert np.allclose(waves[1] / waves[0], np.exp(-decay), rtol=1e-4)
    assert pdemill.verify(tmp_path / "store.zarr").ok


def test_plain_zarr_opens_it_without_a_warning(darcy_store: Path) -> None:
    root = zarr.open_group(darcy_store, mode="r")
    assert sorted(root.group_keys()) == ["test", "train"]
    attributes = dict(root.attrs)
    for key in (
        "schema", "spec", "spec_sha256", "versions", "seed_scheme", "plan", "stats", "boundary", "input_channels",
        "solution_channels", "complete",
    ):  # fmt: skip
        assert key in attributes
    solution: Any = root["train/solution"]
    assert (solution.chunks, solution.shards) == ((1, 1, 16, 12), (16, 1, 16, 12))


def test_the_statistics_are_those_of_the_training_split(darcy_store: Path) -> None:
    root = zarr.open_group(darcy_store, mode="r")
    stats: Any = root.attrs["stats"]
    for name, channel in (("input", "coefficient"), ("solution", "u")):
        values = np.asarray(root[f"train/{name}"][...], dtype=np.float64)  # type: ignore[index]
        found = stats[f"{name}/{channel}"]
        assert found["count"] == values.size
        assert found["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert found["std"] == pytest.approx(values.std(), rel=1e-10)
        assert (found["min"], found["max"]) == (values.min(), values.max())


def test_the_library_is_light() -> None:
    """Opening and validating loads no PETSc, no mesher, no finite elements; importing loads no solver at all."""
    check = (
        "import sys, pdemill\n"
        "assert 'pdemill.solvers' not in sys.modules and 'matplotlib' not in sys.modules\n"
        "from pdemill.spec import load_preset\n"
        "load_preset('skr-thermal')\n"
        "heavy = {'petsc4py', 'mpi4py', 'skfem', 'netgen', 'matplotlib', 'fastapi', 'celery', 'numba'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_public_names_are_these() -> None:
    assert pdemill.__all__ == [
        "Client", "Dataset", "Failure", "Job", "Paired", "Summary", "Tally", "Windows", "errors", "export", "generate",
        "merge", "mix", "open", "paired", "plan", "preset", "pull", "residual", "stream", "train_directions",
        "verify",
        "walk_labels",
    ]  # fmt: skip
