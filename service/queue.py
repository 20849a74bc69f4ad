"""Handing units to workers: Celery tasks, by name."""

from __future__ import annotations

from celery import Celery

from pdemill.board import QUEUE, SHARD_TASK, TASKS, TRANSPORT, Unit, celery_url
from pdemill.store.layout import Shard


class Queue:
    """The queue of units. Raises kombu.exceptions.OperationalError while the broker is away."""

    def __init__(self, url: str) -> None:
        self._app = Celery("pdemill", broker=celery_url(url), set_as_current=False)
        self._app.conf.update(
            broker_transport_options=TRANSPORT,
            task_default_queue=QUEUE,
            task_ignore_result=True,
            task_serializer="json",
        )

    def put_shard(self, unit: Unit, shard: Shard) -> None:
        self._send(SHARD_TASK, [*unit, shard.split, shard.index, shard.start, shard.stop])

    def put(self, unit: Unit, *details: str) -> None:
        """Queue ``prepare`` (with the spec) or ``finish``."""
        self._send(TASKS[unit.name], [*unit, *details])

    def _send(self, task: str, arguments: list[str | int]) -> None:
        self._app.send_task(task, arguments, retry=False)

    def close(self) -> None:
        self._app.close()
