"""Trajectories at equal measured error: pdemill, exponax, and the schemes of published scripts.

For every case all begin with the same fields and must be as near to a far finer reference at the end as the published
script is (1e-5 where there is none, 1e-9 at the least), every sample. pdemill's kernel and exponax take the largest
fixed step, out of four per octave, that is. End to end pdemill finds its steps by itself, by its estimates, and that
bound is its time_rtol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import zarr

import pdemill
from benchmarks.shared.evolving import MISSING, CrankNicolsonEuler, exponax, has_exponax, radau
from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.grid import Spectra
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.threads import one_thread
from pdemill.solvers.trajectories.ladder import fields_of, marched
from pdemill.spec import validate

RULE = (
    "Process CPU time of one thread, after a run that does not count; contestants take turns for several rounds, and a "
    "figure is the median, divided by the number of trajectories. Errors are relative 2-norms at the end against a run "
    "with steps so small that halving them moved less than a twentieth of the bound; the worst sample counts."
)
BOUND, LEAST, REFERENCE = 1e-5, 1e-9, 20.0
FEWEST, MOST = 4, 2**12
"""Steps that are tried first, and how many times that are tried at the most."""
EXTRAPOLATED = 2000
"""Steps of a script that are timed; their number is known."""


@dataclass(frozen=True)
class Case:
    """A preset until some time on its resolved grid. ``script``: whose scheme is compared; ``coarser``: its error is
    that with steps so many times as long, divided by it (it is of first order)."""

    name: str
    preset: str
    end: float
    samples: int
    stored: int
    script: str = ""
    coarser: int = 1
    points: int | None = None


CASES = (
    Case("NS 64², ν = 1e-3, T = 1", "fno-ns-1e-3", 1.0, 8, 32, "FNO"),
    Case("NS 64², ν = 1e-3, T = 50", "fno-ns-1e-3", 50.0, 4, 8, "FNO", 10),
    Case("NS 256², ν = 1e-4, T = 1", "fno-ns-1e-4", 1.0, 2, 4, points=256),
    Case("KS 256, L = 64, T = 20", "lpsda-ks", 20.0, 32, 64, "LPSDA"),
    Case("Burgers 1024, ν = 1e-3, T = 1", "fno-burgers-script", 1.0, 32, 64),
    Case("NS 160², ν = 1e-4, T = 30", "fno-ns-1e-4", 30.0, 2, 2, "FNO", 10, 160),
    Case("NS 320², ν = 1e-5, T = 20", "fno-ns-1e-5", 20.0, 1, 1, "FNO", 10, 320),
)
QUICK = (
    Case("NS 64², ν = 1e-3, T = 0.2", "fno-ns-1e-3", 0.2, 2, 2, "FNO"),
    Case("KS 64, L = 64, T = 1", "lpsda-ks", 1.0, 8, 8, points=64),
)


@dataclass
class Runner:
    """The contestants of one case, and their reference."""

    case: Case

    def __post_init__(self) -> None:
        problem = pdemill.preset(self.case.preset)["problem"]
        if self.case.points:
            problem["resolution"] = [self.case.points] * len(problem["resolution"])
        problem["time"] = {"end": self.case.end, "intervals": 1}
        self.problem = problem
        self.job = self.opened(BOUND)
        self.starts = [self.job.start_of(self.job.instance("train", n), n) for n in range(self.case.samples)]
        self.fields = self.job.grid.fields(np.stack([one.state for one in self.starts]))
        self.force = self.job.grid.fields(self.starts[0].equation.forcing[None])[0]
        self.bound, self.script = BOUND, (float("nan"), float("nan"), float("nan"))

    def opened(self, bound: float, samples: int = 1, **solver: Any) -> SpectralJob:
        """The job of so many samples with this bound for their errors in time."""
        job = open_job(validate(self.spec(bound, samples, **solver)))
        assert isinstance(job, SpectralJob)
        return job

    def spec(self, bound: float, samples: int, **solver: Any) -> dict[str, Any]:
        """The spec of so many samples; in float64 where float32 would not hold them."""
        return {
            "problem": self.problem,
            "solver": {"method": "etdrk4", "time_rtol": bound, **solver},
            "samples": samples,
            "seed": 0,
            "certify": {"refine": 0},
            "store": {"dtype": "float32" if bound > 1e-6 else "float64"},
        }  # fmt: skip

    def kernel(self, steps: int) -> Callable[[], Spectra]:
        """pdemill's march alone, from coefficients to coefficients."""
        job, parts = self.job, []
        for begin in range(0, len(self.starts), job.together):
            part = self.starts[begin : begin + job.together]
            parts.append((job.march([one.equation for one in part]), np.stack([one.state for one in part])))

        def run() -> Spectra:
            ends = []
            with np.errstate(over="ignore", invalid="ignore"):
                for march, states in parts:
                    u = states.copy()
                    march.advance(u, self.case.end, steps)
                    ends.append(u)
            return np.concatenate(ends)

        return run

    def error(self, fields: Array) -> float:
        """The worst relative error of states at the end, of the first samples."""
        exact = self.exact[: len(fields)]
        axes = tuple(range(1, exact.ndim))
        with np.errstate(over="ignore", invalid="ignore"):
            apart = np.square(fields - exact).sum(axis=axes)
            found = np.sqrt(apart / np.square(exact - exact.mean(axis=axes, keepdims=True)).sum(axis=axes))
        return float(np.where(np.isfinite(found), found, np.inf).max())

    def refer(self, first: int) -> None:
        """Find the reference: halve the step until that moves next to nothing."""
        steps, before = first, None
        while steps <= MOST * first:
            states = self.job.grid.fields(self.kernel(steps)())
            if before is not None:
                self.exact = states
                if self.error(before) < self.bound / REFERENCE:
                    return
            steps, before = 2 * steps, states
        raise ValueError(f"{self.case.name}: halving the step moves more than {self.bound / REFERENCE:.1e} for ever")

    def fewest(self, make: Callable[[int], Callable[[], Array]], first: int) -> int:
        """The fewest steps, out of four per octave, with which every sample is within the bound."""
        octave = first
        while self.error(make(octave)()) > self.bound:
            octave *= 2
            if octave > MOST * first:
                raise ValueError(f"{self.case.name}: no step comes within {self.bound:.1e} of the reference")
        for part in (0.5, 0.625, 0.75, 0.875):
            steps = max(1, round(part * octave))
            if self.error(make(steps)()) <= self.bound:
                return steps
        return octave

    def published(self) -> None:
        """The step, the error and the seconds of the script; its error is the bound for all."""
        case, field = self.case, self.fields[0]
        if case.script == "FNO":
            script = CrankNicolsonEuler(len(field), float(self.problem["viscosity"]), self.force)
            steps = round(case.end / script.step)
            timed = min(steps, EXTRAPOLATED)
            begin = process_time()
            script.run(field, timed, script.step)
            seconds = (process_time() - begin) * steps / timed
            found = script.run(field, round(steps / case.coarser), case.coarser * script.step)
            step, coarser = script.step, case.coarser
        else:
            begin = process_time()
            found = radau(field, self.job.grid.lengths[0], case.end)
            seconds, step, coarser = process_time() - begin, float("nan"), 1
        self.bound = 1e-7
        self.refer(64)
        error = self.error(found[None]) / coarser
        self.script, self.bound = (step, error, seconds), max(error, LEAST)

    def rival(self, steps: int) -> Callable[[], Array]:
        """exponax with so many steps."""
        numbers = {"viscosity": float(self.problem["viscosity"])} if "viscosity" in self.problem else {}
        grid, end = self.job.grid, self.case.end
        run = exponax(self.problem["family"], grid.lengths[0], grid.shape[0], self.force, end / steps, steps, **numbers)
        return lambda: run(self.fields)

    def once(self, steps: int) -> Callable[[], Array]:
        """Drawn, marched once, and turned into what is stored; no certificate."""
        step = self.case.end / steps
        job = self.opened(self.bound, self.case.stored, step=step)
        numbers = range(self.case.stored)

        def run() -> Array:
            starts = [job.start_of(job.instance("train", n), n) for n in numbers]
            frames = marched(job, starts, 1).frames
            return np.stack([fields_of(job, one).astype(job.spec.store.dtype) for one in frames])

        return run

    def certified(self, first_step: float, folder: Path) -> Callable[[], Path]:
        """From the spec to a store with certificates."""
        spec, made = self.spec(self.bound, self.case.stored, first_step=first_step), iter(range(10**6))

        def run() -> Path:
            root = folder / f"{next(made)}.zarr"
            pdemill.generate(spec, root, workers=0)
            return root

        return run


def timed(runs: Sequence[Callable[[], Any]], rounds: int) -> tuple[list[float], list[Any]]:
    """Median seconds of each, taking turns, and what each gave at first."""
    first = [run() for run in runs]
    spent: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds):
        for i in range(len(runs)):
            number = (i + turn) % len(runs)
            begin = process_time()
            runs[number]()
            spent[number].append(process_time() - begin)
    return [median(times) for times in spent], first


def measure(case: Case, rounds: int, report: Report, table: Any) -> None:
    """All rows of one case."""
    runner = Runner(case)
    if case.script:
        runner.published()
    runner.refer(16)
    own = runner.fewest(lambda steps: lambda: runner.job.grid.fields(runner.kernel(steps)()), FEWEST)
    near = max(FEWEST, FEWEST * 2 ** int(np.log2(max(own / FEWEST, 1.0))))  # the numbers tried are the same
    theirs = runner.fewest(runner.rival, near) if has_exponax() else None
    planning = process_time()
    plan = runner.opened(runner.bound, 4).plan()
    planning = process_time() - planning
    with TemporaryDirectory() as folder:
        runs: list[Callable[[], Any]] = [
            runner.kernel(own), runner.once(own), runner.certified(float(plan.method["first_step"]), Path(folder))
        ]  # fmt: skip
        if theirs is not None:
            runs.append(runner.rival(theirs))
        seconds, ends = timed(runs, rounds)
        root: Any = zarr.open_group(ends[2], mode="r")["train"]
        stored = np.asarray(root["solution"][: case.samples, 0, -1], dtype=np.float64)
        halved = float(np.median(root["steps"][:]))
    count = (case.samples, case.stored, case.stored, case.samples)
    spent = [1e3 * one / n for one, n in zip(seconds, count, strict=False)]
    rival = spent[3] if theirs is not None else float("nan")
    script = 1e3 * runner.script[2]
    rows: list[tuple[str, float, float, float]] = [
        ("pdemill, kernel", case.end / own, runner.error(runner.job.grid.fields(ends[0])), spent[0]),
        ("pdemill, drawn and marched once", case.end / own, runner.error(ends[1][: case.samples, 0, -1]), spent[1]),
        ("pdemill, store with certificates", case.end / halved, runner.error(stored), spent[2]),
    ]
    if theirs is not None:
        rows.append(("exponax, kernel", case.end / theirs, runner.error(ends[3]), rival))
    if case.script:
        rows.append((f"{case.script}'s scheme", *runner.script[:2], script))
    for number, (name, step, error, milliseconds) in enumerate(rows):
        title = case.name if number == 0 else ""
        table.add(title, name, step, f"{error:.1e}", milliseconds, rival / milliseconds, script / milliseconds)
        record = {"case": case.name, "contestant": name, "step": step, "error": error, "milliseconds": milliseconds}
        report.records.append({**record, "bound": runner.bound, "planning_seconds": planning})


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--case", action="append", metavar="TEXT", help="only the cases with this in their names")
    options = parser.parse_args(given)
    cases = QUICK if options.quick else CASES
    chosen = [case for case in cases if not options.case or any(part in case.name for part in options.case)]
    if not has_exponax():
        print(MISSING)
    with one_thread(), Report("time", {"rounds": options.rounds}, options.out, RULE) as report:
        table = report.table(
            "CPU ms per trajectory at equal measured error",
            "case", "contestant", "step", "error", "ms", "exponax / this", "script / this",
        )  # fmt: skip
        for case in chosen:
            measure(case, options.rounds, report, table)


if __name__ == "__main__":
    main()
