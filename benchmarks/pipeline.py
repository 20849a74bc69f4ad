"""What everything around the solves costs: fno-darcy at 128 x 128, one worker, process CPU time per sample.

Prints the median of several runs of one shard for each step, and its share of the time that MUMPS takes for the solves
(Cholesky, analysis reused, the fastest of its orderings). "refine" are the samples that are solved again on the finer
grid to estimate the discretisation error. ``python benchmarks/pipeline.py [--samples N] [--repeats R]``
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

from collections import defaultdict  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

import zarr  # noqa: E402

from pdemill.spec import load_preset  # noqa: E402
from solvers.work import open_work, work_on  # noqa: E402

STEPS = ("sample", "order", "assemble", "solve", "certify", "store", "write", "refine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    spec = load_preset("fno-darcy", [f"samples={options.samples}", "solver.method=direct"])
    runs = []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            job, store = open_work(Path(folder), spec)
            store.create()
            total: dict[str, float] = defaultdict(float)
            for shard in store.missing():
                manifest = work_on(job, store, shard, 1, lambda progress: None)
                for step, seconds in manifest.run["cpu_seconds"].items():
                    total[step] += seconds
            runs.append(total)
    each = {step: 1e3 * median(run[step] for run in runs) / options.samples for step in STEPS}
    print("| step | ms per sample | share of the solves |")
    print("|---|---|---|")
    for step, milliseconds in each.items():
        print(f"| {step} | {milliseconds:.3f} | {100 * milliseconds / each['solve']:.1f} % |")
    around = sum(milliseconds for step, milliseconds in each.items() if step != "solve")
    print(f"| all but solve | {around:.3f} | {100 * around / each['solve']:.1f} % |")
    print(f"\npeak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
