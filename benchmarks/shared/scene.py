"""What is seen of a server where work does not go on: its processes, workers, queue, leases and jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from redis import RedisError

from pdemill.client import Job
from pdemill.errors import ServerError
from pdemill.leases import Leases
from pdemill.service.testing import Server
from pdemill.settings import Settings

MOST = 20
"""Units of the queue, and leases, that are listed."""


def scene(server: Server, environment: Mapping[str, str], jobs: Iterable[Job]) -> str:
    """All of it as text. ``environment``: that of the server's worker."""
    lines = [f"{part}: processes {', '.join(map(str, pids))}" for part, pids in sorted(server.family().items())]
    try:
        lines += _at_broker(Leases.at(Settings.read(environment), environment["PDEMILL_DATA_ID"]))
    except RedisError as error:
        lines.append(f"the broker does not answer: {error}")
    try:
        lines += [_of_job(job.refresh()) for job in jobs]
    except ServerError as error:
        lines.append(f"the API does not answer: {error}")
    return "\n".join(lines)


def _at_broker(leases: Leases) -> Iterator[str]:
    for worker in leases.workers():
        yield f"worker {worker.id} is alive, {worker.slots} slots"
    waiting = sorted(leases.waiting())
    yield f"queue: {len(waiting)} units: {', '.join('/'.join(unit) for unit in waiting[:MOST])}"
    held = sorted(leases.redis.scan_iter(f"{leases.prefix}lease:*"))
    yield f"leases: {len(held)}"
    for key in held[:MOST]:
        yield f"  {key.removeprefix(leases.prefix)}: {leases.redis.get(key)}, {leases.redis.pttl(key)} ms left"
    yield f"reports that nobody has taken: {leases.redis.llen(f'{leases.prefix}reports')}"
    for dataset, text in sorted((leases.live() or {"no coordinator": ""}).items()):
        yield f"coordinator: {dataset}: {text}"


def _of_job(job: Job) -> str:
    state = job.state
    done = f"{state['samples_done']} of {state['samples_total']} samples"
    return f"job {job.id} of {state['owner']}, data set {state['dataset']}: {job.status}, {done}; {state['message']}"
