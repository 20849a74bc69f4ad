"""Constant coefficients on a box: fft against direct (MUMPS), process CPU time per system on one core.

The two solve every system one after the other. Prints the time of the first system, the median of the others, their
ratio, and the worst recomputed residual of each. ``python benchmarks/constant.py [--largest UNKNOWNS]``; MUMPS takes
half a minute for its analysis of 64^3 alone.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

from math import prod  # noqa: E402
from statistics import median  # noqa: E402
from time import process_time  # noqa: E402
from typing import Any  # noqa: E402

from pdemill.solvers.field_job import FieldJob  # noqa: E402
from pdemill.solvers.operators.equation import relative_residual  # noqa: E402
from pdemill.spec import validate  # noqa: E402

METHODS = ("fft", "direct")
FREE = {"left": "periodic", "right": "periodic", "default": {"neumann": 0}}
POISSON: dict[str, Any] = {"family": "poisson"}
SCREENED: dict[str, Any] = {"family": "screened_poisson", "screening": 10}
PROBLEMS: dict[str, dict[str, Any]] = {
    "poisson": POISSON,
    "poisson, Neumann and periodic": POISSON | {"boundary": FREE, "compatibility": "project"},
    "screened_poisson, c = 10": SCREENED,
    "screened_poisson, c random": SCREENED | {"screening": {"uniform": [1, 100]}},
    "helmholtz, kappa random": {"family": "helmholtz", "wavenumber": {"uniform": [15, 25]}},
}
GRIDS = ((4096,), (128, 128), (127, 127), (512, 512), (32, 32, 32), (64, 64, 64))


def measure(problem: dict[str, Any], samples: int) -> dict[str, tuple[list[float], float]]:
    """Milliseconds of every solve and the worst residual, by method."""
    jobs = {m: FieldJob(validate({"problem": problem, "samples": samples, "solver": {"method": m}})) for m in METHODS}
    solvers = {method: job.method.solver() for method, job in jobs.items()}
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    worst = dict.fromkeys(METHODS, 0.0)
    for sample in range(samples):
        for method, job in jobs.items():
            system = job.discretisation.assemble(job.instance("train", sample))
            begin = process_time()
            solution = solvers[method].solve(system, None)
            times[method].append(1e3 * (process_time() - begin))
            worst[method] = max(worst[method], relative_residual(system, solution.value))
    return {method: (times[method], worst[method]) for method in METHODS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=300_000)
    options = parser.parse_args()
    print("| problem | grid | fft | first | residual | direct | first | residual | faster |")
    print("|---|---|---|---|---|---|---|---|---|")
    source = {"field": "gaussian", "modes": 16}
    for grid in GRIDS:
        for name, problem in PROBLEMS.items():
            size = prod(grid)
            if size > options.largest or (size > 100_000 and len(grid) == 3 and "random" in name):
                continue
            found = measure(problem | {"resolution": list(grid), "source": source}, 21 if size < 20_000 else 5)
            middle = {method: median(times[1:]) for method, (times, _) in found.items()}
            cells = [f"{middle[m]:.2f} | {found[m][0][0]:.2f} | {found[m][1]:.0e}" for m in METHODS]
            ratio = middle["direct"] / middle["fft"]
            print(f"| {name} | {' x '.join(map(str, grid))} | {' | '.join(cells)} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
