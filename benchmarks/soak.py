"""A server is disturbed while jobs run, for as long as it takes; every store must come out as in peace.

``python benchmarks/soak.py [--faults 200] [--minutes 60] [--seed 0]`` prints faults, jobs, samples and losses, and ends
with status 1 if anything was lost, doubled or different, or if anybody waited for more than their share. Eight owners
have a job each. Processes of the worker's pool, the worker, the API, the
broker are killed; the broker pauses for 30 s, the worker with its pool for 60 s; locks on the manifests are held, the
data folder is moved away and back, the disk is full, for 10 s each. The full disk needs a mount of its own (Linux, user
namespaces). A second worker reaches the broker over a network of its own, as from another host: that is cut for 60 s,
its connections are left half open, all its processes are killed at once, or stand still for 45 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pdemill
from benchmarks.shared.relay import Relay
from benchmarks.shares import Cut, Happening, Verdict, Work, judge, watching, work_of
from pdemill.client import Client, Job
from pdemill.errors import JobError
from pdemill.leases import Report, prefix_of
from pdemill.service.testing import Server, until
from pdemill.store.disk import Lock
from pdemill.store.manifest import FOLDER

WEIGHTS = {
    "pool": 8, "worker": 4, "api": 4, "broker": 4, "pause": 0.25, "stop": 0.5, "lock": 1, "moved": 1, "full": 1,
    "cut": 0.5, "half open": 1, "vanished": 1, "frozen": 0.5,
}  # fmt: skip
PAUSE_SECONDS, STOP_SECONDS, SHORT_SECONDS = 30.0, 60.0, 10.0
CUT_SECONDS, FROZEN_SECONDS = 60.0, 45.0
OWN_DISK = 'mount -t tmpfs -o size=512m soak "$1" && exec "$2" "$3" --inside "$1" "$4" "$5" "$6"'
GAP_SECONDS = 5.0
JOBS = 8
BEGINS_ANEW = ("api", "broker", "moved", "full")
"""Faults after which the coordinator has forgotten who had what, or jobs wait for what they cannot do for a while."""


def spec(number: int) -> dict[str, Any]:
    """A job of one of four kinds: recycled waves, a direct solver, a mesh, one matrix for all."""
    problems: list[dict[str, Any]] = [
        {"family": "helmholtz", "resolution": [40, 32], "wavenumber": {"uniform": [3, 9]},
         "coefficient": {"field": "lognormal", "std": 0.3, "modes": 32}},
        {"family": "darcy", "resolution": [64, 64], "coefficient": {"field": "lognormal", "std": 0.5}},
        {"family": "thermal", "resolution": {"h": 0.06},
         "domain": {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]},
         "boundary": {"default": {"dirichlet": {"uniform": [0, 1]}}}},
        {"family": "poisson", "resolution": [64, 64], "source": {"field": "gaussian"}},
    ]  # fmt: skip
    method = {"method": "skr", "restart": 20, "recycle": 8} if number % 4 == 0 else {"method": "auto"}
    splits = {"train": 400, "test": 30}
    return {"problem": problems[number % 4], "splits": splits, "store": {"shard": 4}, "solver": method, "seed": number}


class Host:
    """A worker that is as on another host: all of its connections to the broker go over a network of its own."""

    def __init__(self, server: Server) -> None:
        known = server.environment()
        del known["PDEMILL_PARENT"]
        self._log = server.data_dir / "logs" / "host.log"
        self._relay = Relay(known["PDEMILL_REDIS_URL"].removeprefix("unix://"))
        self._environment = {**known, "PDEMILL_REDIS_URL": self._relay.url}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._relay.__enter__()
        self.revive()
        return self

    def __exit__(self, *reason: object) -> None:
        self._signal(signal.SIGKILL)
        self._relay.__exit__(*reason)

    def revive(self) -> None:
        """Start its worker where there is none."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-P", "-m", "pdemill.workers", "--concurrency", "1", "--nice", "5"]
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    command, env=self._environment, stdout=log, stderr=log, start_new_session=True
                )

    def disturb(self, fault: str) -> None:
        if fault == "cut":
            with self._relay.cut():
                time.sleep(CUT_SECONDS)
        elif fault == "half open":
            self._relay.forget()
        elif fault == "vanished":
            self._signal(signal.SIGKILL)
            assert self._process is not None
            self._process.wait()
        else:
            self._signal(signal.SIGSTOP)
            time.sleep(FROZEN_SECONDS)
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker and its pool."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def disturb(server: Server, host: Host, dice: random.Random, own_disk: bool) -> str:
    """Kill something, or hold it up."""
    weights = {name: weight for name, weight in WEIGHTS.items() if own_disk or name != "full"}
    fault = dice.choices(list(weights), list(weights.values()))[0]
    if fault in ("cut", "half open", "vanished", "frozen"):
        host.disturb(fault)
    elif fault == "pause":
        _stopped(server.pids("broker"), PAUSE_SECONDS)
    elif fault == "stop":
        _stopped([*server.pids("worker"), *server.pids("pool")], STOP_SECONDS)
    elif fault == "lock":
        with ExitStack() as held:
            for folder in (server.data_dir / "datasets").glob(f"*.zarr/{FOLDER}"):
                held.enter_context(Lock(folder))
            time.sleep(SHORT_SECONDS)
    elif fault == "moved":
        moved = server.data_dir.rename(server.data_dir.with_name("moved"))
        time.sleep(SHORT_SECONDS)
        moved.rename(server.data_dir)
    elif fault == "full":
        filler = server.data_dir.with_name("filler")
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))
        time.sleep(SHORT_SECONDS)
        filler.unlink()
    else:
        server.kill(fault, dice.randrange(8))
    return fault


def _stopped(pids: list[int], seconds: float) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def key_of(number: int) -> str:
    """The key of the owner of a job."""
    return f"key-of-owner-{number}"


class Soak:
    """A server under attack, and the stores that its jobs should give."""

    def __init__(self, folder: Path, seed: int, own_disk: bool) -> None:
        self._folder, self._dice, self._own_disk = folder, random.Random(seed), own_disk
        self.faults: Counter[str] = Counter()
        self.jobs, self.samples = 0, 0
        self.wrong = dict.fromkeys(("lost", "doubled", "different"), 0)
        """Samples that are not there or were counted twice, and jobs with another store than in peace."""
        self._peace: dict[int, str] = {}
        self.slowest = 0.0
        self._works: dict[str, Work] = {}
        self._happened: list[Happening] = []

    def run(self, faults: int, minutes: float) -> None:
        """Disturb until it is enough or time is up; finish the jobs that are under way."""
        for number in range(JOBS):
            out = self._folder / f"peace-{number}.zarr"
            assert pdemill.generate(spec(number), out, workers=2).ok
            self._peace[number] = pdemill.verify(out, samples=0).content
        limit = time.monotonic() + 60 * minutes
        with ExitStack() as held:
            server = held.enter_context(
                Server(self._folder / "data", workers=2, PDEMILL_API_KEYS=str(self._keys_file()))
            )
            told = server.environment()
            self._happened = held.enter_context(watching(told["PDEMILL_REDIS_URL"], prefix_of(told["PDEMILL_DATA_ID"])))
            host = held.enter_context(Host(server))
            clients = [held.enter_context(server.client(key_of(number))) for number in range(JOBS)]
            under_way = {number: self._submit(clients[number], number) for number in range(JOBS)}
            while under_way:
                more = self.faults.total() < faults and time.monotonic() < limit
                if more:
                    self._disturb(server, host)
                for number, job in list(under_way.items()):
                    if job.refresh().finished:
                        self._check(job, number)
                        del under_way[number]
                        if more:
                            job.delete_store()
                            under_way[number] = self._submit(clients[number], number)
                if not more:
                    time.sleep(0.2)
                self._tell(more)

    def _keys_file(self) -> Path:
        owners = [
            {"name": f"owner-{number}", "sha256": sha256(key_of(number).encode()).hexdigest()} for number in range(JOBS)
        ]
        path = self._folder / "keys.yaml"
        path.write_text(json.dumps(owners), encoding="utf-8")
        return path

    def _submit(self, client: Client, number: int) -> Job:
        job, asked = client.submit(spec(number)), spec(number)
        each = asked["store"]["shard"]
        shards = sum(-(-samples // each) for samples in asked["splits"].values())
        self._works[job.state["dataset"]] = work_of(job.state["owner"], job.state["estimated_cpu_seconds"], shards)
        return job

    def _disturb(self, server: Server, host: Host) -> None:
        """One fault, and what comes after it until work goes on."""
        begin = len(self._happened)
        host.revive()
        fault = disturb(server, host, self._dice, self._own_disk)
        self.faults[fault] += 1
        self._settle(server)
        if fault in BEGINS_ANEW:
            reports = [one for one in self._happened[begin:] if isinstance(one, Report)]
            self._happened[begin:] = [Cut(), *reports, Cut()]

    def shares(self) -> Verdict:
        """Whether anybody waited for more than their share."""
        return judge(self._happened, self._works)

    def _settle(self, server: Server) -> None:
        """Wait for new work to be finished, and a little."""
        before, then = self._shards(server), time.monotonic()
        until(lambda: self._shards(server) != before, 120, "progress after a fault")
        self.slowest = max(self.slowest, time.monotonic() - then)
        time.sleep(self._dice.uniform(0, GAP_SECONDS))

    def _shards(self, server: Server) -> int:
        return sum(1 for _ in (server.data_dir / "datasets").glob("*.zarr/_manifest/*.json"))

    def _check(self, job: Job, number: int) -> None:
        self.jobs += 1
        missing = job.state["samples_total"] - job.state["samples_done"]
        self.wrong["lost"] += max(0, missing)
        self.wrong["doubled"] += max(0, -missing)
        try:
            job.wait()
        except JobError as error:
            print(error)
            self.wrong["different"] += 1
            return
        found = pdemill.verify(job.results()["store"]["path"], samples=4)
        self.samples += found.samples
        if not found.ok or found.content != self._peace[number]:
            print(f"job {job.id}: {found}; in peace {self._peace[number]}")
            self.wrong["different"] += 1

    def _tell(self, more: bool) -> None:
        if more:
            print(f"\r{self.faults.total()} faults, {self.jobs} jobs, wrong: {self.wrong}", end="", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Disturb a server while jobs run.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            words = [f"--{name}={getattr(options, name)}" for name in ("faults", "minutes", "seed")]
            enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
            able = not subprocess.run([*enter, 'mount -t tmpfs soak "$1"', "sh", folder], check=False).returncode
            if able:
                command = [*enter, OWN_DISK, "sh", folder, sys.executable, __file__, *words]
                sys.exit(subprocess.run(command, check=False).returncode)
            print("no disk of its own can be mounted here, so that none can be full")
            _soak(Path(folder), options, own_disk=False)
    else:
        _soak(Path(options.inside), options, own_disk=True)


def _soak(folder: Path, options: argparse.Namespace, own_disk: bool) -> None:
    begin = time.monotonic()
    soak = Soak(folder, options.seed, own_disk)
    soak.run(options.faults, options.minutes)
    print(f"\r{soak.faults.total()} faults in {(time.monotonic() - begin) / 60:.1f} minutes: {dict(soak.faults)}")
    counts = ", ".join(f"{count} {name}" for name, count in soak.wrong.items())
    print(f"{soak.jobs} jobs, {soak.samples} samples: {counts}")
    print(f"longest wait for the next shard after a fault: {soak.slowest:.1f} s")
    shares = soak.shares()
    print(f"{shares.waits} waits between two units of an owner, {shares.most} units of another in one at most; "
          f"{len(shares.beyond)} beyond its share")  # fmt: skip
    print(*shares.beyond[:20], sep="\n")
    sys.exit(1 if any(soak.wrong.values()) or shares.beyond or not shares.waits else 0)


if __name__ == "__main__":
    main()
