"""A server is killed part by part while jobs run, for as long as it takes; every store must come out as in peace.

``python benchmarks/soak.py [--kills 200] [--minutes 30] [--seed 0]`` prints kills, jobs, samples and losses, and ends
with status 1 if anything was lost, doubled or different. Parts: processes of the worker's pool, the worker, the API,
the broker (killed, or paused for 30 s).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pdemill
from pdemill.client import Job
from pdemill.errors import JobError
from service.testing import Server, until

WEIGHTS = {"pool": 8, "worker": 4, "api": 4, "broker": 4, "pause": 0.25}
PAUSE_SECONDS = 30.0
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


def kill(server: Server, dice: random.Random) -> str:
    """Kill something, or hold the broker for half a minute."""
    part = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    if part == "pause":
        broker = server.kill("broker", with_signal=signal.SIGSTOP)
        time.sleep(PAUSE_SECONDS)
        os.kill(broker, signal.SIGCONT)
    else:
        server.kill(part, dice.randrange(8))
    return part


class Soak:
    """A server under attack, and the stores that its jobs should give."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._dice = folder, random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.jobs, self.samples, self.losses = 0, 0, 0
        self._peace: dict[int, str] = {}
        self.slowest = 0.0

    def run(self, kills: int, minutes: float) -> None:
        """Kill until it is enough or time is up; finish the jobs that are under way."""
        for number in range(4):
            out = self._folder / f"peace-{number}.zarr"
            assert pdemill.generate(spec(number), out, workers=2).ok
            self._peace[number] = pdemill.verify(out, samples=0).content
        limit = time.monotonic() + 60 * minutes
        with Server(self._folder / "data", workers=2) as server, server.client() as client:
            under_way = {number: client.submit(spec(number)) for number in range(4)}
            while under_way:
                more = self.kills.total() < kills and time.monotonic() < limit
                if more:
                    self.kills[kill(server, self._dice)] += 1
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
        until(lambda: self._shards(server) != before, 120, "progress after a kill")
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
            print(f"\r{self.kills.total()} kills, {self.jobs} jobs, {self.losses} losses", end="", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill parts of a server while jobs run.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(Path(folder), options.seed)
        soak.run(options.kills, options.minutes)
    print(f"\r{soak.kills.total()} kills in {(time.monotonic() - begin) / 60:.1f} minutes: {dict(soak.kills)}")
    print(f"{soak.jobs} jobs, {soak.samples} samples, {soak.losses} losses")
    print(f"longest wait for the next shard after a kill: {soak.slowest:.1f} s")
    sys.exit(1 if soak.losses else 0)


if __name__ == "__main__":
    main()
