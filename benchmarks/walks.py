"""Walks and steps per second on one core, by process CPU time: the best of several runs of about half a second.

``python benchmarks/walks.py [--repeats N]``. Epsilon is a thousandth of the diameter; Poisson keeps a source point per
walk. Evaluating boundary and source data on the records comes on top, and depends on the data.
"""

from __future__ import annotations

import argparse
from time import process_time

import numpy as np

from solvers.walks.geometry import Geometry
from solvers.walks.records import Records
from solvers.walks.shapes.ball import Ball
from solvers.walks.shapes.box import Box
from solvers.walks.shapes.mesh import Mesh
from solvers.walks.shapes.star import Star
from solvers.walks.surface import blob
from solvers.walks.walk import walk

POINTS = 200
COSINES = (0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.15)


def shapes() -> dict[str, tuple[Geometry, float]]:
    """Every domain, with the seconds that it took to make (the second time, so that nothing is compiled)."""
    found: dict[str, tuple[Geometry, float]] = {}
    for name, make in {
        "disk": Ball,
        "star, 1,000 edges": lambda: Star(COSINES, edges=1000),
        "ball": lambda: Ball(np.zeros(3)),
        "blob, 20,480 triangles": lambda: Mesh(blob(5)),
        "10-dimensional box": lambda: Box(np.zeros(10), np.ones(10)),
    }.items():
        for small in (Star(COSINES, edges=10), Mesh(blob(0))):
            small.distance(small.lower[None])
        begin = process_time()
        found[name] = make(), process_time() - begin
    return found


def measure(geometry: Geometry, source: bool, repeats: int) -> tuple[float, float]:
    """Walks per second and mean steps."""
    x = geometry.interior(POINTS, (1, 2), margin=0.01 * geometry.diameter)

    def go(walks: int) -> Records:
        return walk(geometry, x, range(POINTS), 0, walks, 1e-3 * geometry.diameter, 10_000, (3, 4), 0, source=source)

    go(1)
    walks, seconds = 10, 0.0
    while seconds < 0.25:
        walks, begin = 2 * walks, process_time()
        records = go(walks)
        seconds = process_time() - begin
    best = np.inf
    for _ in range(repeats):
        begin = process_time()
        go(walks)
        best = min(best, process_time() - begin)
    return POINTS * walks / best, float(records.steps.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print("| domain | made in ms | equation | walks/s | steps/s | steps per walk |\n|---|---|---|---|---|---|")
    for name, (geometry, seconds) in shapes().items():
        for equation, source in (("Laplace", False), ("Poisson", True)):
            rate, steps = measure(geometry, source, repeats)
            cells = f"{1e3 * seconds:.1f} | {equation} | {rate:.2e} | {rate * steps:.2e} | {steps:.1f}"
            print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
