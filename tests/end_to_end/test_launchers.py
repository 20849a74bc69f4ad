"""pdemill is serial: it runs the same under mpiexec and in what launchers of MPI programs leave in the environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.process import worker_status
from tests.sampling import sample

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1, "solver": {"method": "direct"},
}  # fmt: skip
HERE = """
import json, os, sys, pdemill
before = dict(os.environ)
assert pdemill.generate(json.loads(sys.argv[1]), sys.argv[2], workers=0).ok
assert dict(os.environ) == before
print(os.popen("env").read())
"""
LEFT = {
    "slurm": {"PMIX_RANK": "0", "PMIX_NAMESPACE": "slurm.pmix.1.0", "PMIX_SERVER_URI2": "pmix-server.1;tcp4://x:1"},
    "rank": {"PMIX_RANK": "0"},
    "hydra": {"PMI_FD": "9", "PMI_RANK": "0", "PMI_SIZE": "1"},
    "port": {"PMI_PORT": "localhost:1", "PMI_ID": "0"},
    "cray": {"PMI_CONTROL_PORT": "1", "PALS_RANKID": "0", "PMI2_FD": "9"},
    "openmpi": {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "MPI_LOCALRANKID": "0"},
}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(SPEC))
    return file


@pytest.mark.parametrize("left", sample(list(LEFT), "slurm", "port"))
def test_variables_of_a_launcher_start_no_mpi_program(left: str, spec: Path, tmp_path: Path) -> None:
    """In this process, whose environment stays as it is, and in a worker."""
    environment = {**os.environ, **LEFT[left]}
    command = [sys.executable, "-c", HERE, json.dumps(SPEC), str(tmp_path / "here")]
    said = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout
    assert all(f"{name}={value}" in said.splitlines() for name, value in LEFT[left].items())
    subprocess.run(_generate(spec, tmp_path / "worker"), check=True, env=environment, capture_output=True)
    assert pdemill.verify(tmp_path / "here").content == pdemill.verify(tmp_path / "worker").content


def test_generate_runs_under_mpiexec(spec: Path, tmp_path: Path) -> None:
    launcher = Path(sys.executable).with_name("mpiexec")
    if not launcher.exists():
        pytest.skip("this PETSc comes without mpiexec")
    command = [str(launcher), "-n", "1", *_generate(spec, tmp_path / "store")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert pdemill.verify(tmp_path / "store").ok


def test_memory_is_asked_for_after_a_kill_alone() -> None:
    assert worker_status(-signal.SIGKILL) == "exit status -9: killed; is there enough memory?"
    assert worker_status(15) == "exit status 15"
    assert worker_status(-signal.SIGSEGV) == "exit status -11"


def _generate(spec: Path, out: Path) -> list[str]:
    run = "from pdemill.cli import main; main()"
    return [sys.executable, "-c", run, "generate", str(spec), "--out", str(out)]
