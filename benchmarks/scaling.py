"""Scaling: what a sample costs against the cells, the samples of a job and the workers, step by step.

Whole jobs through `pdemill.generate`; the steps are the CPU times in the manifests. Error estimates are left out, which
are four samples of a split, however long it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

import pdemill
from benchmarks.shared.report import Report, arguments
from pdemill.store.manifest import FOLDER

RULE = (
    "CPU time of the steps as the manifests of a job tell it, divided by its samples; medians over the rounds, in "
    "which all jobs of a table take turns. Small jobs before do not count."
)
STEPS = ("sample", "order", "assemble", "solve", "certify", "store", "write")
CELLS = {32: 128, 64: 128, 128: 64, 256: 24, 512: 8}
"""Samples by cells along an axis."""
SAMPLES = (1, 4, 16, 64, 256)
REUSED = {
    "fno-darcy, direct: analysis": ("fno-darcy", "{method: direct}"),
    "skr-thermal, direct: factors": ("skr-thermal", "{method: direct}"),
    "skr-thermal, skr: recycled space": ("skr-thermal", "{method: skr, preconditioner: icc}"),
}
ESTIMATED = "solver.trial=never"
"""Trials depend on the length of a job, which varies here."""
WORKERS = (1, 2)


def job(preset: str, samples: int, *settings: str, workers: int = 0) -> dict[str, float]:
    """Milliseconds of every step per sample of one job, and ``wall``."""
    spec = pdemill.preset(preset, [f"samples={samples}", "certify.refine=0", *settings])
    with tempfile.TemporaryDirectory() as folder:
        summary = pdemill.generate(spec, folder, workers=workers)
        manifests = [json.loads(path.read_bytes()) for path in (Path(folder) / FOLDER).glob("*-*.json")]
    assert summary.ok, summary.failures
    total = {
        step: sum(manifest["run"]["cpu_seconds"].get(step, 0.0) for manifest in manifests) for step in STEPS
    } | {"wall": summary.seconds}  # fmt: skip
    return {step: 1e3 * seconds / samples for step, seconds in total.items()}


def turns(jobs: Mapping[int, Callable[[], dict[str, float]]], rounds: int) -> dict[int, dict[str, float]]:
    """The medians of jobs that take turns."""
    runs: dict[int, list[dict[str, float]]] = {key: [] for key in jobs}
    for _ in range(rounds):
        for key, run in jobs.items():
            runs[key].append(run())
    return {key: {step: median(run[step] for run in some) for step in some[0]} for key, some in runs.items()}


def by_cells(report: Report, cells: dict[int, int], rounds: int) -> None:
    """Against the resolution."""
    jobs = {n: partial(job, "fno-darcy", cells[n], ESTIMATED, f"problem.resolution=[{n}, {n}]") for n in cells}
    found = turns(jobs, rounds)
    title = "fno-darcy, auto: ms per sample against the cells along an axis"
    table = report.table(title, "cells", "samples", *STEPS, "all", "µs per cell")
    for n, steps in found.items():
        total = sum(steps[step] for step in STEPS)
        table.add(n, cells[n], *(steps[step] for step in STEPS), total, 1e3 * total / n**2)
        report.records.append({"table": "cells", "cells": n, "samples": cells[n], **steps})
    report.figure("cells", stacked(found))


def stacked(found: dict[int, dict[str, float]]) -> Figure:
    """Steps upon each other, per cell, so that perfect scaling is level."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    ax: Any = figure.subplots()
    names, bottom = [f"{n}²" for n in found], [0.0] * len(found)
    for step in STEPS:
        heights = [1e3 * steps[step] / n**2 for n, steps in found.items()]
        ax.bar(names, heights, bottom=bottom, label=step)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    ax.set_ylabel("CPU µs per cell and sample")
    ax.legend(fontsize=8)
    return figure


def by_samples(report: Report, counts: Sequence[int], settings: dict[str, list[str]], rounds: int) -> None:
    """Against the length of a shard."""
    table = report.table("Solves: ms per sample against the samples of a shard", "what is kept", *map(str, counts))
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    ax: Any = figure.subplots()
    for name, (preset, solver) in REUSED.items():
        given = [f"solver={solver}", *settings.get(preset, [])]
        job(preset, 2, *given)
        found = turns({n: partial(job, preset, n, *given) for n in counts}, rounds)
        table.add(name, *(found[n]["solve"] for n in counts))
        report.records += [{"table": "samples", "job": name, "samples": n, **found[n]} for n in counts]
        ax.plot(counts, [found[n]["solve"] for n in counts], "o-", label=name)
    ax.set(xscale="log", yscale="log", xlabel="samples of a shard", ylabel="CPU ms per solve")
    ax.legend(fontsize=8)
    report.figure("samples", figure)


def by_workers(report: Report, samples: int, settings: Sequence[str], rounds: int) -> None:
    """Against the processes; the only table with wall clocks, so it is worth something on an idle machine only."""
    shard = max(1, samples // 16)
    jobs = {
        n: partial(job, "fno-darcy", samples, f"store.shard={shard}", ESTIMATED, *settings, workers=n) for n in WORKERS
    }
    found = turns(jobs, rounds)
    table = report.table(
        f"fno-darcy, {samples} samples in shards of {shard}: ms per sample against the workers",
        "workers", "wall", "CPU of the steps", "samples per second", "faster",
        note="Wall clock with the start of the processes. The rest is what the workers' own clocks tell.",
    )  # fmt: skip
    for n, steps in found.items():
        cpu = sum(steps[step] for step in STEPS)
        table.add(n, steps["wall"], cpu, 1e3 / steps["wall"], found[WORKERS[0]]["wall"] / steps["wall"])
        report.records.append({"table": "workers", "workers": n, "samples": samples, **steps})


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--samples", type=int, default=2000, help="of the job for several workers (2000)")
    options = parser.parse_args(given)
    cells, samples = CELLS, options.samples
    counts: Sequence[int] = SAMPLES
    settings: dict[str, list[str]] = {}
    if options.quick:
        cells, counts, samples = {16: 4, 24: 4}, (1, 4), 16
        settings = {"fno-darcy": ["problem.resolution=[16, 16]"], "skr-thermal": ["problem.resolution.h=0.1"]}
    with Report("scaling", {"rounds": options.rounds, "samples": samples}, options.out, RULE) as report:
        job("fno-darcy", 8, ESTIMATED, *settings.get("fno-darcy", []))
        by_cells(report, cells, options.rounds)
        by_samples(report, counts, settings, options.rounds)
        by_workers(report, samples, settings.get("fno-darcy", []), options.rounds)


if __name__ == "__main__":
    main()
