"""Shards per second that processes write into one store whose disk takes 20 ms per fsync: ``benchmarks/commits.py``.

The shards hold one sample each and are solved before the clock runs. Needs a C compiler, for an fsync that only waits.
With ``--store s3://BUCKET/PREFIX`` the store is in a bucket of the server at AWS_ENDPOINT_URL, and 20 ms are what a
round trip to it takes longer, through a proxy: ``python -m benchmarks.commits --store ...``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

from benchmarks.shared.latency import delayed
from pdemill.addresses import Place
from pdemill.solvers.opening import open_work
from pdemill.spec import validate
from pdemill.store.places import below

SOURCE = Path(__file__).parents[1] / "tests" / "end_to_end" / "locks.c"
WRITE = """
import sys
from pdemill.addresses import home
from pdemill.solvers.local.generate import locked
from pdemill.solvers.opening import open_work
root, first, count = home(sys.argv[1], "the store"), int(sys.argv[2]), int(sys.argv[3])
with locked(root, shared=True):
    job, store = open_work(root)
    shards = list(store.layout.shards())[first : first + count]
    data = [job.solve(shard, lambda progress: None)[0] for shard in shards]
    print("ready", flush=True)
    sys.stdin.readline()
    for shard, rows in zip(shards, data):
        store.commit(shard, rows)
    print("written", flush=True)
"""


def rate(root: Place, changed: Mapping[str, str], processes: int, shards: int) -> float:
    """Shards per second, with a ``changed`` environment."""
    spec = {"problem": {"family": "poisson", "resolution": [8, 8], "source": {"uniform": [0, 1]}},
            "samples": shards * processes, "solver": {"method": "fft"}, "store": {"shard": 1}}  # fmt: skip
    open_work(root, validate(spec))[1].create()
    environment = {**os.environ, **changed}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(root), str(number * shards), str(shards)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )
        for number in range(processes)
    ]  # fmt: skip
    _await(writers, "ready")
    begin = time.perf_counter()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    _await(writers, "written")
    seconds = time.perf_counter() - begin
    assert all(writer.wait() == 0 for writer in writers)
    return processes * shards / seconds


def _await(writers: list[subprocess.Popen[str]], word: str) -> None:
    """Until all have said a word."""
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == f"{word}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Shards per second on a slow disk, by processes.")
    parser.add_argument("--shards", type=int, default=48, help="per process")
    parser.add_argument("--milliseconds", type=int, default=20, help="per fsync, or per round trip to a bucket")
    parser.add_argument("--store", help="s3://BUCKET/PREFIX: below it, instead of in a folder")
    options = parser.parse_args()
    with _far_bucket(options.store, options.milliseconds) if options.store else _slow_disk(options.milliseconds) as at:
        place, changed = at
        first = 0.0
        for processes in (1, 2, 4):
            root = below(place, f"{token_hex(4)}-{processes}.zarr")
            if isinstance(root, Path):
                root.mkdir()
            found = rate(root, changed, processes, options.shards)
            first = first or found
            print(f"{processes} processes: {found:.2f} shards/s, {found / first:.2f} times one", flush=True)


@contextmanager
def _slow_disk(milliseconds: int) -> Iterator[tuple[Place, dict[str, str]]]:
    """A folder, and the environment in which every fsync takes so long."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("needs a C compiler")
    with tempfile.TemporaryDirectory() as name:
        library = Path(name) / "slow.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        yield Path(name), {"LD_PRELOAD": str(library), "SLOW_SYNC": str(milliseconds)}


@contextmanager
def _far_bucket(address: str, milliseconds: int) -> Iterator[tuple[Place, dict[str, str]]]:
    """Objects of a bucket, and the environment in which its server is so far away."""
    server = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    assert server.hostname is not None
    assert server.port is not None
    with delayed(server.hostname, server.port, milliseconds / 1000) as port:
        yield address, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


if __name__ == "__main__":
    main()
