"""A process that labels samples: takes requests as JSON lines on its input, gives pickled samples on its output."""

from __future__ import annotations

import json
import os
import sys

from pdemill.errors import PdemillError
from pdemill.process import die_with_parent
from pdemill.solvers.walks.frames import write_frame
from pdemill.solvers.walks.fresh import Fresh
from pdemill.spec.load import validate


def main() -> None:
    """``python -m pdemill.solvers.walks.label_worker PARENT_PID``; the first line on the input is the spec."""
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
