"""Measures each step: fno-darcy end to end, CPU time per sample by step, and memory over the job.

``python benchmarks/pipeline.py [--samples N] [--resolution R] [--workers W] [--method M]``

CPU seconds are those of the manifests: "order" are features and sorting, "refine" the samples that are solved again on
the finer grid to estimate the discretisation error, "store" the rows of a shard in memory. Memory is the largest
resident set of a worker, read while the job runs: by the end of each eighth of it.
"""

from __future__ import annotations

import argparse
import os
import tempfile

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

from pathlib import Path  # noqa: E402

from pdemill.progress import Tally  # noqa: E402
from pdemill.solvers.local.generate import generate  # noqa: E402
from pdemill.spec import load_preset  # noqa: E402

STEPS = ("sample", "order", "assemble", "solve", "certify", "refine", "store", "write")
LIMIT = 0.4
"""Milliseconds per sample that a step other than the solve should stay below at 128 x 128."""
PARTS = 8


class Memory:
    """The peak of a worker's resident set in MB, by part of the job; 0 until a part begins."""

    def __init__(self) -> None:
        self.peaks = [0.0] * PARTS

    def __call__(self, tally: Tally) -> None:
        part = min(PARTS - 1, PARTS * tally.done // tally.total)
        self.peaks[part] = max([self.peaks[part], *map(resident, processes())])


def processes() -> list[str]:
    """This process's children, or itself where it has none."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()] or ["self"]


def resident(process: str) -> float:
    """The resident set of a process in MB; 0 once it is gone."""
    try:
        pages = int(Path("/proc", process, "statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--method", default="auto")
    options = parser.parse_args()
    cells = options.resolution
    spec = load_preset(
        "fno-darcy",
        [f"samples={options.samples}", f"problem.resolution=[{cells},{cells}]", f"solver.method={options.method}"],
    )
    memory = Memory()
    with tempfile.TemporaryDirectory() as folder:
        summary = generate(spec, folder, options.workers, memory)
    each = {step: 1e3 * summary.cpu_seconds.get(step, 0.0) / options.samples for step in STEPS}
    print(f"fno-darcy, {options.samples} samples at {cells} x {cells}, {options.workers} workers\n")
    print("| step | ms per sample | share of the solves |")
    print("|---|---|---|")
    for step, milliseconds in each.items():
        print(f"| {step} | {milliseconds:.3f} | {100 * milliseconds / each['solve']:.1f} % |")
    around = sum(milliseconds for step, milliseconds in each.items() if step != "solve")
    print(f"| all but solve | {around:.3f} | {100 * around / each['solve']:.1f} % |")
    above = [step for step, milliseconds in each.items() if step != "solve" and milliseconds > LIMIT]
    print(f"\nsteps above {LIMIT} ms other than the solve: {', '.join(above) or 'none'}")
    print(f"wall clock: {summary.seconds:.1f} s, {options.samples / summary.seconds:.0f} samples per second")
    print(f"peak memory of a worker by eighth of the job, MB: {', '.join(f'{peak:.0f}' for peak in memory.peaks)}")


if __name__ == "__main__":
    main()
