"""Counters and gauges for Prometheus. Every name begins with ``pdemill_``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pdemill.store.manifest import Manifest

SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
LATENCIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)


class Metrics:
    """The metrics of one API process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._samples = Counter("pdemill_samples", "Samples that went through", ["result"], registry=r)
        self._iterations = Counter("pdemill_iterations", "Iterations of all solvers", registry=r)
        self._shards = Histogram("pdemill_shard_seconds", "Wall time of a shard", registry=r, buckets=SECONDS)
        self._cpu = Counter("pdemill_cpu_seconds", "CPU time of finished shards", ["step"], registry=r)
        self._lost = Counter("pdemill_leases_lost", "Units whose worker vanished", registry=r)
        self._scrubbed = Counter("pdemill_scrubbed_bytes", "Bytes of finished stores that were hashed", registry=r)
        self._damaged = Counter("pdemill_damaged_shards", "Finished shards that were found damaged", registry=r)
        self._workers = Gauge("pdemill_workers", "Workers that are alive", registry=r)
        self._slots = Gauge("pdemill_worker_slots", "Shards that they can solve at a time", registry=r)
        self._waiting = Gauge("pdemill_queue_depth", "Units that wait for a worker", registry=r)
        self._rate = Gauge("pdemill_samples_per_second", "Samples per second, all jobs, last minute", registry=r)
        self._jobs = Gauge("pdemill_jobs", "Jobs", ["status"], registry=r)
        self._requests = Histogram(
            "pdemill_request_seconds", "Requests", ["method", "route", "status"], registry=r, buckets=LATENCIES
        )
        for result in ("certified", "failed"):
            self._samples.labels(result)

    def shard(self, manifest: Manifest) -> None:
        """A shard was finished."""
        self._samples.labels("certified").inc(manifest.certified)
        self._samples.labels("failed").inc(len(manifest.failures))
        self._iterations.inc(manifest.summary.get("iterations", 0))
        self._shards.observe(manifest.run.get("solve_wall_seconds", 0.0))
        for step, seconds in manifest.run.get("cpu_seconds", {}).items():
            self._cpu.labels(step).inc(seconds)

    def lease_lost(self) -> None:
        self._lost.inc()

    def scrubbed(self, size: int, damaged: bool) -> None:
        """The files of a finished shard were hashed."""
        self._scrubbed.inc(size)
        self._damaged.inc(damaged)

    def workers(self, workers: int, slots: int, waiting: int) -> None:
        """Set how many workers are alive, their slots, and the units that wait."""
        self._workers.set(workers)
        self._slots.set(slots)
        self._waiting.set(waiting)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)

    def text(self, jobs: dict[str, int], samples_per_second: float) -> bytes:
        """The exposition, with the gauges that are looked up when it is asked for."""
        for status, number in jobs.items():
            self._jobs.labels(status).set(number)
        self._rate.set(samples_per_second)
        return generate_latest(self.registry)
