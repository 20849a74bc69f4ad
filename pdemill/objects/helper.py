"""Objects for processes that were forked from one that has asked for some: obstore's threads are not there in them.

Such a process starts another one, which asks for it. Both ends are of one program: what goes through the pipes is
pickled. The helper ends with the process that it helps.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from concurrent.futures import Future
from functools import cache
from itertools import count
from threading import Lock, Thread
from typing import Any

from pdemill.errors import StoreAway
from pdemill.process import child_environment, module_command


class Helper:
    """A process that asks for objects. Many threads may use it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            module_command("pdemill.objects.answering"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=child_environment(),
        )  # fmt: skip
        self._numbers = count()
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = Lock()
        Thread(target=self._listen, daemon=True).start()

    def ask(self, address: str, method: str, arguments: tuple[Any, ...]) -> Any:
        """What a method of the bucket at an address returns, or raises."""
        number, answer = next(self._numbers), Future[Any]()
        assert self._process.stdin is not None
        with self._lock:
            self._waiting[number] = answer
            pickle.dump((number, address, method, arguments), self._process.stdin)
            self._process.stdin.flush()
        return answer.result()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                number, value, error = pickle.load(self._process.stdout)
                answer = self._waiting.pop(number)
                answer.set_result(value) if error is None else answer.set_exception(error)
        except EOFError:
            for answer in self._waiting.values():
                answer.set_exception(StoreAway("the process that asks for objects has ended; run it again"))


@cache
def _helper(process: int) -> Helper:
    return Helper()


_starting: dict[int, Lock] = {}
"""By process: a lock that is held at a fork is held in the child for ever."""


def ask(address: str, method: str, arguments: tuple[Any, ...]) -> Any:
    """The same by the helper of this process, which is started if there is none."""
    with _starting.setdefault(os.getpid(), Lock()):
        helper = _helper(os.getpid())
    return helper.ask(address, method, arguments)
