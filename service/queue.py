"""Handing units to workers: Celery tasks, by name."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery

from pdemill.leases import QUEUE, SHARD_TASK, TASKS, TRANSPORT, Unit, celery_url, task_id
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
        self._send(unit, SHARD_TASK, [shard.split, shard.index, shard.start, shard.stop])

    def put(self, unit: Unit, *details: str) -> None:
        """Queue ``prepare`` (with the spec) or ``finish``."""
        self._send(unit, TASKS[unit.name], list(details))

    def _send(self, unit: Unit, task: str, details: Sequence[str | int]) -> None:
        self._app.send_task(task, [*unit, *details], task_id=task_id(unit), retry=False)

    def close(self) -> None:
        self._app.close()
