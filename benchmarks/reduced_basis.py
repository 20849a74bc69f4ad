"""Reduced bases: what a sample costs by `reduced_basis`, what is learnt beforehand included, beside `direct`.

Whole shards of a job, from drawn numbers to certified rows, as a worker solves them; only writing files is left out.
`direct` solves the first samples of the same job, and its time per sample is taken for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.report import Report, arguments
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.job import open_job
from pdemill.solvers.reduced.solver import State
from pdemill.solvers.threads import one_thread
from pdemill.spec import load_spec

HERE = Path(__file__).parent
RULE = (
    "Process CPU time of one thread: drawing, assembling, solving, certifying and flagging of all samples, and what is "
    "learnt beforehand. What is compiled or loaded once per process is not counted. Every sample is certified by the "
    "same rules; one that is not ends the benchmark."
)


@dataclass(frozen=True)
class Case:
    """A job of ``samples``; ``quick``: what makes it small."""

    name: str
    file: str
    samples: int
    options: tuple[str, ...] = ()
    quick: str = ""


CASES = (
    Case("waves, 64²", "waves.yaml", 1000, (), "problem.resolution=[24, 24]"),
    Case("waves, 256²", "waves.yaml", 1000, ("problem.resolution=[256, 256]",), "problem.resolution=[32, 32]"),
    Case("inclusions, h = 0.014", "inclusions.yaml", 1000, ("problem.resolution.h=0.014",), "problem.resolution.h=0.1"),
    Case("plates, h = 0.006", "plates.yaml", 1000, (), "problem.resolution.h=0.1"),
    Case("blocks, h = 0.04", "blocks.yaml", 1000, (), "problem.resolution.h=0.5"),
)


@dataclass(frozen=True)
class Run:
    """``seconds`` of a job, ``certifying`` of them; ``vectors`` of its basis, and the mean ``steps`` of its samples."""

    seconds: float
    certifying: float
    steps: float
    vectors: int
    unknowns: int
    numbers: int


def run(case: Case, method: str, samples: int, options: Sequence[str]) -> Run:
    """The shards of the first so many samples."""
    warm = _opened(case, [case.quick, "solver={method: direct}", "samples=1"])
    solve_shard(warm, next(warm.layout.shards()), lambda progress: None)
    given = [*options, f"solver={{method: {method}}}", f"samples={samples}"]
    job, seconds, certifying, steps = _opened(case, given), 0.0, 0.0, []
    for shard in job.layout.shards():
        data, watch = solve_shard(job, shard, lambda progress: None)
        if data.failures:
            raise RuntimeError(f"{case.name} by {method}: {data.failures[0]}")
        seconds += sum(watch.seconds.values())
        certifying += watch.seconds["certify"]
        steps.append(np.asarray(data.arrays["iterations"]))
    states: list[Any] = [one for one in job.kept.values() if isinstance(one, State)]
    vectors = states[0].basis.rows.count if states else 0
    numbers, unknowns = job.problem.properties.numbers or 0, job.discretisation.pattern.size
    return Run(seconds, certifying, float(np.concatenate(steps).mean()), vectors, unknowns, numbers)


def _opened(case: Case, options: Sequence[str]) -> FieldJob:
    """As a worker opens it: with what the first sample of a form shows of its matrices."""
    job = open_job(load_spec(HERE / case.file, options))
    assert isinstance(job, FieldJob)
    return job


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--samples", type=int, help="samples of each job (1,000)")
    parser.add_argument("--direct", type=int, default=128, help="samples that direct solves (128)")
    parser.add_argument("--only", metavar="TEXT", default="", help="the jobs whose names begin so")
    options = parser.parse_args(given)
    with one_thread(), Report("reduced_basis", {"samples": options.samples or "as told"}, options.out, RULE) as report:
        table = report.table(
            "One job", "job", "unknowns", "numbers", "samples", "vectors", "steps", "ms a sample", "of it certifying",
            "direct: ms", "of it certifying", "direct / reduced_basis",
        )  # fmt: skip
        for case in CASES:
            if not case.name.startswith(options.only):
                continue
            samples = options.samples or (48 if options.quick else case.samples)
            own = (case.quick,) if options.quick else case.options
            ours = run(case, "reduced_basis", samples, own)
            few = min(options.direct, samples)
            theirs = run(case, "direct", few, own)
            each, other = 1e3 * ours.seconds / samples, 1e3 * theirs.seconds / few
            certified = 1e3 * ours.certifying / samples, 1e3 * theirs.certifying / few
            table.add(
                case.name, ours.unknowns, ours.numbers, samples, ours.vectors, ours.steps, each, certified[0], other,
                certified[1], other / each,
            )  # fmt: skip
            report.records.append({"case": case.name, "reduced_basis": each, "direct": other, "vectors": ours.vectors})


if __name__ == "__main__":
    main()
