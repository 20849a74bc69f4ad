"""A process that labels samples: takes requests as JSON lines on its input, gives pickled samples on its output.

A frame on the output is the length of a pickle in eight bytes, little-endian, and the pickle: a sample, or an error.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from typing import IO, Any

from pdemill.errors import PdemillError
from pdemill.process import die_with_parent
from pdemill.spec.load import validate
from solvers.walks.fresh import Fresh

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


def main() -> None:
    """``python -m solvers.walks.label_worker PARENT_PID``; the first line on the input is the spec."""
    die_with_parent(int(sys.argv[1]))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        fresh = Fresh(validate(json.loads(sys.stdin.readline())))
        for line in sys.stdin:
            request = json.loads(line)
            write_frame(out, fresh.sample(request["split"], request["epoch"], request["sample"]))
    except PdemillError as error:
        write_frame(out, error)


if __name__ == "__main__":
    main()
