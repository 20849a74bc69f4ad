"""Recycling along the sequence of systems that one sample makes: iterations and time with and without what is carried.

The steps of a trajectory, the iterations of Newton's method and the frequencies of a sweep are systems that change a
little from one to the next. All methods solve the same systems, one after another, to 1e-8; "carried" keeps recycled
vectors, factors of the same matrix and hierarchies from system to system, "anew" forgets them. Systems of time steps
are solved for the change of u.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, pi, sin
from statistics import mean, median
from time import process_time
from typing import Any

import numpy as np

from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.equation import NonlinearEquation
from pdemill.solvers.operators.system import System
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate
from pdemill.spec.method import LinearMethod, methods

RULE = (
    "Process CPU time of one thread, after a run that does not count; contestants take turns for several rounds. "
    "Iterations are means over the sequence without its first system, milliseconds the median over the rounds of that "
    "mean. Ratios are to the first row of a sequence, which carries nothing. Every solution has a recomputed residual "
    "of 1e-8."
)
RTOL = 1e-8
MISSED = 1.01
"""Times RTOL that a recomputed residual may be."""
BLOB = "1 + 4*exp(-50*((x - {a})**2 + (y - 0.5)**2))"

type Problem = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """A method and its options; ``carried``: whether the next system gets its state."""

    name: str
    method: Mapping[str, Any]
    carried: bool = True


@dataclass(frozen=True)
class Course:
    """A sequence and who solves it."""

    name: str
    systems: Callable[[], list[System]]
    contestants: tuple[Contestant, ...]


def heat(cells: int, shift: float, steps: int = 20) -> Iterator[Problem]:
    """Heat where a blob that conducts five times as well moves along."""
    for n in range(steps):
        k = {"field": "expression", "formula": BLOB.format(a=0.3 + 0.4 * n / steps)}
        yield {"family": "darcy", "resolution": [cells] * 2, "coefficient": k, "reaction": shift}


def steady_heat(cells: int, shift: float, steps: int = 20) -> Iterator[Problem]:
    """The same with a blob that stays."""
    k = {"field": "expression", "formula": BLOB.format(a=0.3)}
    for _ in range(steps):
        yield {"family": "darcy", "resolution": [cells] * 2, "coefficient": k, "reaction": shift}


def pulsed(cells: int, shift: float, steps: int = 20) -> Iterator[Problem]:
    """Heat, k = -10 sin 2 pi t as in "Learning to Relax" (arXiv 2310.02246), in steps of 1 / shift from t = 0.6 on."""
    for n in range(steps):
        k = -10.0 * sin(2.0 * pi * (0.6 + n / shift))
        yield {"family": "darcy", "resolution": [cells] * 2, "coefficient": k, "reaction": shift}


def wind(cells: int, shift: float, steps: int = 20) -> Iterator[Problem]:
    """Convection and diffusion in a wind that turns by 90 degrees."""
    for n in range(steps):
        angle = 0.5 * pi * n / steps
        velocity = [cos(angle), sin(angle)]
        yield {
            "family": "convection_diffusion", "resolution": [cells] * 2, "coefficient": 0.02, "velocity": velocity,
            "reaction": shift,
        }  # fmt: skip


def sweep(cells: tuple[int, ...], first: float, steps: int = 20) -> Iterator[Problem]:
    """Waves in a medium of two speeds, from a wave number to one that is a fifth larger."""
    k = {"field": "threshold", "low": 1, "high": 2, "of": {"field": "gaussian", "alpha": 3, "tau": 5}}
    for n in range(steps):
        yield {
            "family": "helmholtz", "resolution": list(cells), "coefficient": k,
            "wavenumber": first * (1.0 + 0.2 * n / steps),
            "source": {"field": "expression", "formula": "exp(-200*((x - 0.3)**2 + (y - 0.4)**2))"},
        }  # fmt: skip


def _with(preconditioner: str, **options: Any) -> dict[str, Any]:
    return {"preconditioner": preconditioner, **options}


SKR: dict[str, Any] = {"method": "skr", "restart": 40, "recycle": 20}
DIRECT = Contestant("direct (MUMPS), factors kept", {"method": "direct"})
MULTIGRID = Contestant("multigrid", {"method": "multigrid"})
DEFINITE = (
    Contestant("CG + icc", {"method": "cg", **_with("icc")}),
    Contestant("recycled CG(20) + icc, anew", {"method": "cg", **_with("icc", recycle=20)}, carried=False),
    Contestant("recycled CG(20) + icc, carried", {"method": "cg", **_with("icc", recycle=20)}),
    Contestant("GCRO-DR(40, 20) + icc, carried", SKR | _with("icc")),
    MULTIGRID,
    DIRECT,
)
FFT = Contestant("fft", {"method": "fft"})
GENERAL = (
    Contestant("GMRES(40) + ilu", {"method": "gmres", **_with("ilu", restart=40)}),
    Contestant("GCRO-DR(40, 20) + ilu, anew", SKR | _with("ilu"), carried=False),
    Contestant("GCRO-DR(40, 20) + ilu, carried", SKR | _with("ilu")),
    DIRECT,
)
SWEPT = (
    Contestant("GCRO-DR(40, 20) + ilu, anew", SKR | _with("ilu"), carried=False),
    Contestant("GCRO-DR(40, 20) + ilu, carried", SKR | _with("ilu")),
    Contestant("GCRO-DR(80, 40) + ilu, carried", {"method": "skr", **_with("ilu", restart=80, recycle=40)}),
    Contestant("GMRES(200) + ilu", {"method": "gmres", **_with("ilu", restart=200)}),
    DIRECT,
)


def single(problems: Iterable[Problem]) -> list[System]:
    """Every problem stands for itself."""
    return _joined([_job(problem).discretisation.assemble(_first(_job(problem))) for problem in problems])


def stepped(problems: Iterable[Problem], shift: float) -> list[System]:
    """Steps of implicit Euler, dt = 1 / shift, for u_n - u_(n-1), from 0, with right-hand sides by exact solutions."""
    exact, found = Direct(method="direct").solver(), []
    u: Any = 0.0
    for problem in problems:
        job = _job(problem)
        system = job.discretisation.assemble(_first(job))
        u = u + np.zeros_like(system.rhs)
        system = replace(system, rhs=system.rhs + shift * u - system.matrix.sparse() @ u)
        u = u + exact.solve(system, None).value
        found.append(system)
    return _joined(found)


def newton(problem: Problem, steps: int) -> list[System]:
    """The exact steps of Newton's iteration, along straight lines."""
    job, exact, found = _job(problem), Direct(method="direct").solver(), []
    equation = job.discretisation.equation(_first(job))
    assert isinstance(equation, NonlinearEquation)
    u = equation.start()
    for _ in range(steps):
        found.append(equation.linearised(u))
        u = u + exact.solve(found[-1], None).value
    return found


def _job(problem: Problem) -> FieldJob:
    return FieldJob(validate({"problem": problem, "samples": 1, "certify": {"refine": 0}}))


def _first(job: FieldJob) -> Instance:
    return job.instance("train", 0)


def _joined(systems: list[System]) -> list[System]:
    """The systems, each with the matrix of the one before where it is the same."""
    for i, (before, system) in enumerate(pairwise(systems)):
        if (before.matrix.values == system.matrix.values).all():
            systems[i + 1] = replace(system, matrix=systems[i].matrix)
    return systems


POROUS = {
    "family": "nonlinear_diffusion", "resolution": [96, 96], "coefficient": {"law": "1 + 5*u**2"}, "source": 20,
    "factor": {"field": "threshold", "low": 1, "high": 10, "of": {"field": "gaussian", "alpha": 3, "tau": 5}},
}  # fmt: skip
COURSES = (
    Course("heat, k moves, 1/dt = 100, 96²", lambda: stepped(heat(96, 100.0), 100.0), DEFINITE),
    Course("heat, k stays, 1/dt = 100, 96²", lambda: stepped(steady_heat(96, 100.0), 100.0), DEFINITE),
    Course("heat, k(t) alone, 1/dt = 1000, 96²", lambda: stepped(pulsed(96, 1e3), 1e3), (*DEFINITE, FFT)),
    Course("convection-diffusion, the wind turns, 1/dt = 20, 96²", lambda: stepped(wind(96, 20.0), 20.0), GENERAL),
    Course("Newton, k = a (1 + 5 u²), 96²", lambda: newton(POROUS, 5), GENERAL),
    Course("Helmholtz, wave numbers 10 to 12, 96²", lambda: single(sweep((96, 96), 10.0)), SWEPT),
    Course("Helmholtz, wave numbers 10 to 12, 24³", lambda: single(sweep((24, 24, 24), 10.0)), SWEPT),
)
QUICK = (Course("heat, k moves, 1/dt = 100, 16²", lambda: stepped(heat(16, 100.0, steps=3), 100.0), DEFINITE),)


def run(contestant: Contestant, sequence: list[System]) -> tuple[float, float]:
    """Iterations and milliseconds per system after the first."""
    options = dict(contestant.method) | ({} if contestant.method["method"] == "direct" else {"rtol": RTOL})
    method = methods[options["method"]].model_validate(options)
    assert isinstance(method, LinearMethod)
    solver = method.solver()
    state, iterations, spent = solver.start(), [], []
    for system in sequence:
        begin = process_time()
        solution = solver.solve(system, state)
        spent.append(1e3 * (process_time() - begin))
        residual = _residual(system, solution.value)
        if not residual <= MISSED * RTOL:
            raise RuntimeError(f"{contestant.name}: {solution.result.value} (residual {residual:.1e})")
        iterations.append(solution.stats.iterations)
        state = solution.state if contestant.carried else solver.start()
    return mean(iterations[1:]), mean(spent[1:])


def _residual(system: System, u: Array) -> float:
    return system.measured(system.residual(u))[1]


def measure(course: Course, rounds: int, report: Report, table: Any) -> None:
    """The rows of a sequence."""
    sequence = course.systems()
    for contestant in course.contestants:
        run(contestant, sequence)
    found: dict[str, list[tuple[float, float]]] = {one.name: [] for one in course.contestants}
    for _ in range(rounds):
        for one in course.contestants:
            found[one.name].append(run(one, sequence))
    base = found[course.contestants[0].name]
    for number, (name, runs) in enumerate(found.items()):
        iterations, ms = runs[0][0], median(spent for _, spent in runs)
        fewer = base[0][0] / iterations if iterations else None
        faster = median(spent for _, spent in base) / ms
        table.add("" if number else course.name, name, iterations, ms, fewer, faster)
        report.records.append({"sequence": course.name, "method": name, "iterations": iterations, "milliseconds": ms})


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, rounds=5).parse_args(given)
    with one_thread(), Report("sequences", {"rounds": options.rounds}, options.out, RULE) as report:
        table = report.table(
            "Recycling along the systems of one sample", "sequence", "method", "iterations", "ms per system",
            "fewer iterations", "faster",
        )  # fmt: skip
        for course in QUICK if options.quick else COURSES:
            measure(course, options.rounds, report, table)


if __name__ == "__main__":
    main()
