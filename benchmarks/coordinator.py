"""How much the coordinator can hand out: a real broker, a million shards, and a thousand workers that do nothing but
hold their units for a while.

``python benchmarks/coordinator.py [--workers 1000] [--shards 1000000] [--seconds 60] [--hold 0.4]`` prints units handed
out per second, the coordinator's share of a core, and the memory of its process.
"""

from __future__ import annotations

import argparse
import heapq
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from redis import Redis, RedisError

from pdemill.data_directory import DataDirectory
from pdemill.leases import FINISH, PREPARE, QUEUE, Leases, Presence, Report, Unit, holder_of, unit_of
from pdemill.process import module_command
from pdemill.service.coordinator import Coordinator
from pdemill.service.ledger import Dataset, Ledger
from pdemill.service.metrics import Metrics
from pdemill.service.queue import Queue
from pdemill.service.testing import until
from pdemill.service.totals import Totals
from pdemill.settings import Settings
from pdemill.store.layout import SCHEMA

BEAT_SECONDS, REPORT_SECONDS, LOOK_SECONDS = 5.0, 0.5, 0.005
DATASETS = 10


class Crowd:
    """Workers of one slot each, which say of every unit that it went well after ``hold`` seconds."""

    def __init__(self, settings: Settings, workers: int, hold: float) -> None:
        self._settings, self._hold = settings, hold
        self._leases = Leases.at(settings, DataDirectory.made(settings.data_dir).id)
        self._redis: Any = self._leases.redis
        self._workers = [Presence(f"host.{number}", "host", number, 1, "simulated") for number in range(workers)]
        self._free = [worker.id for worker in self._workers]
        self._busy: list[tuple[float, str, Unit]] = []
        self.done: Counter[Unit] = Counter()

    def live(self, stop: Event) -> None:
        """Work until told to stop."""
        beat = report = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now >= beat:
                for worker in self._workers:
                    self._leases.beat(worker, ())
                beat = now + BEAT_SECONDS
            if now >= report:
                self._report()
                report = now + REPORT_SECONDS
            self._end(now)
            self._take(now)
            stop.wait(LOOK_SECONDS)

    def _take(self, now: float) -> None:
        messages = self._redis.rpop(f"{self._leases.prefix}{QUEUE}", len(self._free)) if self._free else None
        with self._redis.pipeline(transaction=False) as pipe:
            for message in messages or []:
                unit, worker = unit_of(json.loads(message)["headers"]["id"]), self._free.pop()
                pipe.set(f"{self._leases.prefix}lease:{unit.dataset}:{unit.name}", holder_of(worker, 1), px=30_000)
                pipe.hset(f"{self._leases.prefix}attempts:{unit.dataset}", unit.name, "{}")
                heapq.heappush(self._busy, (now + self._hold, worker, unit))
            pipe.execute()

    def _report(self) -> None:
        counts = json.dumps({"done": 1, "failed": 0, "iterations": 7})
        with self._redis.pipeline(transaction=False) as pipe:
            for _, _, unit in self._busy:
                pipe.hset(f"{self._leases.prefix}progress:{unit.dataset}", unit.name, counts)
            pipe.execute()

    def _end(self, now: float) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            while self._busy and self._busy[0][0] <= now:
                _, worker, unit = heapq.heappop(self._busy)
                self._do(unit)
                pipe.hdel(f"{self._leases.prefix}progress:{unit.dataset}", unit.name)
                pipe.hdel(f"{self._leases.prefix}attempts:{unit.dataset}", unit.name)
                pipe.rpush(f"{self._leases.prefix}reports", self._report_of(unit).to_text())
                pipe.delete(f"{self._leases.prefix}lease:{unit.dataset}:{unit.name}")
                self._free.append(worker)
                self.done[unit] += 1
            pipe.execute()

    def _report_of(self, unit: Unit) -> Report:
        if unit.name in (PREPARE, FINISH):
            return Report(*unit)
        seconds = self._hold
        return Report(*unit, samples=1, iterations=9, bytes=100, wall_seconds=seconds, cpu_seconds={"solve": seconds})

    def _do(self, unit: Unit) -> None:
        """Begin a store, or finish it."""
        if unit.name not in (PREPARE, FINISH):
            return
        root = Path(self._settings.store(unit.dataset))
        (root / "_manifest").mkdir(parents=True, exist_ok=True)
        shards = int(unit.dataset.partition("x")[2])
        attributes = {
            "spec": {"splits": {"train": shards}, "problem": {}}, "shard_samples": 1, "failed_samples": 0,
            "schema": SCHEMA, "complete": unit.name == FINISH, "versions": {}, "plan": {}, "input_channels": [],
            "solution_channels": [], "parameters": [],
        }  # fmt: skip
        root_file = {"zarr_format": 3, "attributes": attributes, "consolidated_metadata": {"metadata": {}}}
        (root / "new").write_text(json.dumps(root_file), encoding="utf-8")
        (root / "new").replace(root / "zarr.json")


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """A Valkey server in a folder; its URL."""
    url = f"unix://{folder / 'valkey.sock'}"
    process = subprocess.Popen(
        module_command("pdemill.workers.broker", str(folder), str(folder / "valkey.sock")), stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: _answers(url), what="the broker")
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return bool(Redis.from_url(url).ping())
    except RedisError:
        return False


def submit(ledger: Ledger, owner: str, number: int, shards: int, seconds: float) -> str:
    """A data set of so many shards, with one sample each."""
    dataset = f"{number:08d}x{shards}"
    made = Dataset(dataset, "{}", dataset, shards, shards, "accepted", "", 0, 0, time.time(), None, None, seconds,
                   shards=shards, bytes=100 * shards)  # fmt: skip
    ledger.submit(owner, made, None)
    return dataset


def coordinator(settings: Settings) -> tuple[Coordinator, Ledger]:
    """A coordinator on a ledger of its own."""
    directory = DataDirectory.made(settings.data_dir)
    ledger, leases = Ledger(settings.state / "jobs.sqlite"), Leases.at(settings, directory.id)
    return Coordinator(settings, directory, ledger, leases, Queue(leases), Metrics(Totals(ledger))), ledger


def measure(workers: int, shards: int, seconds: float, hold: float) -> dict[str, float]:
    """Rates and resources over some seconds, from when all workers have something to do."""
    with tempfile.TemporaryDirectory(prefix="pdemill-") as name, broker(Path(name)) as url:
        settings = Settings(data_dir=Path(name) / "data", redis_url=url)
        coordinating, ledger = coordinator(settings)
        for number in range(DATASETS):
            submit(ledger, f"owner-{number}", number, shards // DATASETS, hold * shards / DATASETS)
        crowd = subprocess.Popen(
            [sys.executable, __file__, "--crowd", url, name, "--workers", str(workers), "--hold", str(hold)]
        )
        try:
            coordinating.start()
            until(lambda: _done(coordinating) > 2 * workers, what="work for all workers")
            begin, cpu, before = time.monotonic(), time.process_time(), _done(coordinating)
            time.sleep(seconds)
            passed = time.monotonic() - begin
            found = {
                "units per second": (_done(coordinating) - before) / passed,
                "share of a core": (time.process_time() - cpu) / passed,
                "peak memory [MB]": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
                "shards done": _done(coordinating),
            }
        finally:
            crowd.terminate()
            crowd.wait()
            coordinating.stop()
            ledger.close()
    return found


def _done(coordinating: Coordinator) -> int:
    return sum(live.shards_done for live in list(coordinating.live.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description="How much the coordinator can hand out.")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hold", type=float, default=0.4)
    parser.add_argument("--crowd", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        url, folder = options.crowd
        settings = Settings(data_dir=Path(folder) / "data", redis_url=url)
        Crowd(settings, options.workers, options.hold).live(Event())
        return
    print(f"{options.workers} workers, {options.shards} shards, {options.hold} s each")
    for name, value in measure(options.workers, options.shards, options.seconds, options.hold).items():
        print(f"{name:20}{value:12.2f}")


if __name__ == "__main__":
    main()
