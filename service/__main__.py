"""``python -m pdemill.service [--host HOST] [--port PORT]``: the API; ends with its PDEMILL_PARENT, if any."""

from __future__ import annotations

import argparse
import os
import sys

from pdemill.errors import PdemillError
from pdemill.logs import set_up_logs
from pdemill.process import die_with_parent
from pdemill.service.app import create
from pdemill.service.http import server
from pdemill.settings import Settings


def main() -> None:
    """Serve the API until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m pdemill.service", description="The HTTP service.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if parent := os.environ.get("PDEMILL_PARENT"):
        die_with_parent(int(parent))
    try:
        settings = Settings.read()
        settings.check_host(options.host)
        set_up_logs(settings)
        app = create(settings)
    except PdemillError as error:
        sys.exit(f"error: {error}")
    api = server(app, settings, options.host, options.port)
    api.run()
    if not api.started:
        sys.exit(3)


if __name__ == "__main__":
    main()
