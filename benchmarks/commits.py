"""Shards per second that processes write into one store whose disk takes 20 ms per fsync: ``benchmarks/commits.py``.

The shards hold one sample each and are solved before the clock runs. Needs a C compiler, for an fsync that only waits.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pdemill.solvers.opening import open_work
from pdemill.spec import validate

SOURCE = Path(__file__).parents[1] / "tests" / "end_to_end" / "locks.c"
WRITE = """
import sys
from pathlib import Path
from pdemill.store.disk import Lock
from pdemill.solvers.opening import open_work
root, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Lock(root, shared=True):
    job, store = open_work(root)
    shards = list(store.layout.shards())[first : first + count]
    data = [job.solve(shard, lambda progress: None)[0] for shard in shards]
    print("ready", flush=True)
    sys.stdin.readline()
    for shard, rows in zip(shards, data):
        store.commit(shard, rows)
"""


def rate(folder: Path, library: Path, processes: int, shards: int, milliseconds: int) -> float:
    """Shards per second."""
    root = folder / f"{processes}.zarr"
    root.mkdir()
    spec = {"problem": {"family": "poisson", "resolution": [8, 8], "source": {"uniform": [0, 1]}},
            "samples": shards * processes, "solver": {"method": "fft"}, "store": {"shard": 1}}  # fmt: skip
    open_work(root, validate(spec))[1].create()
    environment = {**os.environ, "LD_PRELOAD": str(library), "SLOW_SYNC": str(milliseconds)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(root), str(number * shards), str(shards)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )
        for number in range(processes)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    begin = time.perf_counter()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert all(writer.wait() == 0 for writer in writers)
    return processes * shards / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description="Shards per second on a slow disk, by processes.")
    parser.add_argument("--shards", type=int, default=8, help="per process")
    parser.add_argument("--milliseconds", type=int, default=20, help="per fsync")
    options = parser.parse_args()
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("needs a C compiler")
    with tempfile.TemporaryDirectory() as name:
        library = Path(name) / "slow.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        first = 0.0
        for processes in (1, 2, 4):
            found = rate(Path(name), library, processes, options.shards, options.milliseconds)
            first = first or found
            print(f"{processes} processes: {found:.2f} shards/s, {found / first:.2f} times one")


if __name__ == "__main__":
    main()
