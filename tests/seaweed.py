"""A SeaweedFS server: an S3 server that runs here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.shared import seaweed as server
from benchmarks.shared.seaweed import KEYS, environment

__all__ = ["KEYS", "environment", "seaweed"]


@contextmanager
def seaweed(folder: Path, *buckets: str) -> Iterator[str]:
    """The address of a server that takes the keys of KEYS only, and has some buckets. Skips where there is none."""
    if server.WEED is None:
        pytest.skip("SeaweedFS is not installed here")
    with server.seaweed(folder, *buckets) as found:
        yield found.address
