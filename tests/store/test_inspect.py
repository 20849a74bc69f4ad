"""What generate, inspect and its picture tell of flags and of the worst samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import yaml
import zarr

import pdemill
from pdemill.inspect import SplitReport, Stated, report, worst
from pdemill.store.flags import Flags
from tests.command import pdemill as command

NAN = float("nan")
WIND = {
    "family": "convection_diffusion", "resolution": [16, 16], "velocity": [{"uniform": [20, 44]}, 0], "source": 1,
    "flux": "central",
}  # fmt: skip
SPEC: dict[str, Any] = {"problem": WIND, "splits": {"train": 6, "test": 4}}


def wind(store: Path) -> dict[str, np.ndarray[Any, Any]]:
    root = zarr.open_group(store, mode="r")
    return {split: np.asarray(root[f"{split}/flags"][...]) for split in ("train", "test")}  # type: ignore[index]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store, and what generate said."""
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "wind.yaml").write_text(yaml.safe_dump(SPEC))
    made = command("generate", folder / "wind.yaml", "--out", folder / "wind.zarr")
    assert made.returncode == 0, made.stderr
    return folder / "wind.zarr", made.stdout


def test_generate_counts_flags(ran: tuple[Path, str]) -> None:
    flags = np.concatenate(list(wind(ran[0]).values()))
    any_, peclet, estimate = (int(np.count_nonzero(flags & mask)) for mask in (31, 1, 2))
    told = f"flagged for a second look: {any_} samples: cell Peclet number above 2 ({peclet})"
    assert told + (f", error estimate above 10 % ({estimate})" if estimate else "") in ran[1].splitlines()


def test_generate_says_nothing_where_nothing_is_flagged(tmp_path: Path) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [16, 16]}, "samples": 2}
    pdemill.generate(spec, tmp_path / "a.zarr", workers=0)
    table = command("inspect", tmp_path / "a.zarr").stdout.splitlines()
    assert ["flagged", "0"] in [line.split() for line in table]
    (tmp_path / "a.json").write_text(json.dumps(spec))
    assert "second look" not in command("generate", tmp_path / "a.json", "--out", tmp_path / "a.zarr").stdout


def test_inspect_counts_flags_per_split(ran: tuple[Path, str]) -> None:
    store, _ = ran
    lines = command("inspect", store).stdout.splitlines()
    for mask, name in ((31, "flagged"), (1, "  cell Peclet number above 2")):
        counts = [str(np.count_nonzero(flags & mask)) for flags in wind(store).values()]
        (line,) = [line for line in lines if line.startswith(name)]
        assert line[len(name) :].split() == counts


def test_the_worst_samples_are_those_with_the_largest_stated_errors() -> None:
    flags = Flags({"peclet": 1, "estimate": 2}, {"peclet": "", "estimate": ""})
    train = SplitReport("train", 4, 3, columns={
        "rel_residual": np.array([1e-9, 2e-9, 0.5]), "algebraic_error": np.array([1e-7, NAN, 1e-8]),
        "stored_error": np.array([2e-7, NAN, 2e-8]), "error_estimate": np.array([NAN, NAN, 0.3]),
        "flags": np.array([0, 0, 3]), "sample_id": np.array([0, 2, 3]),
    }, flags=flags)  # fmt: skip
    test = SplitReport("test", 2, 2, columns={
        "rel_residual": np.array([1e-9, 2e-9]), "algebraic_error": np.array([1e-7, 3e-7]),
        "stored_error": np.array([2e-7, 3e-7]), "error_estimate": np.array([0.4, NAN]),
        "flags": np.array([2, 0]), "sample_id": np.array([0, 1]),
    }, flags=flags)  # fmt: skip
    expected = [
        Stated("test", 0, 0.4, "error_estimate", 1e-9, ("estimate",)),
        Stated("train", 3, 0.3, "error_estimate", 0.5, ("peclet", "estimate")),
        Stated("test", 1, 3e-7, "stored_error", 2e-9, ()),
        Stated("train", 0, 2e-7, "stored_error", 1e-9, ()),
        Stated("train", 2, 2e-9, "rel_residual", 2e-9, ()),
    ]
    for count in (1, 3, 5, 9):
        assert worst([train, test], count) == expected[:count]


def test_inspect_lists_and_draws_the_worst(ran: tuple[Path, str], tmp_path: Path) -> None:
    store, _ = ran
    found = worst(report(store)[1], 8)
    assert [stated.error for stated in found] == sorted((s.error for s in found), reverse=True)
    assert {stated.split for stated in found} == {"train", "test"}
    shown = command("inspect", store, "--worst", "8", "--picture", tmp_path / "worst.png").stdout.splitlines()
    begin = next(number for number, line in enumerate(shown) if line.startswith("worst "))
    assert shown[begin].split() == ["worst", "error", "stated", "by", "residual", "flags"]
    for stated, line in zip(found, shown[begin + 1 : begin + 9], strict=True):
        flags = " ".join(stated.flags) or "-"
        told = f"{stated.split} {stated.sample} {stated.error:.1e} {stated.column} {stated.residual:.1e} {flags}"
        assert line.split() == told.split()
    assert shown[begin + 9] == f"picture: {tmp_path / 'worst.png'}"
    command("inspect", store, "--picture", tmp_path / "first.png")
    first, chosen = (matplotlib.image.imread(tmp_path / name) for name in ("first.png", "worst.png"))
    assert chosen.shape[1] == first.shape[1] * 8 // 5  # eight columns instead of five


def test_the_worst_of_older_stores_and_of_points(tmp_path: Path) -> None:
    spec = {
        "problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 8}, "source": 1},
        "samples": 4, "solver": {"method": "walks", "walks": 32},
    }  # fmt: skip
    pdemill.generate(spec, tmp_path / "points.zarr", workers=0)
    found = worst(report(tmp_path / "points.zarr")[1], 2)
    assert [(stated.column, stated.residual) for stated in found] == [("error_estimate", None)] * 2
    assert command("inspect", tmp_path / "points.zarr", "--worst", "2", "--picture", tmp_path / "p.png").returncode == 0
    assert command("inspect", tmp_path / "points.zarr", "--worst", "0").returncode == 2


def test_nothing_certified_is_nothing_to_list(tmp_path: Path) -> None:
    problem = {"family": "darcy", "resolution": [8, 8], "coefficient": {"field": "chebyshev"}}
    pdemill.generate({"problem": problem, "samples": 2}, tmp_path / "a.zarr", workers=0)
    assert worst(report(tmp_path / "a.zarr")[1], 3) == []
    assert command("inspect", tmp_path / "a.zarr", "--worst", "3").returncode == 0
