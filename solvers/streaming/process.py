"""A process that solves blocks of a stream into memory that it shares with its parent."""

from __future__ import annotations

import json
import mmap
import os
import sys
from importlib import import_module

from pdemill.errors import PdemillError
from pdemill.process import die_with_parent
from pdemill.spec.load import validate


def main() -> None:
    """``python -m pdemill.solvers.streaming.process PARENT_PID HANDLE``; the first line on the input is the stream."""
    die_with_parent(int(sys.argv[1]))
    memory = memoryview(mmap.mmap(int(sys.argv[2]), 0))
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        told = json.loads(sys.stdin.readline())
        module, name = told["kind"]
        blocks = getattr(import_module(module), name)(validate(told["spec"]), told["split"], told["method"])
        for line in sys.stdin:
            asked = json.loads(line)
            failed = blocks.solve(asked["block"], blocks.shape.views(memory[asked["place"] :]))
            out.write(json.dumps({"failed": failed}) + "\n")
            out.flush()
    except PdemillError as error:
        out.write(json.dumps({"error": str(error), "kind": type(error).__name__}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
