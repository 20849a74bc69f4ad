"""Trajectories on boxes with sides and varying coefficients at equal measured error: pdemill and other integrators.

They integrate the same cells (benchmarks/shared/steppers.py), each by the loosest of its settings that comes as near to
a run with a quarter of our step as pdemill's stored trajectory does. pdemill's figure is that of both runs of the pair,
which give the error; the others do not know theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

from benchmarks.shared.report import Report, arguments
from benchmarks.shared.steppers import PEERS, Peer
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
"""Of these samples the others solve so many."""
TOO_LONG = 60.0
"""CPU seconds after which no tighter setting is tried."""


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
    Case("heat, no flux, 32³", heat("neumann"), (32, 32, 32)),
    Case("Fisher-KPP, 64²", FISHER, (64, 64)),
    Case("Fisher-KPP, 128²", FISHER, (128, 128)),
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


def measure(case: Case, rounds: int, report: Report, table: Any) -> None:
    """The rows of a case."""
    job = opened(case)
    starts = [job.start_of(job.instance("train", n), n) for n in range(SAMPLES)]

    def certified() -> list[Trajectory]:
        return list(trajectories(job, starts, stop=lambda _: False))

    made = {one.number: one for one in certified()}
    exact = {n: fields_of(job, marched(job, [starts[n]], made[n].run + 2).frames[0]) for n in range(COMPARED)}
    ours = max(float(differences(made[n].fields, exact[n]).max()) for n in range(COMPARED))
    found = [fitting(peer, job, starts, exact, ours) for peer in PEERS if peer.takes(job, starts[0])]
    chosen = [one for one in found if one]
    spent: dict[str, list[float]] = {name: [] for name in ("pdemill", *(peer.name for peer, _, _ in chosen))}
    for _ in range(rounds):
        begin = process_time()
        certified()
        spent["pdemill"].append((process_time() - begin) / SAMPLES)
        for peer, setting, _ in chosen:
            begin = process_time()
            for n in range(COMPARED):
                peer.run(job, starts[n], setting)
            spent[peer.name].append((process_time() - begin) / COMPARED)
    own = 1e3 * median(spent["pdemill"])
    rows = [("pdemill", f"{job.method.method}, both runs of the pair", ours)]
    rows += [(peer.name, f"{peer.name}, {peer.shown(setting)}", error) for peer, setting, error in chosen]
    for number, (name, what, error) in enumerate(rows):
        milliseconds = 1e3 * median(spent[name])
        table.add("" if number else case.name, what, f"{error:.1e}", milliseconds, milliseconds / own)
        report.records.append({"case": case.name, "contestant": what, "error": error, "milliseconds": milliseconds})


def fitting(
    peer: Peer, job: SteppingJob, starts: list[Start], exact: dict[int, Array], error: float
) -> tuple[Peer, float, float] | None:
    """A peer with the loosest of its settings whose error is no larger, and that error; None where there is none, or it
    takes far too long."""
    for setting in peer.settings:
        begin = process_time()
        theirs = max(float(differences(peer.run(job, starts[n], setting), exact[n]).max()) for n in range(COMPARED))
        if theirs <= error:
            return peer, setting, theirs
        if process_time() - begin > TOO_LONG:
            return None
    return None


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, rounds=3).parse_args(given)
    with one_thread(), Report("boxes", {"rounds": options.rounds}, options.out, RULE) as report:
        table = report.table(
            "CPU ms per trajectory on boxes at equal measured error",
            "case",
            "contestant",
            "error",
            "ms",
            "this / pdemill",
        )
        for case in QUICK if options.quick else CASES:
            measure(case, options.rounds, report, table)


if __name__ == "__main__":
    main()
