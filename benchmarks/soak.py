"""A server is disturbed while jobs run, for as long as it takes; every store must come out as in peace.

``python benchmarks/soak.py [--faults 200] [--minutes 60] [--seed 0] [--only FAULT ...] [--bucket]`` prints faults,
jobs, samples and losses, and ends with status 1 if anything was lost, doubled or different, if anybody waited for more
than their share, or if nothing was finished for two minutes after a fault; then it tells what was seen, and where logs
and ledger are kept. Eight owners have a job each. Processes of the worker's pool, the worker, the API, the
broker are killed; the broker pauses for 30 s, the worker with its pool for 60 s; locks on the manifests are held, the
data folder is moved away and back, the disk is full, for 10 s each. The full disk needs a mount of its own (Linux, user
namespaces). A second worker reaches the broker over a network of its own, as from another host: that is cut for 60 s,
its connections are left half open, all its processes are killed at once, or stand still for 45 s.

With ``--bucket`` the data directory is in a bucket of a SeaweedFS, which stands still for 10 s now and then; what is
said above of the data folder is done to the state directory, and there are no locks.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pdemill
from benchmarks.shared.faults import BEGINS_ANEW, WEIGHTS, Host, disturb, possible
from benchmarks.shared.scene import scene
from benchmarks.shared.seaweed import environment, seaweed
from benchmarks.shares import Cut, Happening, Verdict, Work, judge, watching, work_of
from pdemill.client import Client, Job
from pdemill.errors import JobError
from pdemill.leases import prefix_of
from pdemill.service.stores import manifest_names
from pdemill.service.testing import Server
from pdemill.store.places import below

OWN_DISK = 'mount -t tmpfs -o size=512m soak "$1" && shift && exec "$@"'
GAP_SECONDS = 5.0
PATIENCE_SECONDS, LOOK_SECONDS = 120.0, 5.0
"""How long nothing may be finished after a fault; when it is looked whether all jobs have ended."""
PAUSE_SECONDS, BUCKET_PAUSE_SECONDS = 0.02, 0.5
"""Between two counts of the shards, in a folder and in a bucket: a listing costs its server as much as a shard."""
JOBS = 8
BUCKET, VOLUMES = "soak", 100


class Stalled(Exception):
    """Nothing goes on any more."""


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


def key_of(number: int) -> str:
    """The key of the owner of a job."""
    return f"key-of-owner-{number}"


class Soak:
    """A server under attack, and the stores that its jobs should give. ``faults``: which, and how often each is;
    ``objects``: the process that serves the bucket, where the data directory is in one."""

    def __init__(self, folder: Path, seed: int, faults: dict[str, float], objects: int | None) -> None:
        self._folder, self._dice, self._weights, self._objects = folder, random.Random(seed), faults, objects
        home = None if objects is None else f"s3://{BUCKET}/home"
        self._server = Server(folder / "data", workers=2, home=home, PDEMILL_API_KEYS=str(self._keys_file()))
        self._home = self._server.data_dir if home is None else home
        self.faults: Counter[str] = Counter()
        self.jobs, self.samples, self.idle = 0, 0, 0
        """Jobs that ended, samples in their stores, faults after which all jobs had ended."""
        self.wrong = dict.fromkeys(("lost", "doubled", "different"), 0)
        """Samples that are not there or were counted twice, and jobs with another store than in peace."""
        self.failure = ""
        self._peace: dict[int, str] = {}
        self.slowest = 0.0
        self._works: dict[str, Work] = {}
        self._happened: list[Happening] = []
        self._under_way: dict[int, Job] = {}

    def run(self, faults: int, minutes: float) -> None:
        """Disturb until it is enough or time is up; finish the jobs that are under way."""
        for number in range(JOBS):
            out = self._folder / f"peace-{number}.zarr"
            assert pdemill.generate(spec(number), out, workers=2).ok
            self._peace[number] = pdemill.verify(out, samples=0).content
        limit = time.monotonic() + 60 * minutes
        with ExitStack() as held:
            held.enter_context(self._server)
            told = self._server.environment()
            self._happened = held.enter_context(watching(told["PDEMILL_REDIS_URL"], prefix_of(told["PDEMILL_DATA_ID"])))
            host = held.enter_context(Host(self._server))
            clients = [held.enter_context(self._server.client(key_of(number))) for number in range(JOBS)]
            try:
                self._under_way = {number: self._submit(clients[number], number) for number in range(JOBS)}
                while self._under_way:
                    more = self.faults.total() < faults and time.monotonic() < limit
                    if more:
                        self._disturb(host)
                    else:
                        self._settle("the last fault")
                    self._renew(clients, more)
            except Exception as error:
                seen = scene(self._server, told, self._under_way.values())
                self.failure = f"{type(error).__name__}: {error}\n{seen}\n"

    def _renew(self, clients: list[Client], more: bool) -> None:
        """Look at the jobs that have ended, and submit them again."""
        for number, job in list(self._under_way.items()):
            if job.refresh().finished:
                self._check(job, number)
                del self._under_way[number]
                if more:
                    job.delete_store()
                    self._under_way[number] = self._submit(clients[number], number)
        if more:
            print(f"\r{self.faults.total()} faults, {self.jobs} jobs, wrong: {self.wrong}", end="", flush=True)

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

    def _disturb(self, host: Host) -> None:
        """One fault, and what comes after it until work goes on."""
        begin = len(self._happened)
        host.revive()
        fault = self._dice.choices(list(self._weights), list(self._weights.values()))[0]
        self.faults[fault] += 1
        disturb(self._server, host, fault, self._dice, self._objects)
        self._settle(f"fault {self.faults.total()}, {fault}")
        if fault in BEGINS_ANEW:
            end = len(self._happened)
            self._happened[begin:end] = [Cut(tuple(self._happened[begin:end]))]

    def shares(self) -> Verdict:
        """Whether anybody waited for more than their share."""
        return judge(self._happened, self._works)

    def _settle(self, after: str) -> None:
        """Wait for a shard to be finished, unless all jobs ended meanwhile, and a little. Raises Stalled."""
        before, then = self._shards(), time.monotonic()
        look = then + LOOK_SECONDS
        while self._shards() == before:
            now = time.monotonic()
            if now > then + PATIENCE_SECONDS:
                raise Stalled(f"no shard was finished within {PATIENCE_SECONDS:g} s after {after}")
            if now > look:
                if all(job.refresh().finished for job in self._under_way.values()):
                    self.idle += 1
                    return
                look = now + LOOK_SECONDS
            time.sleep(PAUSE_SECONDS if self._objects is None else BUCKET_PAUSE_SECONDS)
        self.slowest = max(self.slowest, time.monotonic() - then)
        time.sleep(self._dice.uniform(0, GAP_SECONDS))

    def _shards(self) -> int:
        under_way = (job.state["dataset"] for job in self._under_way.values())
        stores = (below(self._home, f"datasets/{dataset}.zarr") for dataset in under_way)
        return sum(len(manifest_names(store)) for store in stores)

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

    def keep(self) -> Path:
        """Copy logs and ledger, what was seen, and what was handed out and reported, to where they last."""
        kept = Path(tempfile.mkdtemp(prefix="soak-failed-"))
        shutil.copytree(self._server.data_dir / "logs", kept / "logs")
        for path in self._server.data_dir.glob("jobs.sqlite*"):
            shutil.copy(path, kept)
        (kept / "seen.txt").write_text(self.failure, encoding="utf-8")
        (kept / "handed-out.txt").write_text("\n".join(map(repr, self._happened)), encoding="utf-8")
        return kept


def main() -> None:
    parser = argparse.ArgumentParser(description="Disturb a server while jobs run.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(WEIGHTS), default=[], metavar="FAULT", help="only these")
    parser.add_argument("--bucket", action="store_true", help="with the data directory in a bucket of a SeaweedFS")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--objects", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        _soak(options.inside, options, own_disk=True)
    with ExitStack() as held:
        folder, place = (held.enter_context(tempfile.TemporaryDirectory(prefix="soak-")) for _ in range(2))
        words = sys.argv[1:]
        if options.bucket:
            served = held.enter_context(seaweed(Path(place), BUCKET, volumes=VOLUMES))
            os.environ.update(environment(served.address))
            options.objects = served.process
            words += ["--objects", str(served.process)]
        enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        able = not subprocess.run([*enter, 'mount -t tmpfs soak "$1"', "sh", folder], check=False).returncode
        if able:
            command = [*enter, OWN_DISK, "sh", folder, sys.executable, __file__, *words, "--inside", folder]
            sys.exit(subprocess.run(command, check=False).returncode)
        print("no disk of its own can be mounted here, so that none can be full")
        _soak(Path(folder), options, own_disk=False)


def _soak(folder: Path, options: argparse.Namespace, own_disk: bool) -> None:
    begin = time.monotonic()
    faults = possible(own_disk, options.objects is not None, options.only)
    if not faults:
        sys.exit(f"error: {', '.join(options.only)}: no such fault can be made here")
    soak = Soak(folder, options.seed, faults, options.objects)
    soak.run(options.faults, options.minutes)
    print(f"\r{soak.faults.total()} faults in {(time.monotonic() - begin) / 60:.1f} minutes: {dict(soak.faults)}")
    counts = ", ".join(f"{count} {name}" for name, count in soak.wrong.items())
    print(f"{soak.jobs} jobs, {soak.samples} samples: {counts}")
    print(f"longest wait for the next shard after a fault: {soak.slowest:.1f} s; all jobs had ended after {soak.idle}")
    shares = soak.shares()
    print(f"{shares.waits} waits between two units of an owner, {shares.most} units of another in one at most; "
          f"{len(shares.beyond)} beyond its share")  # fmt: skip
    print(*shares.beyond[:20], sep="\n")
    failed = bool(soak.failure or any(soak.wrong.values()) or shares.beyond or not shares.waits)
    if failed:
        print(f"{soak.failure}logs and ledger are kept in {soak.keep()}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
