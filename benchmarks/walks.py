"""Walks: how many per second, what lowers their error at equal cost, and what sharing them gives. One core, CPU time.

Medians of several runs of process CPU time; epsilon is a thousandth of the diameter where nothing else is said.
``python benchmarks/walks.py [--repeats R]``, under two minutes.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Callable  # noqa: E402
from math import sqrt  # noqa: E402
from statistics import median  # noqa: E402
from time import process_time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from pdemill.solvers.walks.geometry import Geometry  # noqa: E402
from pdemill.solvers.walks.job import PointJob  # noqa: E402
from pdemill.solvers.walks.labels import Labeller  # noqa: E402
from pdemill.solvers.walks.shapes.ball import Ball  # noqa: E402
from pdemill.solvers.walks.shapes.box import Box  # noqa: E402
from pdemill.solvers.walks.shapes.mesh import Mesh  # noqa: E402
from pdemill.solvers.walks.shapes.star import Star  # noqa: E402
from pdemill.solvers.walks.walk import walk  # noqa: E402
from pdemill.spec import validate  # noqa: E402
from pdemill.surface import blob  # noqa: E402

KEY = (7, 11)
POINTS = 256
EPSILON = 1e-3
MOST_STEPS = 10_000


def star() -> Star:
    cosines = np.zeros(60)
    cosines[[3, 7, 59]] = 0.2, 0.15, 0.02
    return Star(cosines, np.zeros(60), 1.0, edges=1000, resolution=256)


DOMAINS: dict[str, tuple[Callable[[], Geometry], int]] = {
    "disk": (lambda: Ball(np.zeros(2), 1.0), 4000),
    "star, 1000 edges": (star, 1000),
    "blob, 20,480 triangles": (lambda: Mesh(blob(5)), 200),
    "box, 10 dimensions": (lambda: Box(np.zeros(10), np.ones(10)), 200),
}
"""Each with so many walks per point."""


def speed(repeats: int) -> None:
    print("| domain | equation | walks/s | steps/s | steps per walk |")
    print("|---|---|---|---|---|")
    for name, (make, walks) in DOMAINS.items():
        geometry = make()
        epsilon = EPSILON * geometry.diameter
        points = geometry.interior(POINTS, KEY, margin=epsilon)
        for equation, source in (("Laplace", False), ("Poisson", True)):

            def run(count: int, source: bool = source) -> Any:
                ids = np.arange(POINTS)
                return walk(geometry, points, ids, 0, count, epsilon, MOST_STEPS, KEY, 0, source=source)  # noqa: B023

            run(1)
            times = []
            for _ in range(repeats):
                begin = process_time()
                found = run(walks)
                times.append(process_time() - begin)
            steps, seconds = int(found.steps.sum()), median(times)
            rates = f"{POINTS * walks / seconds:.2e} | {steps / seconds:.2e}"
            print(f"| {name} | {equation} | {rates} | {steps / (POINTS * walks):.1f} |", flush=True)


HARMONIC = {"field": "expression", "formula": "log((x - 1.5)**2 + (y - 0.4)**2)"}
"""A harmonic function whose singularity is outside the domain."""
CORNER = {"field": "expression", "formula": "sqrt((sqrt(x**2 + y**2) + x) / 2)"}
"""Re √z: harmonic, with a singularity in the corner of a box."""
WITH_SOURCE = {"field": "expression", "formula": "x**2 - y**2 + sin(2*x)*cos(y)"}
SOURCE = {"field": "expression", "formula": "5*sin(2*x)*cos(y)"}
STAR = {"shape": "star", "harmonics": [{"order": 4, "cosine": 0.2}, {"order": 8, "cosine": 0.1}]}
BOX = {"shape": "box", "lengths": [1, 1]}
REDUCTIONS: list[tuple[str, dict[str, Any], Any, dict[str, dict[str, Any]]]] = [
    (
        "Laplace in a star",
        {"domain": STAR, "source": 0, "boundary": {"default": {"dirichlet": HARMONIC}}},
        lambda x, y: np.log((x - 1.5) ** 2 + (y - 0.4) ** 2),
        {"harmonic": {"control_variate": "harmonic"}, "sobol": {"sobol": True}},
    ),
    (
        "Laplace in a box, singular corner",
        {"domain": BOX, "source": 0, "boundary": {"default": {"dirichlet": CORNER}}},
        lambda x, y: np.sqrt((np.hypot(x, y) + x) / 2),
        {"harmonic": {"control_variate": "harmonic"}, "grid": {"control_variate": "grid"}, "sobol": {"sobol": True}},
    ),
    (
        "Poisson in a box",
        {"domain": BOX, "source": SOURCE, "boundary": {"default": {"dirichlet": WITH_SOURCE}}},
        lambda x, y: x**2 - y**2 + np.sin(2 * x) * np.cos(y),
        {
            "harmonic": {"control_variate": "harmonic"},
            "grid": {"control_variate": "grid"},
            "sobol": {"sobol": True},
            "grid, sobol": {"control_variate": "grid", "sobol": True},
        },
    ),
]


def reduction(repeats: int) -> None:
    print("| problem | | rms error | rms stderr | CPU ms per sample | variance at equal cost, divided by |")
    print("|---|---|---|---|---|---|")
    for name, problem, exact, ways in REDUCTIONS:
        plain = 0.0
        for way, options in {"plain": {}, **ways}.items():
            error, stderr, seconds = labelled(problem, options, exact, repeats)
            cost = stderr**2 * seconds
            plain = plain or cost
            print(
                f"| {name} | {way} | {error:.1e} | {stderr:.1e} | {1e3 * seconds:.0f} | {plain / cost:.2g} |",
                flush=True,
            )


def labelled(problem: dict[str, Any], options: dict[str, Any], exact: Any, repeats: int) -> tuple[float, float, float]:
    """The rms of error and standard error over some samples, and the median CPU time of one after the first."""
    solver = {"method": "walks", "walks": 8192, "epsilon": 1e-4, "control_variate": "none", **options}
    family = {"family": "poisson", "points": {"random": 16}}
    job = PointJob(validate({"problem": family | problem, "samples": repeats + 1, "solver": solver}))
    labeller = Labeller(job, "train")
    errors, stderrs, times = [], [], []
    for number in range(repeats + 1):
        drawn = labeller.draw(number)
        begin = process_time()
        found = labeller.label(drawn)
        times.append(process_time() - begin)
        errors.append(found.value - exact(*drawn.points.T))
        stderrs.append(found.stderr)
    rms = (sqrt(np.mean(np.square(values))) for values in (errors, stderrs))
    return next(rms), next(rms), median(times[1:])


def sharing() -> None:
    """Labels of 1000 samples at 1000 points from 1000 walks each, and the same number for each sample alone."""
    print("| samples x points x walks | estimator | CPU s | instance-walks/s |")
    print("|---|---|---|---|")
    data = {"field": "expression", "formula": "a*x + b*sin(3*y)", "where": {n: {"normal": [0, 1]} for n in "ab"}}
    problem = {
        "family": "poisson",
        "domain": STAR,
        "points": {"random": 1000, "shared": True},
        "source": {"field": "expression", "formula": "a*cos(2*x)", "where": {"a": {"normal": [0, 1]}}},
        "boundary": {"default": {"dirichlet": data}},
    }
    for estimator, samples in (("independent", 2), ("shared", 1000)):
        solver = {"method": "walks", "walks": 1000, "estimator": estimator}
        if estimator == "independent":
            solver["control_variate"] = "none"
        job = PointJob(validate({"problem": problem, "samples": samples, "solver": solver}))
        warm = Labeller(job, "train", epoch=1)
        warm.labels([warm.draw(0)])
        labeller = Labeller(job, "train")
        begin = process_time()
        for first in range(0, samples, labeller.together):
            labeller.labels([labeller.draw(n) for n in range(first, min(first + labeller.together, samples))])
        seconds = process_time() - begin
        size = f"{samples} x 1000 x 1000"
        print(f"| {size} | {estimator} | {seconds:.1f} | {samples * 1e6 / seconds:.2e} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    speed(options.repeats)
    print()
    reduction(options.repeats)
    print()
    sharing()


if __name__ == "__main__":
    main()
