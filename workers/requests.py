"""Telling the broker that a message is done with, until it has heard it.

Celery tries once, and logs where that does not get through; but as long as the broker has not heard it, it gives this
worker no other message. A worker that was cut off from its broker just then would never work again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.request import Request
from kombu.asynchronous import get_event_loop

AGAIN_SECONDS = 1.0

log = logging.getLogger("pdemill.worker")


class PatientRequest(Request):  # type: ignore[misc]
    """A task that a worker was given; its message is acknowledged, or rejected, as soon as the broker is there."""

    acknowledged: bool

    def acknowledge(self) -> None:
        if not self.acknowledged:
            self.acknowledged = True
            self._settle(self.message.ack)

    def reject(self, requeue: bool = False) -> None:
        if not self.acknowledged:
            self.acknowledged = True
            self._settle(lambda: self.message.reject(requeue=requeue))

    def _settle(self, tell: Callable[[], Any]) -> None:
        """Tell the broker, now or later. On a connection that was given up meanwhile it need not be told: the message
        went back to the queue."""
        try:
            if not self.message.channel.closed:
                tell()
        except self._connection_errors as error:
            log.warning("the broker does not hear what became of a task: %s", error)
            get_event_loop().call_later(AGAIN_SECONDS, self._settle, tell)
