"""A server is disturbed while jobs run, for as long as it takes; every store must come out as in peace.

``python benchmarks/soak.py [--faults 200] [--minutes 60] [--seed 0]`` prints faults, jobs, samples and losses, and ends
with status 1 if anything was lost, doubled or different. Processes of the worker's pool, the worker, the API, the
broker are killed; the broker pauses for 30 s, the worker with its pool for 60 s; locks on the manifests are held, the
data folder is moved away and back, the disk is full, for 10 s each. The full disk needs a mount of its own (Linux, user
namespaces).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pdemill
from pdemill.client import Job
from pdemill.errors import JobError
from pdemill.service.testing import Server, until
from pdemill.store.disk import Lock
from pdemill.store.manifest import FOLDER

WEIGHTS = {
    "pool": 8, "worker": 4, "api": 4, "broker": 4, "pause": 0.25, "stop": 0.5, "lock": 1, "moved": 1, "full": 1,
}  # fmt: skip
PAUSE_SECONDS, STOP_SECONDS, SHORT_SECONDS = 30.0, 60.0, 10.0
OWN_DISK = 'mount -t tmpfs -o size=512m soak "$1" && exec "$2" "$3" --inside "$1" "$4" "$5" "$6"'
GAP_SECONDS = 5.0


def spec(number: int) -> dict[str, Any]:
    """One of four jobs: recycled waves, a direct solver, a mesh, one matrix for all."""
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
    return {"problem": problems[number % 4], "splits": splits, "store": {"shard": 16}, "solver": method, "seed": number}


def disturb(server: Server, dice: random.Random, own_disk: bool) -> str:
    """Kill something, or hold it up."""
    weights = {name: weight for name, weight in WEIGHTS.items() if own_disk or name != "full"}
    fault = dice.choices(list(weights), list(weights.values()))[0]
    if fault == "pause":
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


class Soak:
    """A server under attack, and the stores that its jobs should give."""

    def __init__(self, folder: Path, seed: int, own_disk: bool) -> None:
        self._folder, self._dice, self._own_disk = folder, random.Random(seed), own_disk
        self.faults: Counter[str] = Counter()
        self.jobs, self.samples, self.losses = 0, 0, 0
        self._peace: dict[int, str] = {}
        self.slowest = 0.0

    def run(self, faults: int, minutes: float) -> None:
        """Disturb until it is enough or time is up; finish the jobs that are under way."""
        for number in range(4):
            out = self._folder / f"peace-{number}.zarr"
            assert pdemill.generate(spec(number), out, workers=2).ok
            self._peace[number] = pdemill.verify(out, samples=0).content
        limit = time.monotonic() + 60 * minutes
        with Server(self._folder / "data", workers=2) as server, server.client() as client:
            under_way = {number: client.submit(spec(number)) for number in range(4)}
            while under_way:
                more = self.faults.total() < faults and time.monotonic() < limit
                if more:
                    self.faults[disturb(server, self._dice, self._own_disk)] += 1
                    self._settle(server)
                for number, job in list(under_way.items()):
                    if job.refresh().finished:
                        self._check(server, job, number)
                        del under_way[number]
                        if more:
                            job.delete_store()
                            under_way[number] = client.submit(spec(number))
                if not more:
                    time.sleep(0.2)
                self._tell(more)

    def _settle(self, server: Server) -> None:
        """Wait for new work to be finished, and a little."""
        before, then = self._shards(server), time.monotonic()
        until(lambda: self._shards(server) != before, 120, "progress after a fault")
        self.slowest = max(self.slowest, time.monotonic() - then)
        time.sleep(self._dice.uniform(0, GAP_SECONDS))

    def _shards(self, server: Server) -> int:
        return sum(1 for _ in (server.data_dir / "datasets").glob("*.zarr/_manifest/*.json"))

    def _check(self, server: Server, job: Job, number: int) -> None:
        self.jobs += 1
        try:
            job.wait()
        except JobError as error:
            print(error)
            self.losses += 1
            return
        found = pdemill.verify(job.results()["store"]["path"], samples=4)
        self.samples += found.samples
        if not found.ok or found.content != self._peace[number]:
            print(f"job {job.id}: {found}; in peace {self._peace[number]}")
            self.losses += 1

    def _tell(self, more: bool) -> None:
        if more:
            print(f"\r{self.faults.total()} faults, {self.jobs} jobs, {self.losses} losses", end="", flush=True)


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
    print(f"{soak.jobs} jobs, {soak.samples} samples, {soak.losses} losses")
    print(f"longest wait for the next shard after a fault: {soak.slowest:.1f} s")
    sys.exit(1 if soak.losses else 0)


if __name__ == "__main__":
    main()
