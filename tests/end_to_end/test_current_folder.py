"""Files in the current folder may have the names of modules: no process of ours takes them for these."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from pdemill.service.pages.preview import pack
from pdemill.service.testing import Server
from pdemill.spec.load import validate

SPEC = {"problem": {"family": "poisson", "resolution": [8, 8], "source": {"field": "gaussian"}}, "samples": 2}
POINTS = {
    "problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 2}, "source": 1.0},
    "samples": 2,
    "solver": {"method": "walks", "walks": 10},
}
LABELS = "import json, sys, pdemill; print(len(list(pdemill.walk_labels(json.loads(sys.argv[1]), workers=1))))"
OURS = {"pdemill", "solvers", "service", "workers"}
PDEMILL = Path(sys.executable).with_name("pdemill")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for every module that is installed."""
    folder = tmp_path_factory.mktemp("current")
    for name in {*sys.stdlib_module_names, *packages_distributions(), *OURS}:
        (folder / f"{name}.py").write_text("raise RuntimeError('a file of the current folder was imported')\n")
    (folder / "spec.json").write_text(json.dumps(SPEC))
    return folder


def run(folder: Path, *command: str) -> str:
    ran = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_generate(folder: Path) -> None:
    assert "2 of 2 samples certified" in run(folder, str(PDEMILL), "generate", "spec.json", "--out", "a.zarr")


def test_walk_labels(folder: Path) -> None:
    assert run(folder, sys.executable, "-P", "-c", LABELS, json.dumps(POINTS)) == "2\n"


def test_serve(folder: Path, tmp_path: Path) -> None:
    """Broker, worker, API, and the process behind a preview."""
    with Server(tmp_path / "data", workers=1, folder=folder) as server:
        with server.client() as client:
            client.submit(SPEC).wait(timeout=180)
        preview = httpx.get(f"{server.url}/new/preview.png", params={"spec": str(pack(validate(SPEC)))}, timeout=60)
        assert preview.status_code == 200, preview.text
