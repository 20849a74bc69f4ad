"""Trajectories on boxes with sides and varying coefficients at equal measured error: pdemill and other integrators.

They integrate the same cells (benchmarks/shared/steppers.py), each by the loosest of its settings that comes as near to
a run with a quarter of our step as pdemill's stored trajectory does. DOLFINx has its own equations for the nodes of
these cells, and is held against its own run with a quarter of its step. pdemill's figure is that of both runs of the
pair, which give the error; the others do not know theirs. Assembly is in no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from statistics import median
from time import process_time
from typing import Any

from benchmarks.shared import elements, elements_in_time
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
QUARTER = 16.0 / 15.0
"""The error of a scheme of second order in units of the difference to a quarter of the step."""
FEW, MANY = 20, 20_000
"""Steps that DOLFINx is tried with first, and at most."""
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


def measure(case: Case, rounds: int, report: Report, table: Any, wanted: Callable[[str], bool]) -> None:
    """The rows of a case, those of contestants that are wanted by name."""
    job = opened(case)
    starts = [job.start_of(job.instance("train", n), n) for n in range(SAMPLES)]

    def certified() -> list[Trajectory]:
        return list(trajectories(job, starts, stop=lambda _: False))

    made = {one.number: one for one in certified()}
    exact = {n: fields_of(job, marched(job, [starts[n]], made[n].run + 2).frames[0]) for n in range(COMPARED)}
    ours = max(float(differences(made[n].fields, exact[n]).max()) for n in range(COMPARED))
    found = [
        fitting(peer, job, starts, exact, ours) for peer in PEERS if wanted(peer.name) and peer.takes(job, starts[0])
    ]
    found.append(by_elements(job, ours) if wanted("DOLFINx") and elements.has_dolfinx() else None)
    chosen = [one for one in found if one]
    spent: dict[str, list[float]] = {name: [] for name in ("pdemill", *(other.name for other in chosen))}
    for _ in range(rounds):
        begin = process_time()
        certified()
        spent["pdemill"].append((process_time() - begin) / SAMPLES)
        for other in chosen:
            spent[other.name].append(timed(other.run))
    own = 1e3 * median(spent["pdemill"])
    rows = [("pdemill", f"{job.method.method}, both runs of the pair", ours)]
    rows += [(other.name, f"{other.name}, {other.shown}", other.error) for other in chosen]
    for number, (name, what, error) in enumerate(rows):
        milliseconds = 1e3 * median(spent[name])
        table.add("" if number else case.name, what, f"{error:.1e}", milliseconds, milliseconds / own)
        report.records.append({"case": case.name, "contestant": what, "error": error, "milliseconds": milliseconds})


def timed(run: Callable[[int], object]) -> float:
    """CPU seconds per sample."""
    begin = process_time()
    for n in range(COMPARED):
        run(n)
    return (process_time() - begin) / COMPARED


@dataclass(frozen=True)
class Other:
    """Another way at the loosest of its settings that suffices, its largest error, and how it integrates a sample."""

    name: str
    shown: str
    error: float
    run: Callable[[int], object]


def fitting(peer: Peer, job: SteppingJob, starts: list[Start], exact: dict[int, Array], error: float) -> Other | None:
    """A peer with the loosest of its settings whose error is no larger; None where there is none, or it takes far too
    long."""

    def run(n: int, setting: float) -> Array:
        return peer.run(job, starts[n], setting)

    for setting in peer.settings:
        begin = process_time()
        theirs = max(float(differences(run(n, setting), exact[n]).max()) for n in range(COMPARED))
        if theirs <= error:
            return Other(peer.name, peer.shown(setting), theirs, partial(run, setting=setting))
        if process_time() - begin > TOO_LONG:
            return None
    return None


def by_elements(job: SteppingJob, error: float) -> Other | None:
    """DOLFINx with about the fewest steps whose error is no larger, and the solver of systems that is fastest then;
    None where too many would be needed."""
    samples = [elements_in_time.Elements(job, n) for n in range(COMPARED)]

    def run(n: int, steps: int, systems: str) -> Array:
        return samples[n].frames(steps, systems)

    steps, intervals = FEW, len(job.lengths)
    while steps <= MANY:
        pairs = [(run(n, steps, "MUMPS"), run(n, 4 * steps, "MUMPS")) for n in range(COMPARED)]
        theirs = QUARTER * max(float(differences(*pair).max()) for pair in pairs)
        if theirs <= error:
            spent = {systems: timed(partial(run, steps=steps, systems=systems)) for systems in elements_in_time.SYSTEMS}
            systems = min(spent, key=lambda name: spent[name])
            return Other("DOLFINx", f"{steps} steps, {systems}", theirs, partial(run, steps=steps, systems=systems))
        steps = intervals * ceil(steps / intervals * max((theirs / error) ** 0.5, 1.05))
    return None


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--only", action="append", metavar="TEXT", help="only cases with this in their names")
    parser.add_argument("--against", action="append", metavar="TEXT", help="only contestants with this in their names")
    options = parser.parse_args(given)

    def wanted(name: str) -> bool:
        return not options.against or any(text in name for text in options.against)

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
            if options.only and not any(text in case.name for text in options.only):
                continue
            measure(case, options.rounds, report, table, wanted)


if __name__ == "__main__":
    main()
