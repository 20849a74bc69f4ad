"""Batched multigrid on harder and harder coefficients, against peers, and its iterations over sides and grids.

Times as in ``peers``, whose rule and solvers they share; ``--rounds`` batches, and figures are medians.
``pdemill bench multigrid [--largest UNKNOWNS]`` prints them, then the table of iterations.
"""

from __future__ import annotations

import argparse
from math import prod
from statistics import median
from typing import Any

from benchmarks.peers import RTOL, contestants, draw
from benchmarks.shared.race import race
from benchmarks.shared.report import Table
from benchmarks.shared.sequences import FIELDS, Drawn, darcy, make
from pdemill.solvers.threads import one_thread

GRIDS = ((128, 128), (256, 256), (512, 512), (32, 32, 32), (64, 64, 64))
COLUMNS = ("multigrid", "MUMPS", "CG + GAMG", "CG + ICC", "PARDISO", "pyamg")
HELD, FREE, ROBIN = {"dirichlet": 0}, {"neumann": 0}, {"robin": {"coefficient": 1, "value": 0}}
SIDES: dict[str, dict[str, Any]] = {
    "Dirichlet": {"default": HELD},
    "Neumann": {"default": FREE},
    "Robin": {"default": ROBIN},
    "three sides Neumann": {"left": HELD, "default": FREE},
    "periodic and Dirichlet": {"left": "periodic", "right": "periodic", "default": HELD},
    "periodic": {"default": "periodic"},
}
SHAPES: dict[str, tuple[list[int], list[float]]] = {
    "128²": ([128, 128], [1, 1]),
    "128², 4:1": ([128, 128], [4, 1]),
    "100 x 76": ([100, 76], [1, 1]),
    "32³": ([32, 32, 32], [1, 1, 1]),
    "32³, 4:1:1": ([32, 32, 32], [4, 1, 1]),
}


def compare(smallest: int, largest: int, rounds: int, fields: list[str]) -> None:
    """The table of times."""
    table = Table("CPU ms per system", ("grid", "k", *COLUMNS, "best peer / multigrid"))
    for shape in GRIDS:
        for name in fields:
            size = prod(shape)
            if not smallest <= size <= largest:
                continue
            drawn = draw(darcy(shape, FIELDS[name]))
            solvers = contestants(drawn.job.problem, size)
            chosen = {column: solvers[column] for column in COLUMNS if column in solvers}
            found = race(chosen, drawn.systems, RTOL, rounds, len(drawn.systems))
            times = {column: one.milliseconds for column, one in found.items()}
            best = min(time for column, time in times.items() if column != "multigrid" and time == time)
            cells = [times.get(column) for column in COLUMNS]
            table.add(" x ".join(map(str, shape)), name, *cells, best / times["multigrid"])


def robustness() -> None:
    """The table of iterations: medians and most of 8 samples."""
    names = list(FIELDS)
    table = Table("Iterations, median (most) of 8 samples", ("grid", "sides", *names))
    for grid, (resolution, lengths) in SHAPES.items():
        for sides, boundary in SIDES.items():
            if 100 in resolution and "periodic" in boundary.values():
                table.add(grid, sides, *("refused" for _ in names))
                continue
            table.add(grid, sides, *(iterations(resolution, lengths, boundary, name) for name in names))


def iterations(resolution: list[int], lengths: list[float], boundary: dict[str, Any], field: str) -> str:
    """One cell of the table."""
    problem = darcy(resolution, FIELDS[field]) | {
        "domain": {"lengths": lengths}, "boundary": boundary, "compatibility": "project",
        "source": {"field": "gaussian", "modes": 16},
    }  # fmt: skip
    solver = make({"method": "multigrid", "rtol": RTOL, "max_iterations": 300}).solver()
    solutions = solver.solve_batch(list(Drawn.of(problem, 8).systems), None)
    found = [s.stats.iterations if s.result.ok else 999 for s in solutions]
    return f"{median(found):.0f} ({max(found)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=300_000)
    parser.add_argument("--smallest", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fields", nargs="*", default=list(FIELDS), choices=list(FIELDS))
    options = parser.parse_args()
    with one_thread():
        compare(options.smallest, options.largest, options.rounds, options.fields)
        robustness()


if __name__ == "__main__":
    main()
