"""Two addresses at which a worker tells how it is, for whoever watches it from outside and starts nothing within.

``GET /healthz``: 200 while the worker's pulse beats, whether or not the broker hears it; a worker that has only begun,
or waits for its data directory, counts as alive. ``GET /readyz``: 200 if it could take a shard now, else 503 and why.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic

from pdemill.errors import PdemillError

PATIENCE_SECONDS = 60.0
"""A pulse that has not tried to beat for so long has stopped; one beat waits for the broker for a few seconds."""
READ_SECONDS = 5.0
OK = "ok"


class Pulse:
    """When the worker last said that it is alive, and what came of it."""

    def __init__(self) -> None:
        self._when: float | None = None
        self._said = "it is starting"

    def beat(self, said: str = OK) -> None:
        """Note that the worker has said so, or why that did not get through."""
        self._when, self._said = monotonic(), said

    def alive(self) -> str:
        """``ok``, or why the worker counts as dead."""
        silent = 0.0 if self._when is None else monotonic() - self._when
        return OK if silent <= PATIENCE_SECONDS else f"no pulse for {silent:.0f} s"

    def ready(self) -> str:
        """``ok``, or why it cannot take a shard."""
        return self._said if (alive := self.alive()) == OK else alive


pulse = Pulse()


def listen(port: int, away: Callable[[], str], host: str = "0.0.0.0") -> int:  # noqa: S104 - probes come from outside
    """Answer in a thread, to the end of the process; returns the port. ``away``: why the data directory cannot be used,
    if it cannot. Raises PdemillError where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS

        def do_GET(self) -> None:
            answers: dict[str, Callable[[], str]] = {
                "/healthz": pulse.alive, "/readyz": lambda: away() or pulse.ready(),
            }  # fmt: skip
            look = answers.get(self.path)
            said = "there is /healthz and /readyz" if look is None else look()
            body = f"{said}\n".encode()
            self.send_response(404 if look is None else 200 if said == OK else 503)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: probes come every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise PdemillError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --health-port") from None
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True, name="probes").start()
    return int(server.server_address[1])
