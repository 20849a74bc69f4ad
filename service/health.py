"""``python -m pdemill.service.health [--port PORT]``: exit status 0 if the API on this host answers, for a container.

It runs twice a minute, so it imports next to nothing.
"""

import argparse
import sys
from http.client import HTTPConnection, HTTPException


def main() -> None:
    """Ask for ``/healthz``. A refusal is an answer too: this host's name need not be an allowed one."""
    parser = argparse.ArgumentParser(prog="python -m pdemill.service.health", description="Whether the API answers.")
    parser.add_argument("--port", type=int, default=8000)
    api = HTTPConnection("127.0.0.1", parser.parse_args().port, timeout=5)
    try:
        api.request("GET", "/healthz")
        status = api.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"error: {error}")
    if status >= 500:
        sys.exit(f"error: /healthz answered {status}")


if __name__ == "__main__":
    main()
