"""Worker processes that finish shards; one that dies is replaced and its shard given out again."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from queue import Queue
from threading import Thread
from time import monotonic
from typing import Any, Self

from pdemill import errors
from pdemill.addresses import Place
from pdemill.errors import PdemillError, WorkerError
from pdemill.process import child_environment, module_command, worker_status
from pdemill.sharing import Ending
from pdemill.store.layout import Shard

ATTEMPTS = 3


@dataclass(frozen=True)
class Task:
    """A shard and how often it has been given out."""

    shard: Shard
    attempt: int = 1


@dataclass(frozen=True)
class Event:
    """An event of a worker: ``progress``, ``finished`` or ``restarted``, the shard, and the worker's counts."""

    kind: str
    shard: Shard
    details: dict[str, Any]


class _Worker:
    def __init__(
        self, root: Place, handles: tuple[int, ...], inbox: Queue[tuple[_Worker, dict[str, Any] | None]]
    ) -> None:
        self.task: Task | None = None
        self.begun = 0.0
        self.process = subprocess.Popen(
            module_command("pdemill.solvers.local.process", str(root), str(os.getpid())),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            env=child_environment(), pass_fds=handles, start_new_session=True,
        )  # fmt: skip
        self._inbox = inbox
        Thread(target=self._read_events, daemon=True).start()

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._inbox.put((self, json.loads(line)))
        self.process.wait()
        self._inbox.put((self, None))

    def give(self, task: Task) -> None:
        """Hand out a shard; a worker that has just died is noticed by its silence."""
        self.task, self.begun = task, monotonic()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"shard": asdict(task.shard), "attempt": task.attempt}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Pool:
    """Up to ``workers`` processes that work on one store. ``handles``: of the store's lock, which they share."""

    def __init__(self, root: Place, workers: int, handles: tuple[int, ...]) -> None:
        self._root, self._size, self._handles = root, workers, handles
        self._inbox: Queue[tuple[_Worker, dict[str, Any] | None]] = Queue()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        for worker in self._workers:
            worker.stop()

    def run(self, shards: Sequence[Shard], report: Callable[[Event], None], ending: Ending) -> None:
        """Finish the shards, those that were begun where the run is ``ending``; or raise: the worker's own error, or
        WorkerError when a shard fails three times."""
        waiting = deque(Task(shard) for shard in shards)
        longest, busy = 0.0, 0
        while waiting and busy < self._size and not ending.is_due(longest):
            self._start(waiting)
            busy += 1
        while busy:
            worker, message = self._inbox.get()
            task = worker.task
            if message is None:
                self._replace(worker, waiting, report)
            elif message["event"] in ("refused", "broken"):
                raise _error(message, task)
            elif task is not None and message["event"] in ("progress", "finished"):
                report(Event(message["event"], task.shard, message))
                if message["event"] == "finished":
                    longest = max(longest, monotonic() - worker.begun)
                    worker.task = None
                    if waiting and not ending.is_due(longest):
                        worker.give(waiting.popleft())
                    else:
                        busy -= 1

    def _start(self, waiting: deque[Task]) -> None:
        worker = _Worker(self._root, self._handles, self._inbox)
        self._workers.append(worker)
        worker.give(waiting.popleft())

    def _replace(self, dead: _Worker, waiting: deque[Task], report: Callable[[Event], None]) -> None:
        self._workers.remove(dead)
        dead.stop()
        if dead.task is None:
            return
        task = dead.task
        if task.attempt >= ATTEMPTS:
            raise WorkerError(
                f"the worker on shard {task.shard.name} died {ATTEMPTS} times "
                f"({worker_status(dead.process.returncode)}). Finished shards are safe"
            )
        report(Event("restarted", task.shard, {"attempt": task.attempt + 1}))
        waiting.appendleft(Task(task.shard, task.attempt + 1))
        self._start(waiting)


def _error(message: dict[str, Any], task: Task | None) -> PdemillError:
    where = f" on shard {task.shard.name}" if task is not None else ""
    if message["event"] == "broken":
        return WorkerError(f"a worker failed{where}: {message['message']} (its traceback is above; please report it)")
    kind = getattr(errors, message["kind"], errors.SolverError)  # those of a part of the solvers
    if kind is errors.SpecError:
        return WorkerError(message["message"])
    error: PdemillError = kind(message["message"])
    return error
