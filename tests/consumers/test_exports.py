"""The libraries that exports are made for read them. Run by ``make consumers``, in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

import pdemill

torch: Any = pytest.importorskip("torch", reason="PyTorch is not in the development environment: make consumers")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_neuraloperator_reads_its_tensors(darcy_store: Path, tmp_path: Path) -> None:
    datasets: Any = pytest.importorskip("neuralop.data.datasets.pt_dataset")
    pdemill.export(darcy_store, tmp_path / "out", to="pt")
    found = datasets.PTDataset(
        root_dir=tmp_path / "out", dataset_name="darcy", n_train=40, n_tests=[7], batch_size=8, test_batch_sizes=[7],
        train_resolution=16, test_resolutions=[16], channels_squeezed=False,
    )  # fmt: skip
    for split, samples in (("train", found.train_db), ("test", found.test_dbs[16])):
        truth = pdemill.open(darcy_store, split)
        assert len(samples) == len(truth)
        for number in (0, len(truth) - 1):
            assert all(np.array_equal(samples[number][key].numpy(), truth[number][key]) for key in "xy")


def test_tensors_carry_spec_and_certificates_and_are_the_same_bytes_again(darcy_store: Path, tmp_path: Path) -> None:
    made = [pdemill.export(darcy_store, tmp_path / name, to="pt").files for name in ("a", "b")]
    assert [path.name for path in made[0]] == ["darcy_test_16.pt", "darcy_train_16.pt"]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    content = torch.load(made[0][1])
    data = pdemill.open(darcy_store)
    columns = data.columns(data.shards[1])
    assert np.array_equal(content["certificates"]["rel_residual"][16:32].numpy(), columns["rel_residual"])
    assert (content["samples_left_out"], content["left_out"]["reason"]) == (0, [])
    assert json.loads(content["pdemill"])["spec"] == data.attributes["spec"]


def test_tensors_hold_values_at_points_and_leave_failures_out(tmp_path: Path) -> None:
    star = {"shape": "star", "harmonics": [{"order": 2, "cosine": {"uniform": [0.5, 1.5]}}]}
    problem = {"family": "poisson", "domain": star, "points": {"random": 8}, "source": {"uniform": [1, 2]}}
    spec = {"problem": problem, "samples": 6, "solver": {"method": "walks", "walks": 64}}
    summary = pdemill.generate(spec, tmp_path / "store.zarr", workers=0)
    assert 0 < len(summary.failures) < 6
    made = pdemill.export(tmp_path / "store.zarr", tmp_path / "out", to="pt")
    failed = [failure.sample for failure in summary.failures]
    data = pdemill.open(tmp_path / "store.zarr")
    content = torch.load(made.files[0])
    assert content["left_out"]["sample"].tolist() == failed
    good = np.setdiff1d(np.arange(6), failed)
    for key, values in data[good].items():
        assert np.array_equal(content[key].numpy(), values)
    assert {"x", "y", "points", "stderr"} <= set(content)


def test_tensors_of_a_mesh_come_with_the_mesh(tmp_path: Path) -> None:
    triangle = {"shape": "polygon", "outline": [[0, 0], [1, 0], [0, 1]]}
    problem = {"family": "thermal", "domain": triangle, "resolution": {"h": 0.3}, "source": {"uniform": [1, 2]}}
    pdemill.generate({"problem": problem, "splits": {"train": 2, "test": 1}}, tmp_path / "store.zarr", workers=0)
    shared = pdemill.open(tmp_path / "store.zarr").shared()
    for path in pdemill.export(tmp_path / "store.zarr", tmp_path / "out", to="pt").files:
        content = torch.load(path)
        assert set(content["coordinates"]) == set(shared) >= {"points", "cells"}
        assert all(np.array_equal(content["coordinates"][name].numpy(), shared[name]) for name in shared)
        assert len(content["coordinates"]["points"]) == content["y"].shape[-1]


def test_the_well_reads_inputs_as_constant_and_solutions_as_the_step_to_come(darcy_store: Path, tmp_path: Path) -> None:
    the_well: Any = pytest.importorskip("the_well.data")
    pdemill.export(darcy_store, tmp_path / "out", to="well")
    options = {"path": str(tmp_path / "out"), "well_split_name": "train", "use_normalization": False}
    found = the_well.WellDataset(n_steps_input=0, n_steps_output=1, **options)
    truth = pdemill.open(darcy_store)
    assert len(found) == len(truth)
    for number in (0, 17, 39):
        assert np.array_equal(found[number]["constant_fields"][..., 0].numpy(), truth[number]["x"][0])
        assert np.array_equal(found[number]["output_fields"][0, ..., 0].numpy(), truth[number]["y"][0])
    assert found[0]["boundary_conditions"].tolist() == [[0, 0], [0, 0]]  # WALL at all four sides
    with pytest.raises(AssertionError, match="1 steps is not enough"):
        the_well.WellDataset(**options)  # its default: one step in, one step out
    assert found.to_xarray(backend="numpy")["u"].shape == (40, 1, 16, 12)
    normal = pytest.importorskip("the_well.data.normalization").ZScoreNormalization
    told = the_well.WellDataset(
        n_steps_input=0, n_steps_output=1, **{**options, "use_normalization": True},
        normalization_path="stats.yaml", normalization_type=normal,
    )  # fmt: skip
    own = truth.normaliser("y")
    assert torch.allclose(
        told[3]["output_fields"][0, ..., 0], torch.from_numpy(own.encode(truth[3]["y"])[0]), atol=1e-5
    )


def test_tensors_are_gathered_in_files_not_in_memory(tmp_path: Path) -> None:
    problem = {"family": "poisson", "resolution": [64, 64], "source": {"uniform": [0, 1]}}
    spec = {"problem": problem, "certify": {"refine": 0}, "store": {"shard": 64}}
    for samples in (64, 1024):
        pdemill.generate(spec | {"samples": samples}, tmp_path / f"{samples}.zarr", workers=0)
    pdemill.export(tmp_path / "64.zarr", tmp_path / "warm", to="pt")
    least = most = anonymous()
    done = Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, anonymous())

    watcher = Thread(target=watch)
    watcher.start()
    made = pdemill.export(tmp_path / "1024.zarr", tmp_path / "out", to="pt")
    done.set()
    watcher.join()
    assert made.files[0].stat().st_size > 32 * 2**20
    assert most - least < 12 * 2**20


def anonymous() -> int:
    """Bytes of this process that no file stands behind."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return 1024 * int(lines["RssAnon"].split()[0])
