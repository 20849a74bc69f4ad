"""Handing units to workers: Celery tasks, by name, many at once."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import uuid4

from celery import Celery

from pdemill.leases import PREFIX, QUEUE, SHARD_TASK, TASKS, Leases, Unit, task_id
from pdemill.store.layout import Shard


class Task(NamedTuple):
    """A unit, with the arguments of its task behind its own. One that is ``first`` goes to the head of the queue."""

    unit: Unit
    details: tuple[str | int, ...] = ()
    first: bool = False

    @classmethod
    def of_shard(cls, unit: Unit, shard: Shard, first: bool) -> Task:
        return cls(unit, (shard.split, shard.index, shard.start, shard.stop), first)


class Queue:
    """The queue of units.

    Celery's own ``send_task`` takes half a millisecond; so one message is made by Celery, and those of all units are
    copies of it.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._form: dict[str, Any] | None = None

    def put(self, tasks: Iterable[Task]) -> None:
        """Queue units. Raises redis.RedisError while the broker is away; then none is queued, or all are."""
        form = self._form = self._form or _message()
        texts: tuple[list[str], list[str]] = ([], [])
        for task in tasks:
            texts[task.first].append(_filled(form, task))
        with self._leases.redis.pipeline() as pipe:
            if texts[False]:
                pipe.lpush(f"{PREFIX}{QUEUE}", *texts[False])
            if texts[True]:
                pipe.rpush(f"{PREFIX}{QUEUE}", *texts[True][::-1])  # workers take from the end
            pipe.execute()


def _message() -> dict[str, Any]:
    """A message as Celery writes it for Redis."""
    app = Celery("pdemill", broker="memory://localhost/", set_as_current=False)
    app.conf.update(task_default_queue=QUEUE, task_ignore_result=True, task_serializer="json")
    try:
        app.send_task("pdemill", [])
        with app.connection_for_read() as connection:
            message: dict[str, Any] = connection.default_channel._get(QUEUE)
            return message
    finally:
        app.close()


def _filled(form: dict[str, Any], task: Task) -> str:
    """The message of one unit."""
    identity, arguments = task_id(task.unit), [*task.unit, *task.details]
    body = json.dumps([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    name = TASKS.get(task.unit.name, SHARD_TASK)
    shown = {"argsrepr": repr(task.unit), "kwargsrepr": "{}"}
    return json.dumps({
        **form,
        "body": base64.b64encode(body.encode()).decode(),
        "headers": {**form["headers"], **shown, "task": name, "id": identity, "root_id": identity},
        "properties": {**form["properties"], "correlation_id": identity, "delivery_tag": str(uuid4())},
    })  # fmt: skip
