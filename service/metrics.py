"""Counters and gauges for Prometheus. Every name begins with ``pdemill_``."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from pdemill.leases import Report
from pdemill.service.totals import Totals

LATENCIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)


class Metrics:
    """The metrics of one API process. Those in ``totals`` count for all processes on a data directory, and go on where
    they were after a restart."""

    def __init__(self, totals: Totals) -> None:
        self.registry, self.totals = CollectorRegistry(), totals
        r = self.registry
        r.register(totals)
        self._workers = Gauge("pdemill_workers", "Workers that are alive", registry=r)
        self._slots = Gauge("pdemill_worker_slots", "Shards that they can solve at a time", registry=r)
        self._waiting = Gauge("pdemill_queue_depth", "Units that wait for a worker", registry=r)
        self._rate = Gauge("pdemill_samples_per_second", "Samples per second, all jobs, last minute", registry=r)
        self._jobs = Gauge("pdemill_jobs", "Jobs", ["status"], registry=r)
        self._backlog = Gauge("pdemill_backlog_shards", "Unfinished shards of all unfinished jobs", registry=r)
        self._oldest = Gauge("pdemill_oldest_wait_seconds", "Longest wait of a job that is not begun", registry=r)
        self._free = Gauge("pdemill_disk_free_bytes", "Bytes that are free in the data directory", registry=r)
        self._disk = Gauge("pdemill_disk_bytes", "Bytes of its file system", registry=r)
        self._requests = Histogram(
            "pdemill_request_seconds", "Requests", ["method", "route", "status"], registry=r, buckets=LATENCIES
        )

    def shard(self, report: Report) -> None:
        """A shard was finished."""
        totals = self.totals
        totals.add("pdemill_samples", report.samples - report.failed, "certified")
        totals.add("pdemill_samples", report.failed, "failed")
        totals.add("pdemill_iterations", report.iterations)
        totals.observe("pdemill_shard_seconds", report.wall_seconds)
        for step, seconds in report.cpu_seconds.items():
            totals.add("pdemill_cpu_seconds", seconds, step)

    def worked_for(self, owner: str, seconds: float) -> None:
        """CPU time went into a job of an owner."""
        self.totals.add("pdemill_owner_cpu_seconds", seconds, owner)

    def lease_lost(self) -> None:
        self.totals.add("pdemill_leases_lost", 1)

    def refused_key(self) -> None:
        """Somebody sent no key, or one that is not known."""
        self.totals.add("pdemill_auth_failures", 1)

    def scrubbed(self, size: int, damaged: bool) -> None:
        """The files of a finished shard were hashed."""
        self.totals.add("pdemill_scrubbed_bytes", size)
        self.totals.add("pdemill_damaged_shards", damaged)

    def workers(self, workers: int, slots: int) -> None:
        """Set how many workers are alive, and their slots."""
        self._workers.set(workers)
        self._slots.set(slots)

    def queue(self, waiting: int) -> None:
        """Set how many units wait for a worker."""
        self._waiting.set(waiting)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)

    def text(self, jobs: dict[str, int], samples_per_second: float, backlog: int, oldest: float, data: Path) -> bytes:
        """The exposition, with the gauges that are looked up when it is asked for."""
        for status, number in jobs.items():
            self._jobs.labels(status).set(number)
        self._rate.set(samples_per_second)
        self._backlog.set(backlog)
        self._oldest.set(oldest)
        disk = os.statvfs(data)
        self._free.set(disk.f_bavail * disk.f_frsize)
        self._disk.set(disk.f_blocks * disk.f_frsize)
        return generate_latest(self.registry)
