"""Peers: what a user would pick instead, on Darcy in two and three dimensions, a mesh, and constant coefficients.

Every solver keeps what it can keep from system to system: the analysis of the pattern, factors while the matrix stays
the same, buffers, recycled spaces. Contestants whose package is missing are named with how to install it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

from benchmarks.shared.contestants import Method
from benchmarks.shared.peers import installed, missing
from benchmarks.shared.race import Contestant, race
from benchmarks.shared.report import Report, arguments
from benchmarks.shared.sequences import FIELDS, Drawn, darcy, make
from pdemill.solvers.threads import one_thread
from pdemill.spec.method import methods
from pdemill.spec.problem import Problem

RTOL = 1e-8
OURS = ("multigrid", "fft", "amg", "skr")
"""Methods of pdemill with solvers of its own, as far as there are such; MUMPS, CG and GMRES are PETSc's."""
PETSC: dict[str, dict[str, Any]] = {
    "MUMPS": {"method": "direct"},
    "CG + GAMG": {"method": "cg", "preconditioner": "gamg"},
    "CG + ICC": {"method": "cg", "preconditioner": "icc"},
    "GMRES(40) + ILU": {"method": "gmres", "preconditioner": "ilu", "restart": 40},
}
LARGEST = {
    "MUMPS": (inf, 40_000), "PARDISO": (inf, 40_000), "SuperLU": (100_000, 8_000), "CG + ICC": (100_000, inf),
    "GMRES(40) + ILU": (50_000, 50_000), "skr": (50_000, 50_000),
}  # fmt: skip
"""Unknowns above which a contestant is left out, in two and three dimensions: it would take many times as long."""
NOTE = (
    "CPU ms per system to 1e-8. Empty: refused, not installed, or left out because of its size (more unknowns than "
    + "; ".join(f"{name} {'/'.join(f'{n:,}' if n < inf else 'any' for n in sizes)}" for name, sizes in LARGEST.items())
    + " in 2D/3D). MUMPS is pdemill's `direct`; skr has ILU."
)
PLATE: dict[str, Any] = {
    "family": "thermal", "resolution": {"h": 0.0125},
    "domain": {"shape": "polygon", "outline": [[-0.5, -0.8], [0.5, -0.8], [0.5, 0.8], [-0.5, 0.8]],
               "holes": [[[-0.05, -0.4], [0.05, -0.4], [0.05, 0.4], [-0.05, 0.4]]]},
    "coefficient": {"field": "expression", "formula": "exp(a*sin(3*x + p)*cos(2*y + q))",
                    "where": {"a": {"uniform": [0, 2]}, "p": {"uniform": [0, 6]}, "q": {"uniform": [0, 6]}}},
    "source": 1,
}  # fmt: skip
PLANES: dict[str, dict[str, Any]] = {
    f"darcy {n}², {name}": darcy((n, n), FIELDS[name]) for n in (128, 256, 512) for name in ("3 and 12", "lognormal")
}
CUBES = {f"darcy {n}³, {name}": darcy((n,) * 3, FIELDS[name]) for n in (32, 64) for name in ("3 and 12", "lognormal")}
OTHERS: dict[str, dict[str, Any]] = {
    "plate with a slot, k random": PLATE,
    "poisson 256², one matrix": {"family": "poisson", "resolution": [256, 256], "source": {"field": "bumps"}},
}
PROBLEMS = PLANES | CUBES | OTHERS


def draw(problem: dict[str, Any]) -> Drawn:
    """The systems of a race: full batches of multigrid, which are of eight in three dimensions and on small grids; two
    of these or more, so that not all of its memory is cold, where that takes no time."""
    cells = problem["resolution"]
    size = prod(cells) if isinstance(cells, list) else 0
    return Drawn.of(problem, 16 if size < 20_000 else 4 if len(cells) < 3 else 8)


def contestants(problem: Problem, unknowns: int, rtol: float = RTOL) -> dict[str, Contestant]:
    """Who solves a problem of this size, by name."""
    own = {name: {"method": name} for name in OURS if name in methods}
    makers: dict[str, Callable[[], Contestant]] = {}
    for name, options in (own | PETSC).items():
        if make(options).objection(problem) is None:
            whole = make(options).resolve(problem).model_dump() | {"rtol": rtol}
            makers[name] = lambda whole=whole: Method(whole, kept=True)  # type: ignore[misc]
    if problem.symmetric and problem.definite:
        makers |= installed(rtol)
    dimension = min(problem.dimension, 3) - 2
    return {
        name: maker() for name, maker in makers.items() if unknowns <= LARGEST.get(name, (inf, inf))[max(dimension, 0)]
    }


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS), metavar="NAME")
    options = parser.parse_args(given)
    problems = {name: PROBLEMS[name] for name in options.problems}
    if options.quick:
        problems = {"darcy 24², 3 and 12": darcy((24, 24), FIELDS["3 and 12"])}
    names = [name for name in OURS if name in methods] + [*PETSC, "PARDISO", "SuperLU", "pyamg"]
    parameters = {"rtol": RTOL, "rounds": options.rounds, "problems": len(problems)}
    with one_thread(), Report("peers", parameters, options.out) as report:
        note = " ".join([NOTE, *(f"{name}: {how}." for name, how in missing().items())])
        table = report.table("Solvers", "problem", "unknowns", *names, "fastest peer / fastest of ours", note=note)
        for name, problem in problems.items():
            drawn = draw(problem)
            found = race(
                contestants(drawn.job.problem, drawn.unknowns), drawn.systems, RTOL, options.rounds, len(drawn.systems)
            )
            times = {who: one.milliseconds for who, one in found.items()}
            best, ours = (
                min((t for who, t in times.items() if (who in OURS) == own and t == t), default=float("nan"))
                for own in (False, True)
            )
            table.add(name, drawn.unknowns, *(times.get(who) for who in names), best / ours)
            report.records += [
                {"problem": name, "unknowns": drawn.unknowns, "solver": who, **one.facts()}
                for who, one in found.items()
            ]


if __name__ == "__main__":
    main()
