"""A real Slurm, controller and daemon on this machine: its tasks fill one store, by the scripts of docs/cluster.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import free_port, until

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "squeue")
PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [16, 16], "source": {"field": "gaussian"}},
    "splits": {"train": 60, "test": 5},
    "store": {"shard": 8},
    "solver": {"method": "fft"},
}
LONG = {**SPEC, "splits": {"train": 20_000}}
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmctldPort={control}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)), reason="needs Debian's slurm-wlm, and to be root"
    ),
]


class Slurm:
    """A cluster of this machine alone, with four processors in name."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder, work
        self._running: list[subprocess.Popen[bytes]] = []
        for part in ("munge", "state", "spool", "bin"):
            (folder / part).mkdir(mode=0o700)
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(host=host, folder=folder, control=free_port(), daemon=free_port())
        (folder / "slurm.conf").write_text(text)
        command = folder / "bin" / "pdemill"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from pdemill.cli import main; main()" "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        munge = self.folder / "munge"
        self("mungekey", "--create", f"--keyfile={munge / 'key'}")
        files = [f"--{option}={munge / name}" for option, name in (
            ("socket", "socket"), ("key-file", "key"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"),
        )]  # fmt: skip
        self._begin("munged", "--foreground", "--force", *files)
        until((munge / "socket").exists, 30, "munged")
        self._begin("slurmctld", "-D")
        self._begin("slurmd", "-D")
        until(lambda: self("sinfo", "--noheader", "--format=%T").strip() == "idle", 60, "the node")

    def _begin(self, *words: str) -> None:
        log = (self.folder / f"{words[0]}.out").open("wb")
        with log:
            self._running.append(subprocess.Popen(words, env=self.environment, stdout=log, stderr=log))

    def stop(self) -> None:
        subprocess.run(["scancel", "--user=root"], env=self.environment, check=False, capture_output=True)
        for process in reversed(self._running):
            process.terminate()
            process.wait(timeout=60)

    def __call__(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, cwd=self.work, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, script: str, *options: str) -> str:
        """The job that runs a script."""
        (self.work / "script.sh").write_text(script)
        return self("sbatch", "--parsable", "--output=%A.out", "--open-mode=append", *options, "script.sh").strip()

    def states(self, job: str) -> set[str]:
        """The states of a job and the tasks of an array."""
        return set(re.findall(r"JobState=(\w+)", self("scontrol", "show", "job", job)))

    def run(self, script: str, *options: str) -> str:
        """What the finished job of a script has printed."""
        job = self.submit(script, *options)
        until(lambda: self.states(job) <= {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}, 240, "the job")
        return self.printed(job)

    def printed(self, job: str) -> str:
        return (self.work / f"{job}.out").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    slurm = Slurm(tmp_path_factory.mktemp("slurm"), Path())
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(services: Slurm, tmp_path: Path) -> Slurm:
    """The cluster, with a folder that its nodes share."""
    services.work = tmp_path
    (tmp_path / "poisson.yaml").write_text(json.dumps(SPEC))
    return services


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The content hash of the store that one run makes."""
    out = tmp_path_factory.mktemp("alone") / "store.zarr"
    assert pdemill.generate(SPEC, out, workers=0).ok
    return str(pdemill.verify(out, samples=0).content)


def _scripts() -> list[str]:
    return re.findall(r"```bash\n(#!/bin/bash.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_tasks_of_one_step_fill_a_store(slurm: Slurm, alone: str) -> None:
    printed = slurm.run(_scripts()[0])
    assert sorted(map(int, re.findall(r"(\d+) of \1 samples certified", printed))) == [12, 16, 16, 21], printed
    assert pdemill.verify(slurm.work / "poisson.zarr").content == alone


def test_tasks_of_an_array_fill_a_store(slurm: Slurm, alone: str) -> None:
    slurm.run(_scripts()[1].replace("1-8", "3-7:2"))
    assert pdemill.verify(slurm.work / "poisson.zarr").content == alone


def test_a_plain_run_within_a_job_is_the_whole(slurm: Slurm, alone: str) -> None:
    printed = slurm.run("#!/bin/bash\npdemill generate poisson.yaml --out poisson.zarr\n", "--ntasks=4")
    assert "65 of 65 samples certified" in printed
    assert pdemill.verify(slurm.work / "poisson.zarr").content == alone


def test_a_part_that_no_task_has_is_refused(slurm: Slurm) -> None:
    printed = slurm.run("#!/bin/bash\npdemill generate poisson.yaml --out poisson.zarr --part slurm\n", "--ntasks=4")
    assert "start it by srun" in printed
    assert not (slurm.work / "poisson.zarr").exists()


def test_tasks_whose_time_ends_are_queued_again(slurm: Slurm) -> None:
    (slurm.work / "poisson.yaml").write_text(json.dumps(LONG))
    job = slurm.submit(_scripts()[0])
    manifests = slurm.work / "poisson.zarr" / "_manifest"
    until(lambda: len(list(manifests.glob("t*.json"))) > 8, 120, "some shards")
    slurm("scancel", "--signal=USR1", job)
    until(lambda: "samples are left; run the same command again" in slurm.printed(job), 120, "the end")
    until(lambda: "Restarts=1" in slurm("scontrol", "show", "job", job), 120, "the queue")
    assert not slurm.states(job) & {"COMPLETED", "FAILED", "CANCELLED"}
    slurm("scancel", job)
    for path in manifests.glob("t*.json"):
        assert json.loads(path.read_text())["run"]["attempt"] == 1
