"""Nonlinear diffusion at equal measured error: steady, by pdemill and DOLFINx with PETSc's SNES; in time, by SciPy too.

-div((1 + u²) grad u) = f with u = a sin(πx) sin(πy), a drawn from [1, 3]. DOLFINx has bilinear elements on the coarsest
grid of multiples of eight cells on which its error is no larger than pdemill's; forms are compiled once.

In time, u_t = div((1 + u²) grad u) without flux through the sides, by pdemill with both runs of the pair that gives the
error, and by SciPy's BDF on the same cells with the exact sparse Jacobian, at the loosest of half decades of rtol that
comes as near to a run with a quarter of our step. SciPy does not know its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.boxes import Case
from benchmarks.boxes import opened as stepping
from benchmarks.shared import elements
from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.sequence import Label
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.threads import one_thread
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import Start
from pdemill.solvers.trajectories.ladder import Trajectory, fields_of, marched, trajectories
from pdemill.spec import validate

RULE = (
    "Process CPU time of one thread per sample: residuals, Jacobians, all systems; of pdemill also the certificate. "
    "After a run that does not count contestants take turns for several rounds, and a figure is the median. Nonlinear "
    "residuals fall to 1e-8. Errors: relative 2-norm against the exact solution, the worst sample."
)
SAMPLES, COMPARED = 8, 3
"""Samples, and those that DOLFINx solves."""
PRODUCT = "sin(pi*x)*sin(pi*y)"
SLOPES = "((cos(pi*x)*sin(pi*y))**2+(sin(pi*x)*cos(pi*y))**2)"
SOURCE = f"2*pi**2*a*{PRODUCT}*(1 + (a*{PRODUCT})**2 - a**2*{SLOPES})"
METHODS = ("auto", "direct")


def source(x: Array, y: Array, a: float) -> Array:
    """f."""
    (sx, cx), (sy, cy) = ((np.sin(np.pi * z), np.cos(np.pi * z)) for z in (x, y))
    u = a * sx * sy
    return np.asarray(2 * np.pi**2 * u * (1 + u**2 - a**2 * ((cx * sy) ** 2 + (sx * cy) ** 2)))


def error(x: Array, y: Array, u: Array, a: float) -> float:
    """The relative error of a solution."""
    exact = a * np.sin(np.pi * x) * np.sin(np.pi * y)
    return float(np.linalg.norm(u - exact) / np.linalg.norm(exact))


def opened(cells: int, method: str) -> FieldJob:
    """The job of pdemill."""
    formula = {"field": "expression", "formula": SOURCE, "where": {"a": {"uniform": [1, 3]}}}
    problem = {
        "family": "nonlinear_diffusion", "resolution": [cells, cells], "coefficient": {"law": "1 + u**2"},
        "source": formula,
    }  # fmt: skip
    job = open_job(validate({"problem": problem, "samples": SAMPLES, "solver": {"method": method}}))
    assert isinstance(job, FieldJob)
    return job


def ours(job: FieldJob) -> Callable[[], list[Label]]:
    """Draws, assembles, solves and certifies all samples, in batches as shards do."""
    sequence, grid = job.sequence(), job.discretisation
    size = sequence.batch(grid.pattern, constant=False)

    def solve() -> list[Label]:
        labels: list[Label] = []
        for begin in range(0, SAMPLES, size):
            numbers = range(begin, min(begin + size, SAMPLES))
            equations = [grid.equation(job.instance("train", number)) for number in numbers]
            labels += job.scheme.labels(equations, sequence, Stopwatch())
        return labels

    return solve


def errors(job: FieldJob, labels: list[Label]) -> list[float]:
    """Those of labels."""
    known = job.discretisation.points
    x, y = (np.broadcast_to(known.coordinates[name], known.shape) for name in "xy")
    found = []
    for number, label in enumerate(labels):
        assert label.unknowns is not None, label.reason
        found.append(error(x, y, label.unknowns.reshape(known.shape), amplitude(job, number)))
    return found


def amplitude(job: FieldJob, number: int) -> float:
    """a of a sample."""
    return job.instance("train", number).parameters()["source.a"]


def theirs(systems: str, numbers: Sequence[float], wanted: float, most: int) -> tuple[int, float, Any]:
    """Cells and error of DOLFINx where that is at most ``wanted``, and its solver."""
    cells = 8
    while True:
        solve = elements.solver(cells, systems, source)
        found = max(error(*solve(a), a) for a in numbers)
        if found <= wanted or cells >= most:
            return cells, found, solve
        cells += 8 * max(1, int(cells * ((found / wanted) ** 0.5 - 1.0)) // 8)


def _each(solve: Callable[[float], Any], numbers: Sequence[float]) -> None:
    for number in numbers:
        solve(number)


def measure(cells: int, rounds: int, report: Report, table: Any) -> None:
    """All rows of a grid."""
    jobs = {method: opened(cells, method) for method in METHODS}
    runs: dict[str, tuple[Callable[[], object], int]] = {}
    facts: dict[str, tuple[str, float]] = {}
    numbers = [amplitude(jobs["auto"], n) for n in range(COMPARED)]
    for job in jobs.values():
        solve = ours(job)
        worst = max(errors(job, solve())[:COMPARED])
        name = f"pdemill, {job.method.method}"
        runs[name], facts[name] = (solve, SAMPLES), (f"{cells}²", worst)
    wanted = max(worst for _, worst in facts.values())
    for systems in elements.SYSTEMS if elements.has_dolfinx() else ():
        n, worst, solver = theirs(systems, numbers, wanted, 2 * cells)
        name = f"DOLFINx, SNES, {systems}"
        runs[name] = partial(_each, solver, numbers), COMPARED
        facts[name] = (f"{n}²", worst)
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name in list(runs)[:: -1 if turn % 2 else 1]:
            run, count = runs[name]
            begin = process_time()
            run()
            spent[name].append(1e3 * (process_time() - begin) / count)
    best = median(next(iter(spent.values())))
    for name, times in spent.items():
        grid, worst = facts[name]
        table.add(f"{cells}²", name, grid, f"{worst:.1e}", median(times), median(times) / best)
        report.records.append({"cells": cells, "contestant": name, "error": worst, "milliseconds": times})


WARMTH = {
    "family": "nonlinear_heat", "coefficient": {"law": "1 + u**2"}, "boundary": {"default": {"neumann": 0}},
    "initial": {"field": "gaussian", "alpha": 3.5, "tau": 7, "std": 2, "boundary": "neumann"},
    "time": {"end": 0.05, "intervals": 2},
}  # fmt: skip


def bdf(job: SteppingJob, start: Start, rtol: float) -> Array:
    """The channels [1, T, *shape] of one sample, by SciPy's BDF (Shampine and Reichelt 1997)."""
    equation, size = start.equation, float(np.abs(start.state).max())
    with np.errstate(all="ignore"):
        found = solve_ivp(
            lambda t, u: equation.residual(u.copy()), (0.0, job.times[-1]), start.state, "BDF", job.times,
            jac=lambda t, u: -equation.jacobian(u.copy()).sparse().tocsc(), rtol=rtol, atol=1e-2 * rtol * size,
        )  # fmt: skip
    return np.asarray(found.y.T.reshape(1, len(job.times), *job.grid.shape))


def march(cells: int, rounds: int, report: Report, table: Any) -> None:
    """Both rows of a grid in time."""
    job = stepping(Case("", WARMTH, (cells, cells)))
    starts = [job.start_of(job.instance("train", n), n) for n in range(SAMPLES)]

    def certified() -> list[Trajectory]:
        return list(trajectories(job, starts, stop=lambda _: False))

    made = {one.number: one for one in certified()}
    numbers = range(COMPARED)
    exact = {n: fields_of(job, marched(job, [starts[n]], made[n].run + 2).frames[0]) for n in numbers}
    own = max(float(differences(made[n].fields, exact[n]).max()) for n in numbers)
    for half in range(6, 23):
        rtol = 10.0 ** (-half / 2.0)
        other = max(float(differences(bdf(job, starts[n], rtol), exact[n]).max()) for n in numbers)
        if other <= own:
            break
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    for turn in range(rounds):
        for name in list(spent)[:: -1 if turn % 2 else 1]:
            begin = process_time()
            if name == "ours":
                certified()
            else:
                _each(lambda n: bdf(job, starts[int(n)], rtol), numbers)
            spent[name].append(1e3 * (process_time() - begin) / (SAMPLES if name == "ours" else COMPARED))
    best = median(spent["ours"])
    named = {"ours": (f"pdemill, {job.method.method}", own), "theirs": (f"SciPy's BDF, rtol {rtol:.0e}", other)}
    for name, (title, worst) in named.items():
        table.add(
            f"{cells}², in time", title, f"{cells}²", f"{worst:.1e}", median(spent[name]), median(spent[name]) / best
        )
        report.records.append({"cells": cells, "contestant": title, "error": worst, "milliseconds": spent[name]})


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, rounds=5).parse_args(given)
    with one_thread(), Report("newton", {"rounds": options.rounds}, options.out, RULE) as report:
        columns = "pdemill on", "contestant", "its grid", "error", "ms", "this / pdemill"
        table = report.table("CPU ms per sample of nonlinear diffusion at equal measured error", *columns)
        for cells in (32,) if options.quick else (64, 128, 256):
            measure(cells, options.rounds, report, table)
        for cells in (16,) if options.quick else (64,):
            march(cells, options.rounds, report, table)


if __name__ == "__main__":
    main()
