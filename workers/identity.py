"""Who holds a lease: the worker (one per Celery worker, inherited by the processes of its pool) and the process."""

from __future__ import annotations

import os
import socket
from uuid import uuid4

from pdemill import __version__
from pdemill.leases import Presence, holder_of
from pdemill.workers.memory import allowed

_WORKER = f"{socket.gethostname()}.{os.getpid()}.{uuid4().hex[:8]}"
_PID = os.getpid()


def presence(slots: int) -> Presence:
    """A worker's description of itself."""
    return Presence(_WORKER, socket.gethostname(), _PID, slots, __version__, allowed())


def worker() -> str:
    return _WORKER


def holder(pid: int) -> str:
    """The holder of the leases of a process of this worker's pool."""
    return holder_of(_WORKER, pid)


def is_dead(holder: str) -> bool:
    """Whether a lease's holder is known to be dead: a process of this worker's pool that is gone."""
    name, _, pid = holder.rpartition("/")
    if name != _WORKER:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False
