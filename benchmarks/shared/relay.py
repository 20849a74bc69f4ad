"""A network of one's own between the broker and a worker: it can be cut, and connections on it can be forgotten."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Self

STEP_SECONDS = 0.05


class Relay:
    """Passes on what is sent between a port of the loopback and the broker's socket, in a thread; a context manager."""

    def __init__(self, path: str) -> None:
        self._path, self._listener = path, socket.create_server(("127.0.0.1", 0))
        self._peers: dict[socket.socket, socket.socket | None] = {}
        self._near: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._end, self._silent, self._refuse, self._forget = Event(), Event(), Event(), Event()
        self._thread = Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._end.set()
        self._thread.join()
        for link in [self._listener, *self._peers]:
            link.close()
        self._selector.close()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Pass nothing on while the block runs; nobody is told."""
        self._silent.set()
        try:
            yield
        finally:
            self._silent.clear()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """End all connections, and all new ones, while the block runs, as a broker does that is started again."""
        self._refuse.set()
        while self._peers:
            time.sleep(STEP_SECONDS)
        try:
            yield
        finally:
            self._refuse.clear()

    def forget(self) -> None:
        """Leave all connections half open, as when the broker's host has lost its power: what is sent on them is
        swallowed, and nothing comes back."""
        self._forget.set()

    def _run(self) -> None:
        while not self._end.is_set():
            if self._silent.is_set():
                time.sleep(STEP_SECONDS)
                continue
            if self._refuse.is_set():
                for link in list(self._peers):
                    self._close(link)
            if self._forget.is_set():
                self._forget.clear()
                for link in list(self._near):
                    self._part(link)
            for key, _ in self._selector.select(STEP_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        if self._refuse.is_set():
            near.close()
            return
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._path)
        except OSError:
            near.close()
            far.close()
            return
        self._near.add(near)
        for link, peer in ((near, far), (far, near)):
            self._peers[link] = peer
            self._selector.register(link, selectors.EVENT_READ)

    def _pass_on(self, link: socket.socket) -> None:
        peer = self._peers[link]
        try:
            data = link.recv(2**16)
            if data and peer is not None:
                peer.sendall(data)
        except OSError:
            data = b""
        if not data:
            for one in (link, peer):
                if one is not None:
                    self._close(one)

    def _part(self, near: socket.socket) -> None:
        """Close the broker's side of a connection, and keep the other one open."""
        far, self._peers[near] = self._peers[near], None
        if far is not None:
            self._close(far)

    def _close(self, link: socket.socket) -> None:
        with suppress(KeyError):
            self._selector.unregister(link)
        self._peers.pop(link, None)
        self._near.discard(link)
        link.close()
