"""Trajectories on boxes with sides and varying coefficients at equal measured error: pdemill and SciPy's BDF.

BDF (variable order and step, factors kept while they serve) integrates the same cells with the exact sparse Jacobian of
what is linear, by the loosest of half decades of rtol that comes as near to a run with a quarter of our step as
pdemill's stored trajectory does. SciPy is called on the assembled matrices and does not assemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.threads import one_thread
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import Start
from pdemill.solvers.trajectories.ladder import Trajectory, fields_of, marched, trajectories
from pdemill.spec import validate
from pdemill.spec.method import methods

RULE = (
    "Process CPU time of one thread, after a run that does not count; contestants take turns for several rounds, and a "
    "figure is the median per trajectory. Errors are the largest of the stored times, relative 2-norms of what varies, "
    "against a run with a quarter of the step; the worst sample counts."
)
LAYERS = {"field": "threshold", "low": 3, "high": 12, "of": {"field": "gaussian", "alpha": 2, "tau": 3}}
STATE = {"field": "gaussian", "alpha": 2.5, "tau": 7}
SAMPLES = 8
COMPARED = 2
"""Of these samples SciPy solves so many."""


@dataclass(frozen=True)
class Case:
    """A problem without its resolution, and cells per axis."""

    name: str
    problem: dict[str, Any]
    cells: tuple[int, ...]


def heat(side: str) -> dict[str, Any]:
    """k in {3, 12}, f = 1."""
    return {
        "family": "heat", "coefficient": LAYERS, "source": 1.0, "initial": STATE, "boundary": {"default": {side: 0}},
        "time": {"end": 0.02, "intervals": 2},
    }  # fmt: skip


FISHER = {
    "family": "reaction_diffusion", "coefficient": {"field": "lognormal", "std": 0.5, "mean": -5.0},
    "reaction": {"law": "fisher_kpp", "where": {"a": {"uniform": [1, 5]}}},
    "initial": {
        "field": "expression", "formula": "exp(-40*((x-c)**2+(y-0.5)**2))", "where": {"c": {"uniform": [0.3, 0.7]}},
    },
    "boundary": {"default": {"neumann": 0}}, "time": {"end": 2.0, "intervals": 4},
}  # fmt: skip
CASES = (
    Case("heat, u = 0, 64²", heat("dirichlet"), (64, 64)),
    Case("heat, u = 0, 128²", heat("dirichlet"), (128, 128)),
    Case("heat, no flux, 128²", heat("neumann"), (128, 128)),
    Case("Fisher-KPP, 64²", FISHER, (64, 64)),
)
QUICK = (Case("heat, u = 0, 16²", heat("dirichlet"), (16, 16)),)


def opened(case: Case) -> SteppingJob:
    """The job of a case with the scheme and the first step that its trial finds."""
    problem = {**case.problem, "resolution": list(case.cells)}
    job = open_job(validate({"problem": problem, "samples": SAMPLES, "certify": {"refine": 0}}))
    plan = job.plan().method
    chosen = job.using(methods[plan["method"]].model_validate(dict(plan)))
    assert isinstance(chosen, SteppingJob)
    return chosen


def by_scipy(job: SteppingJob, start: Start, rtol: float) -> Array:
    """The channels [1, T, *shape] of one sample of one unknown."""
    (system,), tendency = start.equation.systems, start.equation.tendency
    matrix, load = system.matrix.sparse(), system.rhs
    jacobian = (-matrix).tocsc()

    def slope(t: float, u: Array) -> Array:
        linear = load - matrix @ u
        return np.asarray(linear if tendency is None else linear + tendency(u[None])[0])

    with np.errstate(all="ignore"):
        found = solve_ivp(
            slope, (0.0, job.times[-1]), start.state, "BDF", job.times, jac=jacobian, rtol=rtol,
            atol=1e-3 * rtol * float(np.abs(start.state).max()),
        )  # fmt: skip
    return np.asarray(found.y.T.reshape(1, len(job.times), *job.grid.shape))


def measure(case: Case, rounds: int, report: Report, table: Any) -> None:
    """Both rows of a case."""
    job = opened(case)
    starts = [job.start_of(job.instance("train", n), n) for n in range(SAMPLES)]

    def certified() -> list[Trajectory]:
        return list(trajectories(job, starts, stop=lambda _: False))

    made = {one.number: one for one in certified()}
    exact = {n: fields_of(job, marched(job, [starts[n]], made[n].run + 2).frames[0]) for n in range(COMPARED)}
    ours = max(float(differences(made[n].fields, exact[n]).max()) for n in range(COMPARED))
    for half in range(6, 23):
        rtol = 10.0 ** (-half / 2.0)
        theirs = max(float(differences(by_scipy(job, starts[n], rtol), exact[n]).max()) for n in range(COMPARED))
        if theirs <= ours:
            break
    spent: dict[str, list[float]] = {"pdemill": [], "scipy": []}
    for _ in range(rounds):
        begin = process_time()
        certified()
        middle = process_time()
        for n in range(COMPARED):
            by_scipy(job, starts[n], rtol)
        spent["pdemill"].append((middle - begin) / SAMPLES)
        spent["scipy"].append((process_time() - middle) / COMPARED)
    own, other = (1e3 * median(times) for times in spent.values())
    what = f"{job.method.method}, both runs of the pair"
    for title, name, error, milliseconds in (
        (case.name, what, ours, own),
        ("", f"SciPy's BDF, rtol {rtol:.0e}", theirs, other),
    ):
        table.add(title, name, f"{error:.1e}", milliseconds, other / milliseconds)
        report.records.append({"case": case.name, "contestant": name, "error": error, "milliseconds": milliseconds})


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, rounds=3).parse_args(given)
    with one_thread(), Report("boxes", {"rounds": options.rounds}, options.out, RULE) as report:
        table = report.table(
            "CPU ms per trajectory on boxes at equal measured error", "case", "contestant", "error", "ms", "BDF / this"
        )
        for case in QUICK if options.quick else CASES:
            measure(case, options.rounds, report, table)


if __name__ == "__main__":
    main()
