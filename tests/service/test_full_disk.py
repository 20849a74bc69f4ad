"""The disk of a server fills up during a job; when there is room again, the job goes on and ends well."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = """
import os, signal, subprocess, sys
from pathlib import Path
import pdemill
from pdemill.service.testing import Server, until

disk = Path(sys.argv[1])
spec = {
    "problem": {"family": "poisson", "resolution": [128, 128], "source": {"field": "gaussian"}},
    "samples": 96, "store": {"shard": 32},
}
with Server(disk / "data", workers=2) as server, server.client() as client:
    server.kill("worker", with_signal=signal.SIGSTOP)  # it takes no unit meanwhile
    job = client.submit(spec)
    subprocess.run(["mount", "-o", "remount,size=5m", str(disk)], check=True)
    for pid in server.pids("worker"):
        os.kill(pid, signal.SIGCONT)
    until(lambda: "make room" in job.refresh().state["message"], what="a full disk")
    assert job.status == "running", job.state
    print("message", job.state["message"])
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
    job.wait(timeout=180)
    found = pdemill.verify(job.results()["store"]["path"])
    attempts = [m["run"]["attempt"] for m in server.manifests(job.state["dataset"]).values()]
    print("ok", found.ok, "left", len(list(disk.rglob("*.tmp"))), "attempts", max(attempts))
"""
SCRIPT = 'mount -t tmpfs -o size=200m small "$1" || exit 77; exec "$2" -c "$3" "$1"'


@pytest.mark.slow
def test_a_job_survives_a_full_disk(tmp_path: Path) -> None:
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]
    command = [*enter, str(tmp_path), sys.executable, SCENARIO]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("this machine does not let a test mount a small disk")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"message waiting: train-0000\d may take 4,\S+ bytes, and the disk has \d\S* left", ran.stdout)
    assert "ok True left 0 attempts 1" in ran.stdout, ran.stdout
