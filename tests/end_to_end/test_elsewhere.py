"""Stores that another kind of machine, or other versions, made: checked to rounding, finished on request."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import StoreMismatch
from tests.command import pdemill as command
from tests.store.forging import array, attribute

OLD_CPU = {"OPENBLAS_CORETYPE": "Nehalem", "NUMBA_CPU_NAME": "nehalem"}
LOGNORMAL = {"field": "lognormal", "std": 0.5}
SPECS: dict[str, dict[str, Any]] = {
    "box": {
        "problem": {"family": "darcy", "resolution": [16, 16], "coefficient": LOGNORMAL},
        "samples": 4, "store": {"dtype": "float64", "shard": 2}, "solver": {"method": "multigrid"},
    },
    "mesh": {
        "problem": {"family": "thermal", "resolution": {"h": 0.2}, "coefficient": LOGNORMAL,
                    "domain": {"shape": "polygon", "outline": [[0, 0], [1, 0], [0, 1]]}},
        "samples": 4, "store": {"shard": 2},
    },
    "points": {
        "problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 12},
                    "source": {"uniform": [1, 2]}},
        "samples": 4, "store": {"shard": 2}, "solver": {"method": "walks", "walks": 300},
    },
}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(platform.machine() != "x86_64", reason="names kernels of x86-64")]


def elsewhere(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line on a processor of 2008."""
    line = [sys.executable, "-c", "from pdemill.cli import main; main()", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=250, env={**os.environ, **OLD_CPU})


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    for name, spec in SPECS.items():
        if name == "mesh" and find_spec("netgen") is None:
            continue
        (folder / f"{name}.json").write_text(json.dumps(spec))
        ran = elsewhere("generate", folder / f"{name}.json", "--out", folder / f"{name}.zarr")
        assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.parametrize("name", ["box", pytest.param("mesh", marks=pytest.mark.needs("netgen")), "points"])
def test_a_store_of_another_processor_is_compared_to_rounding(stores: Path, tmp_path: Path, name: str) -> None:
    store = stores / f"{name}.zarr"
    for resolve in (False, True):
        found = pdemill.verify(store, resolve=resolve)
        assert found.ok, found.faults
        (note,) = found.notes
        assert note.startswith("compared to rounding, not to the bit: made with ")
        assert "blas Nehalem (here " in note
        assert "compiler nehalem (here " in note
    there = elsewhere("verify", store)
    assert there.returncode == 0
    assert "rounding" not in there.stdout.replace("below the rounding to float32", "")
    assert found.content in there.stdout


def test_residuals_have_other_bits_there(stores: Path, tmp_path: Path) -> None:
    """The reason for all of it."""
    pdemill.generate(SPECS["box"], tmp_path / "here.zarr", workers=0)
    here, there = (
        zarr.open_array(root / "train/rel_residual")[...] for root in (tmp_path / "here.zarr", stores / "box.zarr")
    )
    assert not np.array_equal(here, there)


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("box", "input", "its input is not what the spec draws"),
        ("box", "solution", "sample 1 of train: residual"),
        ("box", "rel_residual", "its rel_residual"),
        ("box", "error_estimate", "its error_estimate"),
        ("points", "solution", "its label at point"),
    ],
)
def test_what_is_beyond_rounding_is_told(stores: Path, tmp_path: Path, name: str, part: str, message: str) -> None:
    copied = Path(shutil.copytree(stores / f"{name}.zarr", tmp_path / "copy.zarr"))
    array(part, lambda rows: rows.__setitem__(1, rows[1] * 1.2 + 1e-9))(copied)
    faults = pdemill.verify(copied).faults
    assert any(message in fault for fault in faults), faults


def test_another_processor_goes_on_where_it_draws_the_same(stores: Path, tmp_path: Path) -> None:
    begun = Path(shutil.copytree(stores / "points.zarr", tmp_path / "begun.zarr"))
    (begun / "_manifest/train-00001.json").unlink()
    spec = SPECS["points"]
    with pytest.raises(StoreMismatch, match=r"made with blas Nehalem \(here .*generate --other-versions"):
        pdemill.generate(spec, begun, workers=0)
    before = (begun / "zarr.json").read_bytes()
    assert pdemill.generate(spec, begun, workers=1, other_versions=True).ok
    assert (begun / "zarr.json").read_bytes() == before, "the root tells what began it"
    made = json.loads((begun / "_manifest/train-00001.json").read_text())["run"]["made_with"]
    assert made["machine"]["blas"] != "Nehalem"
    assert "made_with" not in json.loads((begun / "_manifest/train-00000.json").read_text())["run"]
    found = pdemill.verify(begun)
    assert found.ok, found.faults
    others, rounding = found.notes
    assert others.startswith("train-00001: made with blas ")
    assert "(the store Nehalem)" in others
    assert rounding.startswith("compared to rounding")
    there = elsewhere("verify", begun)
    assert there.returncode == 0, there.stderr
    assert (
        f"compared to rounding, not to the bit: made with blas {made['machine']['blas']} (here Nehalem)" in there.stdout
    )


def test_other_draws_are_not_gone_on_with(stores: Path, tmp_path: Path) -> None:
    begun = Path(shutil.copytree(stores / "box.zarr", tmp_path / "begun.zarr"))
    array("input", lambda rows: np.nextafter(rows, 2 * rows))(begun)
    (begun / "_manifest/train-00001.json").unlink()
    with pytest.raises(StoreMismatch, match=r"sample 0 of train of the store has another input than is drawn here"):
        pdemill.generate(SPECS["box"], begun, workers=0, other_versions=True)


@pytest.mark.needs("netgen")
def test_other_versions_are_recorded_and_told(tmp_path: Path) -> None:
    spec, out = SPECS["mesh"], tmp_path / "begun.zarr"
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    pdemill.generate(spec, out, workers=0)
    (out / "_manifest/train-00001.json").unlink()
    attribute("versions", "numpy", to="1.26.4")(out)
    refused = command("generate", tmp_path / "spec.json", "--out", out)
    assert refused.returncode == 2
    assert f"made with numpy 1.26.4 (here {np.__version__}); finish it with these" in refused.stderr
    assert command("generate", tmp_path / "spec.json", "--out", out, "--other-versions").returncode == 0
    told = command("verify", out)
    assert told.returncode == 0, told.stderr
    assert f"train-00001: made with numpy {np.__version__} (the store 1.26.4)" in told.stdout
    assert f"compared to rounding, not to the bit: made with numpy 1.26.4 (here {np.__version__})" in told.stdout


def test_another_layout_is_not_gone_on_with(tmp_path: Path) -> None:
    spec, out = SPECS["mesh"], tmp_path / "begun.zarr"
    pdemill.generate(spec, out, workers=0)
    (out / "_manifest/train-00001.json").unlink()
    attribute("versions", "pdemill", to="0.0.1")(out)
    root = json.loads((out / "zarr.json").read_text())
    del root["consolidated_metadata"]["metadata"]["train/iterations"]
    (out / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(StoreMismatch, match="which lay it out in another way"):
        pdemill.generate(spec, out, workers=0, other_versions=True)
