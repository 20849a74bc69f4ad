"""``python -m pdemill.service.openapi > docs/openapi.json``: the description of the API, as the tests hold it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from pdemill.service.app import create
from pdemill.settings import Settings


def main() -> None:
    """Print the description, sorted, so that a change shows as a change."""
    with tempfile.TemporaryDirectory() as folder:
        app = create(Settings(data_dir=Path(folder)))
        json.dump(app.openapi(), sys.stdout, indent=1, sort_keys=True)
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
