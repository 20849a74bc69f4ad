"""Solves one sample and draws it: a task as JSON on standard input, a PNG on standard output.

A process of its own, because it loads PETSc and may take too long; the API does neither.
"""

from __future__ import annotations

import json
import resource
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pdemill import arrays
from pdemill.errors import PdemillError
from pdemill.service.pages.pictures import paint
from pdemill.solvers.local.generate import generate
from pdemill.spec.load import validate

MOST_BYTES = 8 * 2**30
"""Of addresses, most of which compilers and solvers only reserve."""
REFUSED = 3


def main() -> None:
    """Do the task; exit with status 3 and a line that says why not."""
    task = json.load(sys.stdin)
    seconds = int(task["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform != "darwin":  # which refuses that
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for file in task["arrays"]:
        arrays.hold(np.load(BytesIO(b64decode(file)), allow_pickle=False))
    spec = validate(task["spec"])
    with TemporaryDirectory(prefix="pdemill-preview-") as folder:
        store = Path(folder) / "preview.zarr"
        try:
            summary = generate(spec, store, workers=0)
        except PdemillError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(REFUSED)
        if not summary.ok:
            sys.stderr.write(f"the first sample has no solution: {summary.failures[0].reason}\n")
            sys.exit(REFUSED)
        sys.stdout.buffer.write(paint(store, next(iter(spec.splits)), 0, task["theme"]))


if __name__ == "__main__":
    main()
