"""A real API in a thread of the test, asked over plain sockets, so that nothing tidies up what is sent."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from http.client import HTTPResponse
from pathlib import Path
from secrets import token_hex
from shutil import copytree
from threading import Thread
from typing import Any

import yaml

from pdemill.service.app import create
from pdemill.service.connections import Limits
from pdemill.service.http import server
from pdemill.service.state import AppState
from pdemill.service.submission import queued
from pdemill.service.testing import until
from pdemill.settings import Settings
from pdemill.solvers.estimate import estimate
from pdemill.spec.load import load_spec

type Headers = Sequence[tuple[str, str]]

JSON: Headers = (("Content-Type", "application/json"),)
PROBLEM = "application/problem+json"
SECONDS = 20.0
"""How long the tests wait for an answer, the worst body and the worst spec included, before they give it up."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int
    """Bytes of the body that the server let us send."""
    private: str
    """The path of the data directory, which no error may tell."""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self, status: int, part: str = "") -> dict[str, Any]:
        """The problem in this answer, which must have this status, and ``part`` somewhere in its text."""
        assert self.status == status, f"{self.status}: {self.text[:500]}"
        assert self.headers["content-type"] == PROBLEM
        found: dict[str, Any] = self.json
        assert found["status"] == status
        assert found["detail"]
        assert part in self.text, self.text[:500]
        for secret in (self.private, "Traceback", "site-packages", ".py", "sqlite"):
            assert secret not in self.text, self.text[:500]
        return found

    def pointers(self) -> list[str]:
        """Where the faults of a refused spec are."""
        return [error["pointer"] for error in self.problem(422)["errors"]]


@dataclass(frozen=True)
class Api:
    """A running API."""

    settings: Settings
    state: AppState
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, head: str | bytes, body: Sequence[bytes] = (), tries: int = 5) -> Answer:
        """Send a head and pieces of a body as they are, until the server answers; then read the answer.

        A server that closes while data is on its way resets the connection, and the answer may be lost with it.
        """
        head = head.encode("latin-1") if isinstance(head, str) else head
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as link:
            try:
                return self._exchange(link, head, body)
            except ConnectionError:
                if tries == 1:
                    raise
        return self.send(head, body, tries - 1)

    def _exchange(self, link: socket.socket, head: bytes, body: Sequence[bytes]) -> Answer:
        link.sendall(head)
        sent = 0
        for piece in body:
            if select.select([link], [], [], 0.002 if sent else 0)[0]:
                break
            link.sendall(piece)
            sent += len(piece)
        with closing(HTTPResponse(link, method=head.partition(b" ")[0].decode("latin-1"))) as answer:
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read(), sent, str(self.settings.data_dir))

    def ask(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Answer:
        """One well-framed request; the target is sent as it is."""
        lines = [f"{method} {target} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}"]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.append("Host: localhost")
        lines += [f"{name}: {value}" for name, value in headers]
        return self.send("\r\n".join([*lines, "", ""]), [body] if body else [])

    def store(self, dataset: str) -> Path:
        """The folder of a store."""
        return Path(self.settings.store(dataset))

    def get(self, target: str, headers: Headers = ()) -> Answer:
        return self.ask("GET", target, headers)

    def post(self, target: str, value: Any, headers: Headers = ()) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", target, (*JSON, *headers), body)

    def finished(self, store: Path, owner: str = "anyone", **changes: Any) -> tuple[str, str]:
        """A finished job on a copy of ``store``: its id and that of its data set. ``changes``: in its row."""
        spec = load_spec(json.loads((store / "zarr.json").read_text())["attributes"]["spec"])
        made = queued(spec, estimate(spec))
        ended: dict[str, Any] = {
            "status": "successful",
            "done": spec.samples,
            "finished": time.time(),
            "id": token_hex(12),
        }
        dataset = replace(made, **(ended | changes))
        if isinstance(folder := self.settings.store(dataset.id), Path):
            copytree(store, folder)
        job, _ = self.state.ledger.submit(owner, dataset, None)
        return job.id, dataset.id


@contextmanager
def serving(settings: Settings, limits: Limits | None = None) -> Iterator[Api]:
    """The API on these settings, served as ``python -m pdemill.service`` does."""
    app = create(settings)
    api = server(app, settings, "127.0.0.1", 0, limits)
    thread = Thread(target=api.run)
    thread.start()
    try:
        until(lambda: api.started or not thread.is_alive(), SECONDS, "the API's start")
        assert api.started
        yield Api(settings, app.state.service, api.servers[0].sockets[0].getsockname()[1])
    finally:
        api.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive(), "the API does not stop"


def without_broker(folder: Path, **changes: Any) -> Settings:
    """Settings of an API whose broker is away: jobs are accepted, none is begun."""
    return replace(Settings(data_dir=folder, redis_url=f"unix://{folder}/no.sock"), **changes)


def keys_file(path: Path, **owners: Mapping[str, Any]) -> Path:
    """A file of keys; the key of an owner is ``key-of-OWNER``."""
    entries = [{"name": name, "sha256": sha256(key_of(name).encode()).hexdigest()} | dict(limits)
               for name, limits in owners.items()]  # fmt: skip
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return path


def key_of(owner: str) -> str:
    return f"key-of-{owner}"


def bearer(owner: str) -> Headers:
    return (("Authorization", f"Bearer {key_of(owner)}"),)
