"""A worker process: takes shards as JSON lines on its input, tells of them as JSON lines on its output."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

import zarr

from pdemill.errors import PdemillError
from pdemill.process import die_with_parent
from pdemill.store.layout import Shard
from solvers.progress import Counts, Progress
from solvers.work import open_work, work_on

TELL_SECONDS = 0.1


class _Voice:
    """Events for the parent, a line each."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def say(self, event: str, **details: Any) -> None:
        self._out.write(json.dumps({"event": event, **details}) + "\n")
        self._out.flush()


class _Teller(Counts):
    """Tells of the counts now and then."""

    def __init__(self, voice: _Voice) -> None:
        super().__init__()
        self._voice, self._next = voice, 0.0

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if monotonic() >= self._next:
            self._next = monotonic() + TELL_SECONDS
            self._voice.say("progress", **self.numbers)


def main() -> None:
    """``python -m solvers.worker STORE PARENT_PID``."""
    root, parent = Path(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    voice = _Voice(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    try:
        job, store = open_work(root)
        voice.say("ready")
        for line in sys.stdin:
            task = json.loads(line)
            shard = Shard(**task["shard"])
            teller = _Teller(voice)
            manifest = work_on(job, store, shard, task["attempt"], teller)
            voice.say("finished", **teller.numbers, run=dict(manifest.run))
    except PdemillError as error:
        voice.say("refused", message=str(error), kind=type(error).__name__)
    except Exception as error:
        traceback.print_exc()
        voice.say("broken", message=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
