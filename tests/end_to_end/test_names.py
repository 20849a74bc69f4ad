"""Modules of the user's that have the names of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import pdemill
from pdemill.errors import PdemillError
try:
    pdemill.generate({"problem": {"family": "poisson", "resolution": [4, 4]}, "samples": 1}, "out.zarr", workers=0)
except PdemillError as error:
    print(error)
"""


def ran_beside(folder: Path, file: str) -> str:
    """What a script prints that lies beside a file."""
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).touch()
    (folder / "script.py").write_text(SCRIPT)
    ran = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("file", ["solvers/__init__.py", "solvers.py"])
def test_a_clash_of_names_is_told_with_its_place(tmp_path: Path, file: str) -> None:
    told = ran_beside(tmp_path, file)
    assert told.startswith(f"{tmp_path / file} is imported as 'solvers'")
    assert "rename it" in told
    assert len(told.splitlines()) == 1


def test_a_mere_folder_gives_way(tmp_path: Path) -> None:
    assert ran_beside(tmp_path, "solvers/own.txt") == ""
    assert (tmp_path / "out.zarr" / "zarr.json").exists()
