"""Iterations of multigrid around obstacles, against those without, over random fields and drawn obstacles.

Every sample has a coefficient and obstacles of its own; samples are told apart by the flag of thin obstacles and gaps,
those of less than three cells. ``pdemill bench obstacles [--samples N]`` prints the table.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.report import Table
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.multigrid.solver import GridSolver
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate

RTOL, LIMIT, LANES = 1e-8, 300, 8
GRIDS = ((64, 64), (128, 128), (32, 32, 32))
PARTS = {(64, 64): 1.0, (128, 128): 0.4, (32, 32, 32): 0.2}
"""The share of the samples that are solved on a grid."""
COEFFICIENT = {"field": "lognormal", "std": 1.0}
HELD, FREE = {"dirichlet": 0}, {"neumann": 0}
SIDES: dict[str, dict[str, Any]] = {
    "no flux": {"obstacles": FREE},
    "u given": {"obstacles": HELD},
    "no flux, nor on the box": {"default": FREE, "obstacles": FREE},
}


def scattered(shape: tuple[int, ...], apart: bool) -> dict[str, Any]:
    """Two to eight disks or balls, at least three cells across and three cells from each other and from the sides; or
    six to fourteen that overlap as they come."""
    radius = {"uniform": [max(0.05, 2.5 / shape[0]), 0.13]}
    one = {"shape": "disk" if len(shape) == 2 else "ball", "radius": radius}
    gap = {"apart": 4.5 / shape[0], "count": [2, 8 if shape[0] > 32 else 4]} if apart else {"count": [6, 14]}
    return {"shape": "scattered", "of": one, **gap}


def solved(
    shape: tuple[int, ...], samples: int, boundary: dict[str, Any], obstacle: dict[str, Any] | None
) -> tuple[NDArray[Any], NDArray[np.bool_], int]:
    """Iterations of all samples, which of them are thin, and how many could not be drawn."""
    problem = {
        "family": "darcy", "resolution": list(shape), "coefficient": COEFFICIENT, "compatibility": "project",
        "source": {"field": "gaussian", "modes": 16}, "boundary": boundary,
        "domain": {"without": [obstacle]} if obstacle else {},
    }  # fmt: skip
    job = FieldJob(validate({"problem": problem, "samples": samples, "solver": {"method": "multigrid"}}))
    grid, found, thin, failed = job.discretisation, [], [], 0
    solver = GridSolver(grid.pattern, LANES)
    waiting = []
    for sample in range(samples):
        instance = job.instance("train", sample)
        try:
            waiting.append(grid.assemble(instance))
        except InvalidSample:
            failed += 1
        else:
            thin.append(grid.is_thin(instance))
        if len(waiting) == LANES or (waiting and sample == samples - 1):
            solutions = solver.solve(waiting, RTOL, LIMIT)
            found += [s.stats.iterations if s.result.ok else LIMIT for s in solutions]
            waiting = []
    return np.array(found), np.array(thin, dtype=bool), failed


def told(iterations: NDArray[Any], without: NDArray[Any]) -> tuple[str, float | None, float | None]:
    """Median and most, and both in units of the median without obstacles."""
    if not len(iterations):
        return "none", None, None
    middle, most, base = float(np.median(iterations)), int(iterations.max()), float(np.median(without))
    return f"{len(iterations)}: {middle:.0f} ({most})", middle / base, most / base


def compare(samples: int, grids: list[tuple[int, ...]]) -> None:
    """The table."""
    table = Table(
        "Iterations around obstacles: number of samples, median (most); ratios to the median without",
        ("grid", "obstacles", "condition", "without", "resolved", "median", "most", "thin", "median", "most", "failed"),
    )  # fmt: skip
    for shape in grids:
        many = max(int(PARTS[shape] * samples), 1)
        for condition, boundary in SIDES.items():
            own = {side: value for side, value in boundary.items() if side != "obstacles"}
            without, _, _ = solved(shape, many, own, None)
            for name, apart in (("apart", True), ("overlapping", False)):
                iterations, thin, failed = solved(shape, many, boundary, scattered(shape, apart))
                cells = f"{np.median(without):.0f} ({without.max()})"
                resolved, few = told(iterations[~thin], without), told(iterations[thin], without)
                table.add(" x ".join(map(str, shape)), name, condition, cells, *resolved, *few, failed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--smallest", action="store_true", help="on the smallest grid alone")
    options = parser.parse_args()
    with one_thread():
        compare(options.samples, list(GRIDS[:1] if options.smallest else GRIDS))


if __name__ == "__main__":
    main()
