"""A worker process: takes shards as JSON lines on its input, reports on them as JSON lines on its output."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from time import monotonic
from typing import Any, TextIO

import zarr

from pdemill.addresses import home
from pdemill.errors import PdemillError
from pdemill.process import die_with_parent
from pdemill.sharing import SIGNALS
from pdemill.solvers.opening import open_work, worked_on
from pdemill.solvers.progress import Counts, Progress
from pdemill.store.layout import Shard

REPORT_SECONDS = 0.1


class _Events:
    """Events for the parent, a line each."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def send(self, event: str, **details: Any) -> None:
        self._out.write(json.dumps({"event": event, **details}) + "\n")
        self._out.flush()


class _Reporter(Counts):
    """Reports the counts at most once per REPORT_SECONDS."""

    def __init__(self, events: _Events) -> None:
        super().__init__()
        self._events, self._next = events, 0.0

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if monotonic() >= self._next:
            self._next = monotonic() + REPORT_SECONDS
            self._events.send("progress", **self.numbers)


def main() -> None:
    """``python -m pdemill.solvers.local.process STORE PARENT_PID``."""
    root, parent = home(sys.argv[1], "the store"), int(sys.argv[2])
    die_with_parent(parent)
    for number in SIGNALS:  # Slurm sends them to all processes: the parent ends, once these are through
        signal.signal(number, signal.SIG_IGN)
    events = _Events(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    try:
        job, store = open_work(root)
        events.send("ready")
        for line in sys.stdin:
            task = json.loads(line)
            shard = Shard(**task["shard"])
            reporter = _Reporter(events)
            events.send("finished", **worked_on(job, store, shard, task["attempt"], reporter))
    except PdemillError as error:
        events.send("refused", message=str(error), kind=type(error).__name__)
    except Exception as error:
        traceback.print_exc()
        events.send("broken", message=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
