"""``python -m pdemill.workers [--concurrency N]``: a worker; ends with the process given as PDEMILL_PARENT, if any."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from logging import getLogger
from pathlib import Path

from redis import RedisError

from pdemill.broker import advice, connect, refusal
from pdemill.data_directory import DataDirectory
from pdemill.errors import PdemillError
from pdemill.process import ONE_THREAD, die_with_parent, module_command
from pdemill.settings import Settings
from pdemill.workers.probe import listen


def main() -> None:
    """Run a Celery worker with the options that its tasks rely on."""
    parser = argparse.ArgumentParser(prog="python -m pdemill.workers", description="Solve shards from the queue.")
    parser.add_argument("--concurrency", type=int, default=1, help="shards solved at a time")
    parser.add_argument("--nice", type=int, default=0, help="give way to the API and the broker on the same machine")
    parser.add_argument("--health-port", type=int, help="answer /healthz and /readyz there, to any address")
    options = parser.parse_args()
    os.nice(options.nice)
    if parent := os.environ.get("PDEMILL_PARENT"):
        die_with_parent(int(parent))
    os.environ.update(ONE_THREAD)
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    try:
        settings = Settings.read()
        directory = DataDirectory(settings.data_dir, settings.data_id)
        here = isinstance(settings.data_dir, Path)
        if options.health_port is not None:
            listen(options.health_port, directory.trouble if here else lambda: "")
    except PdemillError as error:
        sys.exit(f"error: {error}")
    if here:
        directory.wait(getLogger("pdemill.worker"))
    else:  # this process must not ask for objects itself: those that it forks could not do so any more
        told = subprocess.run(module_command("pdemill.workers.marker"), stdout=subprocess.PIPE, check=True, text=True)
        os.environ["PDEMILL_DATA_ID"] = told.stdout.strip()
    try:
        connect(settings).ping()
    except RedisError as error:
        if advice(error):  # others are waited out
            sys.exit(f"error: {refusal(error, settings)}")
    import pdemill.workers.tasks  # noqa: F401 - Celery would look for it in the current folder first
    from pdemill.workers.app import app  # late: Celery reads REMAP_SIGTERM when it is imported

    app.worker_main([
        "--quiet", "worker", "--pool", "prefork", "--concurrency", str(options.concurrency),
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
