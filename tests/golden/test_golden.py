"""What earlier versions wrote: hashes of specs, and stores that are still read, verified and made again."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.spec import load_preset, preset_names, validate
from pdemill.store.root import read_attributes

HERE = Path(__file__).parent
STORES = {  # content hashes that the version which wrote them gave
    "box": "20ed3247e38ea1c8bfbfa46443e220c13a0714504a9f603e8d97f90a5439f4e7",
    "mesh": "92a3d152636e8d1c0a987e7e3a5c3e829b8a93d634db7d8cc7c066b8822ac382",
    "singular": "0169045fd7198104ba7cca6059e10fbd154ad1a9c6acca69af43fb36a2f3333f",
    "points": "27b174553f81b44c92442d16e0732596040c12b1d0eade769ac2046daf711170",
}
PRESETS = {
    line.split()[0]: line.split()[1] for line in (HERE / "preset-hashes-of-f23acb4.txt").read_text().splitlines()
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores as version f23acb4 wrote them."""
    folder = tmp_path_factory.mktemp("golden")
    with zipfile.ZipFile(HERE / "stores-of-f23acb4.zip") as packed:
        packed.extractall(folder)
    return folder


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hash_as_they_did(name: str) -> None:
    assert name in preset_names()
    assert load_preset(name).sha256() == PRESETS[name]


@pytest.mark.parametrize("name", STORES)
def test_old_stores_are_verified(name: str, stores: Path) -> None:
    found = pdemill.verify(stores / f"{name}.zarr")
    assert found.ok, found.faults
    assert found.content == STORES[name]


@pytest.mark.parametrize("name", STORES)
def test_old_stores_are_made_again_to_rounding(name: str, stores: Path, tmp_path: Path) -> None:
    """Another processor has other last bits."""
    spec: dict[str, Any] = read_attributes(stores / f"{name}.zarr")["spec"]
    assert validate(spec).sha256() == read_attributes(stores / f"{name}.zarr")["spec_sha256"]
    assert pdemill.generate(spec, tmp_path / "new.zarr", workers=0).ok
    old, new = (zarr.open_group(path, mode="r") for path in (stores / f"{name}.zarr", tmp_path / "new.zarr"))
    for split in spec["splits"]:
        before, after = old[split], new[split]
        assert isinstance(before, zarr.Group)
        assert isinstance(after, zarr.Group)
        fields = ("algebraic_error", "stored_error", "error_order") if "rel_residual" in before else ()
        of_schema_2 = {"flags", *fields}
        assert set(before.array_keys()) | of_schema_2 == set(after.array_keys())
        for array in ("input", "solution", "params", "points", "sample_id", "method", "stderr"):
            if array in before:
                a, b = np.asarray(before[array]), np.asarray(after[array])
                np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6 * np.abs(a).max())


def test_new_stores_say_how_they_were_discretised(stores: Path, tmp_path: Path) -> None:
    for name, by in {"box": "box", "mesh": "elements", "points": "walks"}.items():
        spec = read_attributes(stores / f"{name}.zarr")["spec"]
        assert "discretiser" not in read_attributes(stores / f"{name}.zarr")["plan"]
        pdemill.generate(spec, tmp_path / f"{name}.zarr", workers=0)
        assert read_attributes(tmp_path / f"{name}.zarr")["plan"]["discretiser"] == by
        forced = {**spec, "problem": {**spec["problem"], "discretiser": by}}
        assert validate(forced).sha256() == validate(spec).sha256()


def test_an_old_store_that_was_begun_is_finished(stores: Path, tmp_path: Path) -> None:
    """By the same versions of all that its bits depend on; its metadata stay what they were."""
    root = tmp_path / "begun.zarr"
    spec = read_attributes(stores / "box.zarr")["spec"]
    pdemill.generate(spec, root, workers=0)
    content = pdemill.verify(root).content
    (root / "_manifest" / "train-00001.json").unlink()
    before = (root / "zarr.json").read_bytes()
    old = before.replace(b',\n      "discretiser": "box"', b"")
    assert old != before
    (root / "zarr.json").write_bytes(old)
    assert pdemill.generate(spec, root, workers=0).ok
    assert pdemill.verify(root).ok
    assert pdemill.verify(root).content == content
