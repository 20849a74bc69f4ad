"""Overhead, speedup and load of the service: ``python benchmarks/serving.py [overhead | speedup | load] ...`` (all).

overhead  CPU seconds of all processes of a running server from submission to the end of fno-darcy, against those of
          ``pdemill generate`` on the same spec; the median of pairs.
speedup   work done per second (CPU seconds of finished shards per second of wall clock) with two worker processes
          against one, on a job of 20 shards.
load      200 submissions per second for 30 s while two workers solve; latencies of POST /jobs and GET /jobs/{id}; then
          the first and the last page of the list of jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from pdemill.service.testing import Server
from pdemill.spec.load import load_preset

TICK = os.sysconf("SC_CLK_TCK")
RATE, SECONDS, CONNECTIONS = 200, 30, 16


def cpu_of(server: Server) -> float:
    """CPU seconds of all processes of a server, and of those that they have buried."""
    total = 0.0
    for pids in server.family().values():
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / TICK
    return total


def finish(server: Server, spec: dict[str, Any]) -> tuple[float, float]:
    """Seconds until a job is done, and CPU seconds that its shards report."""
    with server.client() as client:
        begin = time.monotonic()
        job = client.submit(spec)
        job.wait()
        seconds, cpu = time.monotonic() - begin, job.results()["cpu_seconds"]
        job.delete_store()
    return seconds, cpu


def overhead(pairs: int, samples: int) -> None:
    """The service against ``generate``."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data", workers=2) as server:
        for number in range(pairs + 1):
            spec = _fno(samples, number)
            path = Path(folder) / "spec.json"
            path.write_text(json.dumps(spec))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run = "from pdemill.cli import main; main()"
            out = str(Path(folder) / f"{number}.zarr")
            command = [sys.executable, "-P", "-c", run, "generate", str(path), "--out", out, "--workers", "2"]
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            plain = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            begin = cpu_of(server)
            finish(server, spec)
            rows.append((plain, cpu_of(server) - begin))
    rows = rows[1:]
    print(f"{'CPU s':24}{'generate':>12}{'service':>12}{'ratio':>10}")
    for plain, served in rows:
        print(f"{samples:6} samples of 128^2{plain:13.2f}{served:12.2f}{served / plain:10.3f}")
    print(f"{'median':48}{median(served / plain for plain, served in rows):10.3f}")


def speedup(pairs: int) -> None:
    """Two worker processes against one."""
    found: dict[int, list[float]] = {1: [], 2: []}
    spec = {**_fno(1000, 0), "store": {"shard": 50}}
    for number in range(pairs):
        for workers in found:
            with tempfile.TemporaryDirectory() as folder, Server(Path(folder), workers=workers) as server:
                finish(server, {**_fno(40, 1), "store": {"shard": 20}})
                seconds, cpu = finish(server, {**spec, "seed": number})
                found[workers].append(cpu / seconds)
    one, two = median(found[1]), median(found[2])
    print(f"work done per second, 20 shards: one process {one:.3f}, two {two:.3f}, ratio {two / one:.2f}")


def _fno(samples: int, seed: int) -> dict[str, Any]:
    return load_preset("fno-darcy", [f"samples={samples}", f"seed={seed}"]).model_dump(mode="json")


def load() -> None:
    """Submissions at a fixed rate while workers are busy."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), workers=2) as server:
        asyncio.run(_load(server.url))


class _Connection:
    """One connection that is kept open: a client that costs next to nothing, so that the server is measured."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes, float]:
        """Status, body, and seconds until the answer was there."""
        begin = time.perf_counter()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(answer.lower().partition("content-length: ")[2].partition("\r\n")[0])
        return int(answer[9:12]), await reader.readexactly(length), time.perf_counter() - begin


async def _load(url: str) -> None:
    posts: list[float] = []
    gets: list[float] = []
    jobs: list[str] = []
    queue: asyncio.Queue[int] = asyncio.Queue()
    begin = time.perf_counter()

    async def submit() -> None:
        connection = _Connection(url)
        while True:
            number = await queue.get()
            spec = {"problem": {"family": "poisson", "resolution": [32, 32], "source": {"field": "bumps"}},
                    "samples": 64, "seed": number}  # fmt: skip
            status, body, seconds = await connection.ask("POST", "/v1/jobs", json.dumps(spec).encode())
            assert status == 202, body
            posts.append(seconds)
            jobs.append(json.loads(body)["id"])
            queue.task_done()

    async def look() -> None:
        connection = _Connection(url)
        while True:
            await asyncio.sleep(0.05)
            if jobs:
                status, body, seconds = await connection.ask("GET", f"/v1/jobs/{jobs[len(gets) % len(jobs)]}")
                assert status == 200, body
                gets.append(seconds)

    tasks = [asyncio.create_task(submit()) for _ in range(CONNECTIONS)] + [asyncio.create_task(look())]
    own = time.process_time()
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        queue.put_nowait(number)
    await _drained(queue, tasks)
    seconds, own = time.perf_counter() - begin, time.process_time() - own
    connection = _Connection(url)
    _, body, _ = await connection.ask("GET", "/v1/jobs?status=successful&limit=200")
    finished = len(json.loads(body)["jobs"])
    print(f"{len(jobs)} submissions accepted in {seconds:.1f} s ({len(jobs) / seconds:.0f}/s), "
          f"{finished} or more jobs finished meanwhile, {own:.1f} CPU s of the client")  # fmt: skip
    for name, times in (("POST /jobs", posts), ("GET /jobs/{id}", gets)):
        ordered = sorted(times)
        p50, p99 = (1e3 * ordered[int(p * len(ordered))] for p in (0.5, 0.99))
        print(f"{name:16} {len(times):6} requests, median {p50:6.1f} ms, p99 {p99:6.1f} ms")
    for number in range(RATE * SECONDS, 10_000):
        queue.put_nowait(number)
    await _drained(queue, [asyncio.create_task(submit()) for _ in range(CONNECTIONS)])
    await _pages(_Connection(url))


async def _drained(queue: asyncio.Queue[int], tasks: list[asyncio.Task[None]]) -> None:
    """Wait until everything in the queue is done, or a task has failed; end the tasks."""
    join = asyncio.create_task(queue.join())
    done, _ = await asyncio.wait([join, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in done:
        task.result()


async def _pages(connection: _Connection) -> None:
    """The time of each page of the list, the first against the last."""
    times: list[float] = []
    cursor, seen = "", 0
    while True:
        _, body, seconds = await connection.ask("GET", f"/v1/jobs?limit=100{cursor}")
        page = json.loads(body)
        times.append(seconds)
        seen += len(page["jobs"])
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    tenth = max(1, len(times) // 10)
    first, last = 1e3 * median(times[:tenth]), 1e3 * median(times[-tenth:])
    print(f"{seen} jobs in pages of 100: median {first:.1f} ms for the first tenth, {last:.1f} ms for the last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["overhead", "speedup", "load", []])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2000)
    options = parser.parse_args()
    chosen = options.what or ["overhead", "speedup", "load"]
    if "overhead" in chosen:
        overhead(options.pairs, options.samples)
    if "speedup" in chosen:
        speedup(options.pairs)
    if "load" in chosen:
        load()


if __name__ == "__main__":
    main()
