"""What became of a task is told to the broker as soon as it can hear it: till then it gives no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Message, Queue
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from redis import Redis

from benchmarks.shared.relay import Relay
from pdemill.service.testing import until
from pdemill.workers.requests import PatientRequest
from tests.service.broker import valkey


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A loop in whose time things are done later."""
    before = get_event_loop()
    set_event_loop(made := Hub())
    yield made
    made.close()
    set_event_loop(before)


@pytest.mark.parametrize("rejected", [False, True], ids=["acknowledged", "rejected"])
def test_the_broker_is_told_when_it_is_back(hub: Hub, rejected: bool) -> None:
    with valkey() as broker, Relay(broker.url.removeprefix("unix://")) as relay:
        app = Celery("test", broker=relay.url, set_as_current=False)

        @app.task(name="test.nothing")  # type: ignore[untyped-decorator]
        def task() -> None:
            pass

        task.apply_async(queue="work")
        messages: list[Message] = []
        with app.connection_for_read() as connection, connection.Consumer(Queue("work"), on_message=messages.append):
            connection.drain_events(timeout=10)
            (message,) = messages
            errors = connection.connection_errors
            request = PatientRequest(message, app=app, task=task, connection_errors=errors, utc=True)
            with relay.closed():
                request.reject(requeue=True) if rejected else request.acknowledge()
                hub.fire_timers()
                assert _state(broker.redis) == (1, 0)
            until(lambda: hub.fire_timers() is not None and _state(broker.redis)[0] == 0, 20, "the broker's knowledge")
            assert _state(broker.redis) == (0, rejected)


def _state(redis: Redis) -> tuple[int, int]:
    """How many messages a worker has, and how many wait."""
    return int(redis.hlen("unacked")), int(redis.llen("work"))
