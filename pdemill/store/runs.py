"""Which run made which shard: runs of a store are numbered, and manifests tell the number and when the run began."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pdemill.errors import StoreBusy
from pdemill.store.disk import Disk, Readable
from pdemill.store.manifest import FOLDER
from pdemill.store.placing import make_folders, write_durably

FILE = f"{FOLDER}/run"
"""The last run of a store; nothing in the store depends on it."""
RUN = "run"
"""The key of a manifest's ``run`` that tells it."""


def begin_run(disk: Disk) -> None:
    """Number a run that is to make shards: one more than the last."""
    make_folders(disk, FOLDER)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    while True:
        told = {"number": last_run(disk).get("number", 0) + 1, "began": began}
        try:
            write_durably(disk, FILE, (json.dumps(told) + "\n").encode())
        except StoreBusy:
            continue  # another run that begins now has the number
        return


def last_run(disk: Readable) -> dict[str, Any]:
    """``number`` and ``began`` of the last run; nothing where none is told, or not in this form."""
    try:
        told = json.loads(disk.read(FILE))
    except (FileNotFoundError, ValueError):
        return {}
    return told if is_run(told) else {}


def is_run(told: object) -> bool:
    """Whether this is what is told of a run."""
    return (
        isinstance(told, dict)
        and told.keys() == {"number", "began"}
        and isinstance(told["number"], int)
        and told["number"] >= 0
        and isinstance(told["began"], str)
    )
