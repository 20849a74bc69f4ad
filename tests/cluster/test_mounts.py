"""Parts on separate mounts of one disk fill one store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pdemill

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [16, 16], "source": {"field": "gaussian"}},
    "samples": 60,
    "store": {"shard": 8},
    "solver": {"method": "fft"},
}
RUN = "from pdemill.cli import main; main()"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")]


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[list[Path]]:
    """Three places where one folder is mounted."""
    (disk := tmp_path / "disk").mkdir()
    places = [tmp_path / f"host{number}" for number in range(3)]
    for place in places:
        place.mkdir()
        subprocess.run(["mount", "--bind", disk, place], check=True)
    yield places
    for place in places:
        subprocess.run(["umount", place], check=True)


def test_parts_on_separate_mounts(mounts: list[Path], tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC))
    runs = []
    for number, place in enumerate(mounts, 1):
        words = ["generate", str(spec), "--out", str(place / "store.zarr"), "--part", f"{number}/3"]
        runs.append(subprocess.Popen([sys.executable, "-c", RUN, *words]))
    assert [run.wait(timeout=180) for run in runs] == [0, 0, 0]
    found = pdemill.verify(tmp_path / "disk" / "store.zarr")
    assert pdemill.generate(SPEC, tmp_path / "alone.zarr", workers=0).ok
    assert found.ok
    assert found.content == pdemill.verify(tmp_path / "alone.zarr", samples=0).content
