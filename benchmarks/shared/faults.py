"""What happens to a server in a soak: the weights of faults, and how each is made."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Self

from benchmarks.shared.relay import Relay
from pdemill.service.testing import Server
from pdemill.store.disk import Lock
from pdemill.store.manifest import FOLDER

WEIGHTS = {
    "pool": 8, "worker": 4, "api": 4, "broker": 4, "pause": 0.25, "stop": 0.5, "lock": 1, "moved": 1, "full": 1,
    "cut": 0.5, "half open": 1, "vanished": 1, "frozen": 0.5, "bucket": 1,
}  # fmt: skip
PAUSE_SECONDS, STOP_SECONDS, SHORT_SECONDS = 30.0, 60.0, 10.0
CUT_SECONDS, FROZEN_SECONDS = 60.0, 45.0
BEGINS_ANEW = ("api", "broker", "moved", "full", "bucket")
"""Faults after which the coordinator has forgotten who had what, or jobs wait for what they cannot do for a while."""


class Host:
    """A worker that is as on another host: all of its connections to the broker go over a network of its own."""

    def __init__(self, server: Server) -> None:
        known = server.environment()
        del known["PDEMILL_PARENT"]
        self._log = server.data_dir / "logs" / "host.log"
        self._relay = Relay(known["PDEMILL_REDIS_URL"].removeprefix("unix://"))
        self._environment = {**known, "PDEMILL_REDIS_URL": self._relay.url}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._relay.__enter__()
        self.revive()
        return self

    def __exit__(self, *reason: object) -> None:
        self._signal(signal.SIGKILL)
        self._relay.__exit__(*reason)

    def revive(self) -> None:
        """Start its worker where there is none."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-P", "-m", "pdemill.workers", "--concurrency", "1", "--nice", "5"]
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    command, env=self._environment, stdout=log, stderr=log, start_new_session=True
                )

    def disturb(self, fault: str) -> None:
        if fault == "cut":
            with self._relay.cut():
                time.sleep(CUT_SECONDS)
        elif fault == "half open":
            self._relay.forget()
        elif fault == "vanished":
            self._signal(signal.SIGKILL)
            assert self._process is not None
            self._process.wait()
        else:
            self._signal(signal.SIGSTOP)
            time.sleep(FROZEN_SECONDS)
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker and its pool."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def possible(own_disk: bool, bucket: bool, only: Sequence[str] = ()) -> dict[str, float]:
    """The faults that can be made here, and how often each is: a disk is full only where there is one of its own, and
    a bucket has no locks; ``only``: none but these."""
    lacking = {"lock"} if bucket else {"bucket"}
    if not own_disk:
        lacking.add("full")
    return {name: weight for name, weight in WEIGHTS.items() if name not in lacking and (not only or name in only)}


def disturb(server: Server, host: Host, fault: str, dice: random.Random, objects: int | None) -> None:
    """Kill something, or hold it up. ``objects``: the process that serves the bucket, if there is one."""
    if fault in ("cut", "half open", "vanished", "frozen"):
        host.disturb(fault)
    elif fault == "pause":
        _stopped(server.pids("broker"), PAUSE_SECONDS)
    elif fault == "stop":
        _stopped([*server.pids("worker"), *server.pids("pool")], STOP_SECONDS)
    elif fault == "lock":
        with ExitStack() as held:
            for folder in (server.data_dir / "datasets").glob(f"*.zarr/{FOLDER}"):
                held.enter_context(Lock(folder))
            time.sleep(SHORT_SECONDS)
    elif fault == "moved":
        moved = server.data_dir.rename(server.data_dir.with_name("moved"))
        time.sleep(SHORT_SECONDS)
        moved.rename(server.data_dir)
    elif fault == "full":
        filler = server.data_dir.with_name("filler")
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))
        time.sleep(SHORT_SECONDS)
        filler.unlink()
    elif fault == "bucket":
        assert objects is not None
        _stopped([objects], SHORT_SECONDS)
    else:
        server.kill(fault, dice.randrange(8))


def _stopped(pids: list[int], seconds: float) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
