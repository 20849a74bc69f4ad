"""Batched multigrid against what a user would pick instead: process CPU time per system on one core.

Every solver gets the same systems of Darcy's equation and solves them to a relative residual of 1e-8, recomputed
outside the time. Direct solvers keep the analysis of the pattern. After a first batch that does not count, ``--rounds``
batches are timed, solvers taking turns; figures are medians. ``python benchmarks/multigrid.py [--largest UNKNOWNS]``
prints them, then iterations over sides and grids. pypardiso and pyamg take part where they are installed.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Callable  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from math import prod  # noqa: E402
from statistics import median  # noqa: E402
from time import process_time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from pdemill.spec import validate  # noqa: E402
from solvers.certify import relative_residual  # noqa: E402
from solvers.job import Job  # noqa: E402
from solvers.operators.system import System  # noqa: E402

type Peer = Callable[[list[System]], list[Any]]
RTOL = 1e-8
GRIDS = ((128, 128), (256, 256), (512, 512), (32, 32, 32), (64, 64, 64))
LEVEL = {"field": "gaussian", "alpha": 2, "tau": 3, "boundary": "neumann"}


def threshold(low: float, high: float) -> dict[str, Any]:
    """Two values."""
    return {"field": "threshold", "low": low, "high": high, "of": LEVEL}


FIELDS: dict[str, Any] = {
    "3 and 12": threshold(3, 12),
    "lognormal": {"field": "lognormal", "std": 1},
    "1 and 100": threshold(1, 100),
    "1 and 1000": threshold(1, 1000),
}
METHODS: dict[str, dict[str, Any]] = {
    "multigrid": {"method": "multigrid"},
    "MUMPS": {"method": "direct"},
    "CG + GAMG": {"method": "cg", "preconditioner": "gamg"},
    "CG + ICC": {"method": "cg", "preconditioner": "icc"},
}
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


def job(problem: dict[str, Any], solver: dict[str, Any], samples: int) -> Job:
    """A job of Darcy's equation."""
    whole = {"family": "darcy", "source": 1, **problem}
    return Job(validate({"problem": whole, "samples": samples, "solver": {"rtol": RTOL, **solver}}))


def peers(problem: dict[str, Any], samples: int) -> dict[str, Peer]:
    """What solves systems, by name."""
    found: dict[str, Peer] = {}
    for name, options in METHODS.items():
        solver = job(problem, options, samples).method.solver()

        def solve(systems: list[System], solver: Any = solver) -> list[Any]:
            size = solver.batch(systems[0].matrix.pattern, False)
            parts = [systems[begin : begin + size] for begin in range(0, len(systems), size)]
            return [s.value for part in parts for s in solver.solve_batch(part, solver.start())]

        found[name] = solve
    if prod(problem["resolution"]) > 100_000 and len(problem["resolution"]) == 3:
        del found["MUMPS"]  # its analysis alone takes half a minute
    elif find_spec("pypardiso"):
        found["PARDISO"] = pardiso()
    if find_spec("pyamg"):
        found["pyamg"] = pyamg_cg
    return found


def pardiso() -> Peer:
    """Cholesky by PARDISO on the upper triangle, which is analysed once."""
    from pypardiso import PyPardisoSolver
    from scipy.sparse import csr_matrix, triu

    solver = PyPardisoSolver(mtype=2)
    analysed = []

    def solve(systems: list[System]) -> list[Any]:
        values = []
        for system in systems:
            upper = csr_matrix(triu(system.matrix.sparse(), format="csr"))
            solver.set_phase(12 if not analysed else 22)
            analysed.append(True)
            solver._call_pardiso(upper, system.rhs)
            solver.set_phase(33)
            values.append(solver._call_pardiso(upper, system.rhs).reshape(-1))
        return values

    return solve


def pyamg_cg(systems: list[System]) -> list[Any]:
    """CG with classical algebraic multigrid, set up for every matrix."""
    import pyamg
    from scipy.sparse import csr_matrix

    values = []
    for system in systems:
        levels = pyamg.ruge_stuben_solver(csr_matrix(system.matrix.sparse()))
        values.append(levels.solve(system.rhs, tol=0.5 * RTOL, accel="cg", maxiter=200))
    return values


def times(problem: dict[str, Any], rounds: int, count: int) -> dict[str, float]:
    """Milliseconds per system, by solver; NaN where a system was not solved to the tolerance."""
    one = job(problem, {"method": "direct"}, count)
    systems = [one.discretisation.assemble(one.instance("train", sample)) for sample in range(count)]
    solvers = peers(problem, count)
    spent: dict[str, list[float]] = {name: [] for name in solvers}
    for turn in range(rounds + 1):
        for name, solve in solvers.items():
            begin = process_time()
            values = solve(systems)
            took = 1e3 * (process_time() - begin) / count
            good = all(relative_residual(s, v) <= RTOL for s, v in zip(systems, values, strict=True))
            if turn:
                spent[name].append(took if good else np.nan)
    return {name: median(found) for name, found in spent.items()}


def compare(smallest: int, largest: int, rounds: int, fields: list[str]) -> None:
    """The table of times."""
    header: list[str] = []
    for shape in GRIDS:
        for name in fields:
            size = prod(shape)
            if not smallest <= size <= largest:
                continue
            problem = {"resolution": list(shape), "coefficient": FIELDS[name]}
            found = times(problem, rounds, 8 if size < 100_000 or len(shape) == 3 else 2)
            if not header:
                header = list(found)
                print(f"| grid | k | {' | '.join(header)} | best peer / multigrid |")
                print(f"|---|---|{'---|' * len(header)}---|")
            best = min(took for name, took in found.items() if name != "multigrid" and np.isfinite(took))
            cells = " | ".join(f"{found[name]:.3g}" if name in found else "" for name in header)
            grid = " x ".join(map(str, shape))
            print(f"| {grid} | {name} | {cells} | {best / found['multigrid']:.1f} |", flush=True)


def robustness() -> None:
    """The table of iterations: medians and most of 8 samples."""
    names = list(FIELDS)
    print(f"| grid | sides | {' | '.join(names)} |")
    print(f"|---|---|{'---|' * len(names)}")
    for grid, (resolution, lengths) in SHAPES.items():
        for sides, boundary in SIDES.items():
            cells = []
            for name in names:
                problem = {
                    "resolution": resolution, "domain": {"lengths": lengths}, "coefficient": FIELDS[name],
                    "boundary": boundary, "compatibility": "project",
                    "source": {"field": "gaussian", "modes": 16},
                }  # fmt: skip
                if 100 in resolution and "periodic" in boundary.values():
                    cells.append("refused")
                    continue
                one = job(problem, {"method": "multigrid", "max_iterations": 300}, 8)
                solver = one.method.solver()
                systems = [one.discretisation.assemble(one.instance("train", sample)) for sample in range(8)]
                found = [s.stats.iterations if s.result.ok else 999 for s in solver.solve_batch(systems, None)]
                cells.append(f"{median(found):.0f} ({max(found)})")
            print(f"| {grid} | {sides} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=300_000)
    parser.add_argument("--smallest", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fields", nargs="*", default=list(FIELDS), choices=list(FIELDS))
    options = parser.parse_args()
    compare(options.smallest, options.largest, options.rounds, options.fields)
    print()
    robustness()


if __name__ == "__main__":
    main()
