"""What verify says of stores that were changed on purpose, with hashes and statistics that fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from tests.command import pdemill as command
from tests.store.forging import array, attribute, edit, manifest, renew

type Forge = Callable[[Path], None]

LOGNORMAL = {"field": "lognormal", "modes": 8}
TRIANGLE = {"shape": "polygon", "outline": [[0, 0], [1, 0], [0, 1]]}
SPECS: dict[str, dict[str, Any]] = {
    "box": {
        "problem": {"family": "darcy", "resolution": [12, 10], "coefficient": LOGNORMAL,
                    "boundary": {"left": {"dirichlet": {"uniform": [0, 1]}}}},
        "splits": {"train": 6, "test": 2}, "store": {"shard": 4}, "solver": {"method": "multigrid"},
        "certify": {"refine": 1},
    },
    "exact": {
        "problem": {"family": "darcy", "resolution": [12, 10], "coefficient": LOGNORMAL},
        "splits": {"train": 4}, "store": {"dtype": "float64"}, "solver": {"method": "cg"},
    },
    "recycled": {
        "problem": {"family": "darcy", "resolution": [12, 10], "coefficient": LOGNORMAL},
        "splits": {"train": 4}, "solver": {"method": "skr"},
    },
    "singular": {
        "problem": {"family": "poisson", "resolution": [12, 10], "compatibility": "project",
                    "source": {"field": "gaussian", "modes": 8}, "boundary": {"default": {"neumann": 0}}},
        "splits": {"train": 4}, "solver": {"method": "direct"},
    },
    "mesh": {
        "problem": {"family": "thermal", "resolution": {"h": 0.2}, "domain": TRIANGLE,
                    "boundary": {"edge0": {"dirichlet": {"uniform": [1, 2]}}}},
        "splits": {"train": 4},
    },
    "points": {
        "problem": {"family": "poisson", "domain": {"shape": "disk", "radius": {"uniform": [0.5, 1]}},
                    "points": {"random": 12}, "sensors": 8, "source": {"uniform": [1, 2]},
                    "boundary": {"boundary": {"dirichlet": {"uniform": [0, 1]}}}},
        "splits": {"train": 4}, "solver": {"method": "walks", "walks": 300},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forged")
    for name, spec in SPECS.items():
        assert pdemill.generate(spec, folder / f"{name}.zarr", workers=0).ok
    return folder


def set_to(value: float, row: int = 1) -> Callable[[Any], None]:
    def change(rows: Any) -> None:
        rows[row] = value

    return change


def times(factor: float, row: int = 1) -> Callable[[Any], None]:
    def change(rows: Any) -> None:
        rows[row] *= factor

    return change


def first_hash(content: Any) -> None:
    name = next(iter(content["files"]))
    content["files"][name]["sha256"] = "0" * 64


def without_first_file(content: Any) -> None:
    del content["files"][next(iter(content["files"]))]


def held_nodes(rows: Any) -> None:
    """The nodes on the side whose value is given hold the same number in every row of a sample."""
    values, counts = np.unique(rows[1], return_counts=True)
    rows[1][rows[1] == values[np.argmax(counts)]] = 77.0


def stray(name: str) -> Forge:
    def forge(store: Path) -> None:
        (store / name).write_bytes(b"dear reader")

    return forge


def moved_mesh(store: Path) -> None:
    import zarr

    points: Any = zarr.open_array(store / "points", mode="r+")
    points[...] = 2.0 * points[...]
    renew(store)


FORGERIES: list[tuple[str, str, Forge, str]] = [
    ("box", "complete", attribute("complete", to=False), "zarr.json says that the store is not complete"),
    ("box", "plan", attribute("plan", "method", to="cg"), "zarr.json is not as it was written: its plan"),
    ("box", "unit", attribute("boundary", to={}), "zarr.json is not as it was written: its boundary"),
    ("box", "failed", attribute("failed_samples", to=1), "zarr.json is not as it was written: its failed_samples"),
    ("box", "new key", attribute("author", to="me"), "zarr.json is not as it was written: its author"),
    ("box", "seed", attribute("spec", "seed", to=8), "sample 0 of train: its input is not what the spec draws"),
    ("box", "arrays told", edit("zarr.json", lambda root: root["consolidated_metadata"]["metadata"].pop("train/input")
                                and None), "zarr.json is not as it was written: it tells of other arrays"),
    ("box", "array shape", edit("train/input/zarr.json", lambda node: node.update(shape=[1])),
     "train/input/zarr.json is not as it was written"),
    ("box", "summary", manifest("summary", "worst_residual", to=1e-30), "the rows: worst_residual"),
     ("box", "no summary", manifest("summary", to={}), "the rows: estimated, flagged, flags, iterations, worst"),
    ("recycled", "first", manifest("summary", "first", to=99), "its summary does not follow from the rows: first"),
    ("box", "moments", manifest("moments", "solution/u", "mean", to=0.0), "its moments of solution/u are not those"),
    ("box", "no moments", manifest("moments", to={}), "its moments of input/coefficient are not those of the rows"),
    ("box", "schema", manifest("schema", to=7), "train-00000.json has schema 7, its store"),
    ("box", "hash", edit("_manifest/train-00000.json", first_hash), "sha256 "),
    ("box", "no file", edit("_manifest/train-00000.json", without_first_file), "json says nothing of train/"),
    ("box", "no files", manifest("files", to={}), "_manifest/train-00000.json says nothing of train/input"),
    ("box", "failure", manifest("failures", to=[{"row": 1, "sample": 1, "result": "SINGULAR", "reason": "no"}]),
     "sample 1 of train: its method says that it is certified"),
    ("box", "empty", edit("_manifest/train-00000.json", lambda _: {}), "is not a manifest (it has no split)"),
    ("box", "list", edit("_manifest/train-00000.json", lambda _: [1]), "is not a manifest (it is no JSON object)"),
    ("box", "types", manifest("failures", to=[3]), "is not a manifest (its failures is not of the right form)"),
    ("box", "row", manifest("failures", to=[{"row": 9, "sample": 9, "result": "A", "reason": "b"}]), "its failures is"),
    ("box", "stop", manifest("stop", to="4"), "is not a manifest (its stop is not of the right form)"),
    ("box", "run", manifest("run", to=None), "is not a manifest (its run is not of the right form)"),
    ("box", "more", manifest("more", to=1), "is not a manifest (it has more, which is no part of one)"),
    ("box", "other shard", manifest("shard", to=1), "is for other samples than 0..3 of train"),
    ("box", "stray", stray("train/thesis.tex"), "train/thesis.tex does not belong to the store"),
    ("box", "stray shard", stray("_manifest/train-00007.json"), "train-00007.json does not belong to the store"),
    ("box", "temporary", stray("train/a.tmp"), "train/a.tmp was left by a writer that died"),
    ("box", "residual", array("rel_residual", lambda r: 0 * r, quiet=False), "its summary does not follow from"),
    ("box", "residual above", array("rel_residual", set_to(1e-3)), "its certificate 1.0e-03 is above rtol"),
    ("exact", "residual", array("rel_residual", times(0.5)), "sample 1 of train: its rel_residual"),
    ("singular", "estimate", array("error_estimate", times(0.9)), "sample 1 of train: its error_estimate"),
    ("box", "estimate", array("error_estimate", times(0.9)), "sample 1 of train: its error_estimate"),
    ("box", "no estimate", array("error_estimate", set_to(np.nan)), "its error_estimate nan is not the recomputed"),
    ("box", "order", array("error_order", times(1.01)), "sample 1 of train: its error_order"),
    ("box", "no order", array("error_order", set_to(np.nan)), "its error_order nan is not the recomputed"),
    ("singular", "order", array("error_order", times(1.01)), "sample 1 of train: its error_order"),
    ("box", "estimated", attribute("estimated_samples", "train", to=9), "as it was written: its estimated_samples"),
    ("box", "no count", manifest("summary", "estimated", to="all"), "is not a manifest (its summary is not of the"),
    ("box", "no number", manifest("summary", "worst_estimate", to="1"), "is not a manifest (its summary is not of the"),
    ("box", "subsets", attribute("subset_scheme", to="mine"), "as it was written: its subset_scheme"),
    ("box", "iterations", array("iterations", set_to(1), quiet=False), "its summary does not follow from"),
    ("box", "input", array("input", times(1.01)), "sample 1 of train: its input is not what the spec draws"),
    ("box", "parameter", array("params", times(1.01)), "sample 1 of train: its params is not what the spec draws"),
    ("box", "number", array("sample_id", set_to(3)), "sample 1 of train: stored under the number 3"),
    ("box", "method", array("method", set_to(0)), "sample 1 of train: its method says that it failed"),
    ("box", "solution", array("solution", times(1.0001)), "sample 1 of train: residual"),
    ("singular", "solution", array("solution", lambda rows: rows + 5), "its solution should have mean 0, and has 5.0"),
    ("mesh", "given values", array("solution", held_nodes), "its solution is not what the spec gives where u"),
    ("mesh", "mesh", moved_mesh, "points/c/0/0 is not as it was written"),
    ("box", "errors", array("stored_error", set_to(1e-12)), "its algebraic_error"),
    ("box", "stated", array("stored_error", set_to(1e-3)), "is above certify.stored_rtol"),
    ("box", "flags", array("flags", set_to(1)), "its flags are not what the stored numbers give: peclet"),
    ("mesh", "flags", array("flags", set_to(8)), "its flags are not what the stored numbers give: level"),
    ("exact", "unknown flag", array("flags", set_to(128)), "the stored numbers give: an unknown bit"),
    ("box", "flags told", manifest("summary", "flagged", to=3), "its summary does not follow from the rows: flagged"),
    ("points", "flags", array("flags", set_to(2)), "its flags are not what the stored numbers give: estimate"),
    ("points", "points", array("points", times(0.99)), "sample 1 of train: its points are not those of the spec"),
    ("points", "sensors", array("boundary_input", times(2)), "its boundary_input is not what the spec draws"),
    ("points", "label", array("solution", times(1.001)), "sample 1 of train: its label at point"),
    ("points", "walks", array("walks", set_to(10**6)), "sample 1 of train: its walks at points"),
    ("points", "estimate", array("error_estimate", times(0.5)), "sample 1 of train: its error_estimate"),
    ("points", "epsilon", array("epsilon", times(0.5)), "sample 1 of train: its epsilon is not that of the spec"),
    ("points", "summary", manifest("summary", "walks", to=1), "its summary does not follow from the rows: walks"),
]  # fmt: skip


def one_bit(rows: Any) -> None:
    """The last bit of one value."""
    rows[1, 0, 3, 3] = np.nextafter(rows[1, 0, 3, 3], np.float32(1))


ONLY_RESOLVED: list[tuple[str, str, Forge, str]] = [
    ("box", "residual", array("rel_residual", set_to(1e-30)), "its rel_residual is not what solving"),
    ("box", "iterations", array("iterations", set_to(1)), "its iterations is not what solving it"),
    ("box", "method", array("method", set_to(2)), "its method is not what solving it"),
    ("box", "bits", array("solution", one_bit), "its solution is not what solving"),
    ("points", "label", array("walks", lambda rows: rows.__setitem__((1, 1), 9)), "its walks is not what solving"),
    ("points", "weights", array("largest_weight", set_to(50.0)), "its largest_weight is not what solving it again"),
]  # fmt: skip


def forged(stores: Path, folder: Path, name: str, forge: Forge) -> Path:
    copied = Path(shutil.copytree(stores / f"{name}.zarr", folder / "forged.zarr"))
    forge(copied)
    return copied


@pytest.mark.parametrize(("name", "what", "forge", "message"), FORGERIES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_forgery_is_told(stores: Path, tmp_path: Path, name: str, what: str, forge: Forge, message: str) -> None:
    faults = pdemill.verify(forged(stores, tmp_path, name, forge)).faults
    assert any(message in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("name", "what", "forge", "message"), ONLY_RESOLVED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_only_solving_again_tells(
    stores: Path, tmp_path: Path, name: str, what: str, forge: Forge, message: str
) -> None:
    copied = forged(stores, tmp_path, name, forge)
    told = pdemill.verify(copied)
    faults = pdemill.verify(copied, resolve=True).faults
    assert any(message in fault for fault in faults), faults
    assert told.ok
    assert "(--resolve does)" in str(told)


@pytest.mark.parametrize("name", SPECS)
def test_a_store_as_it_was_made_is_right(stores: Path, name: str) -> None:
    found = pdemill.verify(stores / f"{name}.zarr", resolve=True)
    assert found.ok, found.faults
    assert "\nnot checked: measured times\n" in str(found)


def test_one_line_says_what_was_not_checked(stores: Path) -> None:
    told = {name: str(pdemill.verify(stores / f"{name}.zarr")).splitlines()[1] for name in ("box", "exact", "points")}
    assert told == {
        "box": "not checked: iterations and method (--resolve does), rel_residual below the rounding to float32 "
        "(--resolve does), measured times",
        "exact": "not checked: iterations and method (--resolve does), measured times",
        "points": "not checked: labels but at two points of each sample (--resolve does), measured times",
    }
    some = command("verify", stores / "box.zarr", "--samples", "1", "--resolve").stdout
    assert "8 samples, 2 certificates recomputed from the spec, 2 shards solved again: all is as it was" in some
    assert "\nnot checked: other samples than these, statistics of channels, measured times\n" in some


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spec", 3),
        ("plan", []),
        ("versions", None),
        ("shard_samples", "4"),
        ("complete", 1),
        ("estimated_samples", {"train": "all"}),
    ],
)
def test_a_root_that_is_none_is_refused(stores: Path, tmp_path: Path, key: str, value: Any) -> None:
    copied = forged(stores, tmp_path, "box", attribute(key, to=value))
    for words in (["verify"], ["inspect"], ["export", "--to", "pt"]):
        ran = command(*words, copied, *([tmp_path / "x"] if words[1:] else []))
        assert ran.returncode == 2
        assert f"{key} in its zarr.json is not of the right form" in ran.stderr


def test_a_spec_that_is_refused_is_told_with_its_file(stores: Path, tmp_path: Path) -> None:
    copied = forged(stores, tmp_path, "box", attribute("spec", "problem", "family", to="darci"))
    ran = command("verify", copied)
    assert ran.returncode == 2
    assert "zarr.json is refused: problem.family: unknown" in ran.stderr
