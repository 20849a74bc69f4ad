"""Frames on a pipe between processes: the length of a pickle in eight bytes, little-endian, and the pickle."""

from __future__ import annotations

import pickle
from typing import IO, Any

WIDTH = 8


def write_frame(out: IO[bytes], content: Any) -> None:
    """Send something to the parent."""
    data = pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    out.write(len(data).to_bytes(WIDTH, "little") + data)
    out.flush()


def read_frame(source: IO[bytes]) -> Any:
    """Read a worker's message; EOFError where it has ended."""
    size = source.read(WIDTH)
    if len(size) < WIDTH:
        raise EOFError
    return pickle.loads(source.read(int.from_bytes(size, "little")))
