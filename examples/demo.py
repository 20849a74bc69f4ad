"""The whole line, as a user would walk it: start a server, submit a preset over HTTP, follow it, look at the store.

``python examples/demo.py [FOLDER]`` leaves the server's data in FOLDER and a picture beside it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pdemill
from pdemill.service.testing import free_port

PRESET = "fno-darcy"
PDEMILL = [sys.executable, "-P", "-c", "from pdemill.cli import main; main()"]


def run(*words: str) -> None:
    """Show a command and run it."""
    print("$ pdemill", *words, flush=True)
    subprocess.run([*PDEMILL, *words], check=True)


def main() -> None:
    """Serve, submit, wait, inspect, stop."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    words = ["serve", "--data-dir", str(folder), "--workers", "2", "--port", port]
    print("$ pdemill", *words, "&", flush=True)
    server = subprocess.Popen([*PDEMILL, *words], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        for line in server.stderr:
            print(line, end="", flush=True)
            if line.startswith("pdemill serves"):
                break
        else:
            sys.exit(server.wait() or 1)
        run("submit", "--preset", PRESET, "--wait", "--server", url)
        with pdemill.Client(url) as client:
            store = next(client.jobs()).results()["store"]["path"]
        run("inspect", os.path.relpath(store), "--picture", f"{folder}.png")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


if __name__ == "__main__":
    main()
