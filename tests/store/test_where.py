"""Samples chosen by a condition on their columns: what it means, what is refused, and everywhere it is taken."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

import pdemill
from pdemill.errors import ExportError, IncompleteStore, WhereError
from pdemill.reader.where import Where
from pdemill.store.flags import Flags
from tests.command import pdemill as command

NAN = float("nan")
COLUMNS: dict[str, NDArray[Any]] = {
    "error_estimate": np.array([1e-4, 5e-3, NAN, 1.0], np.float32),
    "rel_residual": np.array([1e-9, 2e-9, 3e-9, 4e-9]),
    "flags": np.array([0, 1, 2, 3], np.int32),
    "iterations": np.array([0, 7, 8, 9], np.int32),
}
FLAGS = Flags({"peclet": 1, "estimate": 2}, {"peclet": "", "estimate": ""})


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("error_estimate < 1e-3", [0]),
        ("error_estimate < 1e-3 and not flags", [0]),
        ("error_estimate > 1e-3", [1, 3]),
        ("error_estimate != 1", [0, 1]),
        ("error_estimate == error_estimate", [0, 1, 3]),
        ("not error_estimate < 1e-3", [1, 2, 3]),
        ("flags", [1, 2, 3]),
        ("not flags", [0]),
        ("flags.peclet", [1, 3]),
        ("flags.peclet and flags.estimate", [3]),
        ("flags.peclet or flags.estimate", [1, 2, 3]),
        ("flags == 2", [2]),
        ("0 < iterations <= 8", [1, 2]),
        ("8 > iterations", [0, 1]),
        ("iterations > -1", [0, 1, 2, 3]),
        ("not (iterations == 7 or rel_residual >= 3e-9)", [0]),
        ("iterations == 7 or rel_residual >= 3e-9 and flags.peclet", [1, 3]),
        ("iterations\n> 7", None),
        (" (iterations > 7) ", [2, 3]),
        ("1 < 2 and iterations > 8", [3]),
    ],
)
def test_conditions(text: str, rows: list[int] | None) -> None:
    if rows is None:
        with pytest.raises(WhereError):
            Where(text, sorted(COLUMNS), FLAGS)
        return
    where = Where(text, sorted(COLUMNS), FLAGS)
    read = {name: COLUMNS[name] for name in where.columns}
    assert np.flatnonzero(where.holds(read)).tolist() == rows


THERE = "there are error_estimate, flags, iterations, rel_residual"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("error < 1", f"there is no column 'error'; {THERE}"),
        ("flags.level", "there is no flag 'level'; there are flags.peclet, flags.estimate"),
        ("rel_residual", "compare rel_residual with a number, as in 'rel_residual < 1'"),
        ("rel_residual and flags", "compare rel_residual with a number"),
        ("1 < 2", f"it names no column; {THERE}"),
        ("flags.peclet == 1", "'flags.peclet' is neither a column nor a number"),
        ("rel_residual.real < 1", "'rel_residual.real' is neither"),
        ("rel_residual + 1 < 2", "'rel_residual + 1' is neither"),
        ("rel_residual < True", "'True' is neither"),
        ("rel_residual < 'a'", "is neither"),
        ("iterations in (1, 2)", "'iterations in (1, 2)' is no condition"),
        ("iterations is 1", "is no condition"),
        ("__import__('os').system('true')", "is no condition"),
        ("(lambda: 1)() < iterations", "is neither"),
        ("flags.__class__", "there is no flag '__class__'"),
        ("flags.peclet.real", "is no condition"),
        ("[flags]", "is no condition"),
        ("flags if flags else flags", "is no condition"),
        ("(flags := 1)", "is no condition"),
        ("rel_residual < 1e400", "a number above 1e300"),
        ("rel_residual < " + "9" * 400, "a number above 1e300"),
        ("", "write a condition such as 'error_estimate < 1e-3 and not flags'"),
        ("flags and", "write a condition"),
        ("flags; flags", "write a condition"),
        ("flags\0", "write a condition"),
        ("flags and " * 100 + "flags", "more than 200 parts"),
        ("(" * 3000 + "flags" + ")" * 3000, "write a condition"),
        ("not " * 30000 + "flags", ""),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(WhereError) as error:
        Where(text, sorted(COLUMNS), FLAGS)
    assert reason in str(error.value)
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples some of which have a large cell Peclet number, estimated in part."""
    out = tmp_path_factory.mktemp("where") / "wind.zarr"
    problem = {
        "family": "convection_diffusion", "resolution": [16, 16], "velocity": [{"uniform": [20, 44]}, 0], "source": 1,
    }  # fmt: skip
    spec = {"problem": problem, "splits": {"train": 20, "test": 6}, "store": {"shard": 8}}
    assert pdemill.generate(spec, out, workers=0).ok
    return out


def column(store: Path, name: str, split: str = "train") -> NDArray[Any]:
    group: Any = zarr.open_group(store, mode="r")[split]
    return np.asarray(group[name][...])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_data_set_has_the_samples_that_are_asked_for(store: Path, split: str) -> None:
    data, whole = pdemill.open(store, split, where="flags.peclet"), pdemill.open(store, split)
    numbers = np.flatnonzero(column(store, "params", split)[:, 0] > 32)
    assert data.numbers.tolist() == numbers.tolist()
    assert 0 < len(data) == len(numbers) < len(whole)
    assert np.array_equal(data[:]["x"], whole[numbers]["x"])
    assert np.array_equal(data[-1]["y"], whole[int(numbers[-1])]["y"])
    assert np.array_equal(data[[1, 0]]["y"], whole[numbers[[1, 0]]]["y"])
    assert np.array_equal(data.__getitems__([0, -1])[1]["y"], whole[int(numbers[-1])]["y"])
    assert "flags.peclet" in repr(data)
    assert list(data.normaliser("y").mean) == list(whole.normaliser("y").mean)
    with pytest.raises(IndexError, match=f"outside 0..{len(data) - 1}"):
        data[len(data)]
    with pytest.raises(IndexError):
        data[[len(data)]]


def test_samples_without_an_estimate_are_not_chosen_by_it(store: Path) -> None:
    estimates = column(store, "error_estimate")
    assert np.isnan(estimates).sum() == 16
    assert (
        pdemill.open(store, where="error_estimate < 1e9").numbers.tolist()
        == np.flatnonzero(~np.isnan(estimates)).tolist()
    )
    assert len(pdemill.open(store, where="not error_estimate < 1e9")) == 16
    assert (
        len(pdemill.open(store, where="iterations < 0"))
        == len(pdemill.open(store, where="iterations < 0")[:]["x"])
        == 0
    )


def _length(data: Any) -> tuple[int, float]:
    return len(data), float(data[0]["y"].sum())


def test_workers_get_the_same_samples(store: Path) -> None:
    data = pdemill.open(store, where="not flags.peclet")
    again = pickle.loads(pickle.dumps(data))
    assert again.numbers.tolist() == data.numbers.tolist()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_length, (data,)) == _length(data)


def test_mixtures_take_what_was_chosen(store: Path) -> None:
    data = pdemill.open(store, where="flags.peclet")
    mixture = pdemill.mix([data, pdemill.open(store, "test", where="not flags.peclet")])
    assert len(mixture) == len(data) + len(pdemill.open(store, "test", where="not flags.peclet"))
    numbers = sorted(sample for number, sample in map(mixture.where, range(len(mixture))) if number == 0)
    assert numbers == list(range(len(data)))


def test_following_gives_what_was_chosen(store: Path) -> None:
    found = list(pdemill.open(store, follow=True, patience=5, where="flags.peclet"))
    whole = pdemill.open(store)
    numbers = np.concatenate([batch["sample"] for batch in found])
    assert numbers.tolist() == pdemill.open(store, where="flags.peclet").numbers.tolist()
    assert np.array_equal(np.concatenate([batch["y"] for batch in found]), whole[numbers]["y"])


def test_samples_without_a_solution_are_never_chosen(tmp_path: Path) -> None:
    field = {"field": "expression", "formula": "1 + a * sin(pi * x)", "where": {"a": {"uniform": [-2, 1]}}}
    spec = {"problem": {"family": "darcy", "resolution": [8, 8], "coefficient": field}, "samples": 12}
    failed = {failure.sample for failure in pdemill.generate(spec, tmp_path / "a.zarr", workers=0).failures}
    assert failed
    data = pdemill.open(tmp_path / "a.zarr", where="not flags.peclet")
    assert data.numbers.tolist() == sorted(set(range(12)) - failed)
    assert len(data[:]["y"]) == len(data)


def test_what_is_not_finished_is_told(store: Path, tmp_path: Path) -> None:
    begun = shutil.copytree(store, tmp_path / "begun.zarr")
    (begun / "_manifest" / "train-00001.json").unlink()
    with pytest.raises(IncompleteStore, match="shard 1 of train is not finished"):
        pdemill.open(begun, where="not flags")


def test_unknown_columns_are_named_when_a_store_is_opened(store: Path) -> None:
    with pytest.raises(WhereError, match="no column 'error'; there are algebraic_error, error_estimate, flags, iter"):
        pdemill.open(store, where="error < 1")
    with pytest.raises(WhereError, match=r"there are flags\.peclet, flags\.estimate, flags\.residual, flags\.level"):
        pdemill.open(store, where="flags.wind")


def test_exports_hold_what_was_chosen(store: Path, tmp_path: Path) -> None:
    chosen = {split: pdemill.open(store, split, where="not flags.peclet").numbers for split in ("train", "test")}
    ran = command("export", store, tmp_path / "out", "--to", "well", "--where", "not flags.peclet")
    train, test = len(chosen["train"]), len(chosen["test"])
    assert ran.stdout.splitlines()[:2] == [
        f"train: {train} samples, {20 - train} others left out by --where",
        f"test: {test} samples, {6 - test} others left out by --where",
    ]
    for split, numbers in chosen.items():
        with h5py.File(tmp_path / "out" / "data" / split / "convection_diffusion.hdf5") as file:
            assert file["pdemill/certificates/sample_id"][...].tolist() == numbers.tolist()
            u = file["t0_fields/u"][...].reshape(-1, 1, 16, 16)
            assert np.array_equal(u, pdemill.open(store, split)[numbers]["y"])
            record = json.loads(file["pdemill/attributes"][()])
            assert record["where"] == "not flags.peclet"
            assert record["flags"]["peclet"] == 1
    made = pdemill.export(store, tmp_path / "again", to="well", where="not flags.peclet")
    assert made.samples == {"train": train, "test": test}
    assert made.deselected == {"train": 20 - train, "test": 6 - test}
    assert made.left_out == {"train": 0, "test": 0}
    with pytest.raises(ExportError, match="train has no certified sample where iterations < 0"):
        pdemill.export(store, tmp_path / "none", to="well", where="iterations < 0")


def test_the_command_line_says_what_is_wrong(store: Path, tmp_path: Path) -> None:
    ran = command("export", store, tmp_path / "out", "--to", "pt", "--where", "error < 1")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: where 'error < 1': there is no column 'error'; there are ")
    assert not (tmp_path / "out").exists()
