"""Learning to Relax: iterations and regret of learners of ω along sequences of systems, against every fixed ω.

The experiments of Khodak et al. 2024 (arXiv 2310.02246): SOR on A + c_t, A the five-point Laplacian of 10² nodes, c_t
= -0.15 + 0.6 Beta(1/2, 3/2) or Beta(2, 6), and SSOR-CG from the solution before along 5,000 steps of Crank and Nicolson
of the preset `heat-sequence` without random numbers. Iterations are counted, never time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import cos, pi, sin
from typing import Any

import numpy as np

from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.cg import Cg
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.relaxation.learners import GRID, LEARNERS
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate
from pdemill.spec.method import LinearMethod, methods

RULE = (
    "Sums of iterations to 1e-8 over the systems after the first tenth of a sequence, and over all. The best fixed ω "
    "is that of 1, 1.05, .., 1.95 whose sum is least in hindsight; regret is relative to its sum. `cheapest` takes the "
    "best of these for every system, which nobody can know. Learners are played with several seeds: mean, and least "
    "to most."
)
RTOL = 1e-8
SHOWN = (1.0, 1.3, 1.5, 1.75, 1.95)
"""The fixed ω of the paper."""
STEP = 1e-3

type Systems = Callable[[], Iterator[System]]


@dataclass(frozen=True)
class Course:
    """A sequence, and the method whose ω is sought."""

    name: str
    systems: Systems
    method: Mapping[str, Any]


def shifted(a: float, b: float, count: int, nodes: int = 10) -> Systems:
    """A + c_t with random right-hand sides."""
    rng = np.random.default_rng(0)
    shifts = -0.15 + 0.6 * rng.beta(a, b, count)
    rhs = rng.standard_normal((count, nodes * nodes))
    base = _system(nodes, 0)
    pattern, T = base.matrix.pattern, 2.0 * np.eye(nodes) - np.eye(nodes, k=1) - np.eye(nodes, k=-1)
    dense = np.kron(T, np.eye(nodes)) + np.kron(np.eye(nodes), T)
    values = dense[np.repeat(np.arange(pattern.size), np.diff(pattern.indptr)), pattern.indices]
    like = replace(base.matrix, values=values)
    return lambda: (System(_combined(like, c, 1.0), b) for c, b in zip(shifts, rhs, strict=True))


def heat(cells: int, count: int) -> Systems:
    """Steps of Crank and Nicolson, each from the solution before."""
    base = _system(cells, 1)
    axis = (np.arange(cells) + 0.5) / cells
    x, y = (part.reshape(-1) for part in np.meshgrid(axis, axis, indexing="ij"))
    exact, mass, matrix = Cg(method="cg", preconditioner="ssor", omega=1.5, rtol=1e-12).solver(), base.rhs, base.matrix
    u, found, kappas = _bump(x, y, 0.5, 0.5, 0.25), [], []
    for n in range(count):
        t = n * STEP
        load = 16.0 * (_source(x, y, t) + _source(x, y, t + STEP))
        rhs = mass * (u / STEP + load) - 0.5 * _kappa(t) * (matrix.sparse() @ u)
        found.append((rhs, u))
        kappas.append(0.5 * _kappa(t + STEP))
        u = exact.solve(System(_combined(matrix, mass / STEP, kappas[-1]), rhs, guess=u), None).value
    return lambda: (
        System(_combined(matrix, mass / STEP, k), rhs, guess=before)
        for k, (rhs, before) in zip(kappas, found, strict=True)
    )


def _system(cells: int, source: float) -> System:
    spec = validate({"problem": {"family": "poisson", "resolution": [cells, cells], "source": source}, "samples": 1})
    job = FieldJob(spec)
    return job.discretisation.assemble(job.instance("train", 0))


def _combined(matrix: Matrix, shift: Array | float, factor: float) -> Matrix:
    values = factor * matrix.values
    values[matrix.pattern.diagonals] += shift
    return Matrix(matrix.pattern, values, replace(matrix.properties, constant=False))


def _kappa(t: float) -> float:
    return max(0.1 * sin(2.0 * pi * t), -10.0 * sin(2.0 * pi * t))


def _source(x: Array, y: Array, t: float) -> Array:
    return _bump(x, y, 0.5 + 0.25 * cos(16.0 * pi * t), 0.5 + 0.25 * sin(16.0 * pi * t), 0.125)


def _bump(x: Array, y: Array, a: float, b: float, radius: float) -> Array:
    inside = np.maximum(1.0 - ((x - a) ** 2 + (y - b) ** 2) / radius**2, 1e-3)
    return np.asarray(np.exp(1.0 - 1.0 / inside))


def iterations(method: Mapping[str, Any], systems: Systems, seed: int = 0) -> Array:
    """What every system took."""
    made = methods[method["method"]].model_validate({"rtol": RTOL, **method})
    assert isinstance(made, LinearMethod)
    solver, found = made.solver(), []
    solver.draw_from(seed)
    state = solver.start()
    for system in systems():
        solution = solver.solve(system, state)
        if not solution.result.ok:
            raise RuntimeError(f"{method}: {solution.result.value}")
        state = solution.state
        found.append(solution.stats.iterations)
    return np.array(found, dtype=float)


def measure(course: Course, seeds: int, table: Any, report: Report) -> None:
    """The rows of a sequence."""
    fixed = np.stack([iterations({**course.method, "omega": float(omega)}, course.systems) for omega in GRID])
    tenth = fixed.shape[1] // 10
    late, whole = fixed[:, tenth:].sum(1), fixed.sum(1)
    best, title = int(late.argmin()), course.name

    def add(name: str, after: float, total: float, spread: str = "") -> None:
        nonlocal title
        table.add(title, name, int(after), after / late.min(), spread, int(total), total / whole.min() - 1.0)
        report.records.append({
            "sequence": course.name, "omega": name, "after": after, "total": total, "best": float(late.min()),
            "best_total": float(whole.min()),
        })  # fmt: skip
        title = ""

    for omega in SHOWN:
        at = int(np.abs(GRID - omega).argmin())
        add(f"{omega:g}", late[at], whole[at])
    add(f"best fixed: {GRID[best]:g}", late[best], whole[best])
    cheapest = fixed.min(0)
    add("cheapest", cheapest[tenth:].sum(), cheapest.sum())
    for learn in LEARNERS:
        options = {**course.method, "omega": "learn", "learn": learn}
        runs = [iterations(options, course.systems, seed) for seed in range(seeds)]
        afters = [run[tenth:].sum() for run in runs]
        spread = f"{min(afters) / late.min():.3f} to {max(afters) / late.min():.3f}"
        add(f"learn: {learn}", float(np.mean(afters)), float(np.mean([run.sum() for run in runs])), spread)


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--systems", type=int, default=5000, help="systems of a sequence")
    options = parser.parse_args(given)
    count, seeds = (60, 1) if options.quick else (options.systems, options.rounds)
    sor, cg = {"method": "sor"}, {"method": "cg", "preconditioner": "ssor"}
    with one_thread(), Report("relax", {"systems": count, "seeds": seeds}, options.out, RULE) as report:
        table = report.table(
            "Iterations with fixed and learnt ω", "sequence", "ω", "after a tenth", "/ best fixed", "seeds",
            "all", "regret",
        )  # fmt: skip
        courses: list[Callable[[], Course]] = [
            lambda: Course("SOR, c from Beta(1/2, 3/2)", shifted(0.5, 1.5, count), sor),
            lambda: Course("SOR, c from Beta(2, 6)", shifted(2.0, 6.0, count), sor),
            lambda: Course("SSOR-CG, c from Beta(1/2, 3/2)", shifted(0.5, 1.5, count), cg),
            lambda: Course("SSOR-CG, heat, 25²", heat(25, count), cg),
        ]
        for course in courses[: 1 if options.quick else None]:
            measure(course(), seeds, table, report)


if __name__ == "__main__":
    main()
