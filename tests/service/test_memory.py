"""Memory: jobs for which no worker has enough are refused, and a worker that gets no more says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdemill.data_directory import DataDirectory
from pdemill.leases import Presence, Unit
from pdemill.solvers.installed import has_petsc
from tests.service.api import serving, without_broker

CUBE = {"problem": {"family": "poisson", "resolution": [64, 64, 64]}, "samples": 4, "solver": {"method": "direct"},
        "certify": {"refine": 0}}  # fmt: skip


def _with(resolution: int, method: str) -> dict[str, Any]:
    return {**CUBE, "problem": {"family": "poisson", "resolution": [resolution] * 3}, "solver": {"method": method}}


def test_estimates_are_told_before_and_after_submission(tmp_path: Path) -> None:
    with serving(without_broker(tmp_path / "data")) as api:
        told = api.post("/v1/jobs/validate", CUBE).json
        assert 1e9 < told["factor_bytes"] < told["memory_bytes"] < 3e9
        job = api.post("/v1/jobs", CUBE).json
        assert job["estimated_memory_bytes"] == told["memory_bytes"]
        assert job["estimated_cpu_seconds"] == pytest.approx(told["cpu_seconds"])
        assert api.post("/v1/jobs/validate", _with(16, "fft")).json["factor_bytes"] == 0


def test_what_no_worker_has_the_memory_for_is_refused(tmp_path: Path) -> None:
    with serving(without_broker(tmp_path / "data", worker_memory=1_000_000_000)) as api:
        for path in ("/v1/jobs", "/v1/jobs/validate"):
            answer = api.post(path, CUBE)
            answer.problem(422, "PDEMILL_WORKER_MEMORY")
            assert answer.pointers() == ["/solver/method"]
            assert "1,000,000,000" in answer.text
            assert "choose another solver.method" in answer.text
        assert api.post("/v1/jobs", _with(64, "fft")).status == 202
        assert api.post("/v1/jobs", _with(200, "fft")).pointers() == ["/problem"]


def test_without_a_limit_it_is_what_the_largest_worker_has(tmp_path: Path) -> None:
    with serving(without_broker(tmp_path / "data")) as api:
        monster = _with(300, "direct")
        assert api.post("/v1/jobs/validate", monster).status == 200, "nobody knows"
        workers = [Presence(str(n), "host", n, 1, "", memory) for n, memory in enumerate((10**9, 5 * 10**9, 0))]
        api.state.coordinator._workers = workers
        assert api.post("/v1/jobs", monster).pointers() == ["/solver/method"]
        assert "5,000,000,000" in api.post("/v1/jobs", monster).text
        assert api.post("/v1/jobs/validate", CUBE).status == 200


def test_a_job_for_which_the_disk_has_no_room_is_refused(tmp_path: Path) -> None:
    with serving(without_broker(tmp_path / "data", max_bytes=10**18)) as api:
        large = {
            "problem": {"family": "poisson", "resolution": [1000, 1000]},
            "samples": 90_000,
            "store": {"shard": 64},
        }
        api.post("/v1/jobs", large).problem(507, "the disk of the data directory has")
        assert api.post("/v1/jobs/validate", large).status == 200


FACTORISE = """
import os, sys
from pathlib import Path
from pdemill.spec.load import validate
from pdemill.solvers.job import open_job
from pdemill.solvers import petsc
from pdemill.workers import memory

def factorise(cells):
    job = open_job(validate({"problem": {"family": "poisson", "resolution": [cells] * 3}, "samples": 4}))
    matrix = job.discretisation.equation(job.instance("train", 0)).linearised(None).matrix
    petsc.Direct(matrix.pattern, 8).solve(matrix, matrix.values[: matrix.pattern.size].copy())

factorise(8)  # which loads what there is to load
has = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
os.environ["PDEMILL_WORKER_MEMORY"] = str(1024 * has + int(sys.argv[1]))
memory.UNTOUCHED_BYTES = 0
memory.limit()
try:
    factorise(40)
except MemoryError:
    print("MemoryError")
else:
    print("solved")
"""


@pytest.mark.skipif(not has_petsc() or sys.platform != "linux", reason="the limit is Linux's, and the error PETSc's")
@pytest.mark.parametrize(("more", "said"), [("60000000", "MemoryError"), ("1000000000", "solved")])
def test_a_factorisation_that_gets_no_memory_is_an_error(more: str, said: str) -> None:
    """It takes 200 MB."""
    command = [sys.executable, "-c", FACTORISE, more]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == said, ran.stderr


def test_a_worker_names_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trying again would not help, so the job ends."""
    DataDirectory.made(tmp_path)
    monkeypatch.setenv("PDEMILL_DATA_DIR", str(tmp_path))
    from pdemill.workers.tasks import _attempt

    def hungry() -> None:
        raise MemoryError

    monkeypatch.setenv("PDEMILL_WORKER_MEMORY", "2e9")
    report, own = _attempt(Unit("a", "train-00003"), hungry, {})
    assert own
    assert report.failure is not None
    assert report.failure.kind == "poison"
    assert report.failure.message == (
        "train-00003 needs more memory than a worker may use (2,000,000,000 bytes, PDEMILL_WORKER_MEMORY): "
        "choose another solver.method, a coarser resolution or a smaller store.shard"
    )
    monkeypatch.delenv("PDEMILL_WORKER_MEMORY")
    report, _ = _attempt(Unit("a", "train-00003"), hungry, {})
    assert report.failure is not None
    assert "than its machine has" in report.failure.message


def test_what_a_worker_may_use_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's, the container's, or what was set."""
    from pdemill.workers import memory

    monkeypatch.delenv("PDEMILL_WORKER_MEMORY", raising=False)
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "memory.max")
    machine = memory.allowed()
    assert machine > 10**8
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.allowed() == machine
    (tmp_path / "memory.max").write_text("123456789\n")
    assert memory.allowed() == 123456789
    monkeypatch.setenv("PDEMILL_WORKER_MEMORY", "1e6")
    assert memory.allowed() == 10**6
