"""The pulse of a worker: says that it is alive and renews the leases of its pool's processes.

It beats in the worker's own process, so that a solver that computes for minutes without a pause loses no lease.
"""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import Any

from celery import bootsteps
from celery.worker import state
from redis import RedisError

from pdemill.leases import BEAT_SECONDS, Leases, Unit
from pdemill.workers import identity
from pdemill.workers.here import directory, settings
from pdemill.workers.probe import pulse

log = logging.getLogger("pdemill.worker")


class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """A step of Celery's consumer. It beats in a thread, for the main one sleeps while it waits for shards to end."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._me = identity.presence(consumer.pool.limit)
        self._leases = Leases.at(settings, directory.id)
        self._end = Event()
        self._thread: Thread | None = None
        self._beat()  # before any task can take a lease

    def start(self, consumer: Any) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._live, daemon=True)
            self._thread.start()

    def stop(self, consumer: Any) -> None:
        """Go on: the consumer also stops to connect again."""

    def shutdown(self, consumer: Any) -> None:
        self._end.set()
        try:
            self._leases.gone(identity.worker())
        except RedisError as error:
            log.warning("could not sign off: %s", error)

    def _live(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        try:
            lost = self._leases.beat(self._me, _held())
        except RedisError as error:
            log.warning("no pulse, the broker does not answer: %s", error)
            pulse.beat(f"the broker does not answer: {settings.hide(str(error))}")
            return
        pulse.beat()
        for unit in lost:
            log.info("the lease is not ours", extra={"dataset": unit.dataset, "unit": unit.name})


def _held() -> list[tuple[Unit, str]]:
    """The units that the pool's processes hold leases of, and under which names."""
    while True:
        try:
            requests = list(state.active_requests)
        except RuntimeError:  # it grew or shrank meanwhile
            continue
        pids = [(request, request.worker_pid) for request in requests]
        return [(Unit(*request.args[:2]), identity.holder(pid)) for request, pid in pids if pid]
