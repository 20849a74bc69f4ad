"""The pulse of a worker: says that it is alive and renews the leases of its pool's processes.

It beats in the worker's own process, so that a solver that computes for minutes without a pause loses no lease.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps
from celery.worker import state
from redis import RedisError

from pdemill.board import BEAT_SECONDS, Board, Unit
from pdemill.settings import Settings
from workers import identity

log = logging.getLogger("pdemill.worker")


class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """A step of Celery's consumer; it starts again whenever the consumer has reconnected."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None
        self._board = Board.at(Settings.read().redis_url)
        self._beat(identity.presence(consumer.pool.limit))  # before any task can take a lease

    def start(self, consumer: Any) -> None:
        me = identity.presence(consumer.pool.limit)
        self._beat(me)
        self._timer = consumer.timer.call_repeatedly(BEAT_SECONDS, self._beat, (me,), priority=10)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def shutdown(self, consumer: Any) -> None:
        self.stop(consumer)
        try:
            self._board.gone(identity.worker())
        except RedisError as error:
            log.warning("could not sign off: %s", error)

    def _beat(self, me: Any) -> None:
        held = [
            (Unit(*request.args[:2]), identity.holder(request.worker_pid))
            for request in list(state.active_requests)
            if request.worker_pid
        ]
        try:
            lost = self._board.beat(me, held)
        except RedisError as error:
            log.warning("no pulse, the broker does not answer: %s", error)
            return
        for unit in lost:
            log.info("the lease is not ours", extra={"dataset": unit.dataset, "unit": unit.name})
