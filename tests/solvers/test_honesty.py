"""How far estimated discretisation errors are from true ones, measured against cells of a sixteenth of the size.

docs/trust.md tells the factors that this table guards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.field_estimates import Refiner
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.candidates import for_few
from pdemill.solvers.operators.norms import relative_norm
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate

type Json = dict[str, Any]

SAMPLES = 6


def gaussian(alpha: float, **more: Any) -> Json:
    return {"field": "gaussian", "alpha": alpha, "tau": 3, **more}


def threshold(high: float) -> Json:
    field = {"field": "threshold", "low": 1, "high": high, "of": gaussian(2)}
    return {"family": "darcy", "resolution": [32, 32], "coefficient": field}


CORNER = {"shape": "polygon", "outline": [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]}
WHITE = gaussian(0, modes=512)
FACTORS: list[tuple[str, Json, int, tuple[float, float], tuple[float, float]]] = [
    ("smooth", {"family": "poisson", "resolution": [32, 32], "source": gaussian(3)}, 4, (0.98, 1.02), (0.98, 1.02)),
    ("contrast 10", threshold(10), 4, (0.7, 1.2), (0.8, 1.1)),
    ("contrast 1000", threshold(1000), 4, (0.25, 1.8), (0.6, 1.0)),
    ("white source", {"family": "poisson", "resolution": [32, 32], "source": WHITE}, 4, (1.4, 7.5), (4.0, 7.0)),
    ("white side", {"family": "poisson", "resolution": [32, 32], "source": 0,
                    "boundary": {"left": {"dirichlet": WHITE}}}, 4, (0.7, 2.5), (1.2, 2.0)),
    ("corner", {"family": "thermal", "resolution": {"h": 0.2}, "domain": CORNER, "source": 1}, 3,
     (1.1, 1.3), (1.1, 1.3)),
]  # fmt: skip
"""Problem, halvings of the cells, bounds of true over estimated error of all samples, and of their median."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "halvings", "all_within", "median_within"),
    [row[1:] for row in FACTORS],
    ids=[row[0] for row in FACTORS],
)
def test_estimates_are_off_by_known_factors(
    problem: Json, halvings: int, all_within: tuple[float, float], median_within: tuple[float, float]
) -> None:
    found = factors(problem, halvings)
    assert all_within[0] <= found.min()
    assert found.max() <= all_within[1], found
    assert median_within[0] <= np.median(found) <= median_within[1], found


def factors(problem: Json, halvings: int, samples: int = SAMPLES) -> Array:
    """True over estimated relative errors of the first samples; the truth is the solution on far smaller cells."""
    certify, store = {"refine": 1}, {"dtype": "float64"}
    job = FieldJob(validate({"problem": problem, "samples": samples, "certify": certify, "store": store}))
    ladder = [job.discretisation, job.refined]
    for _ in range(halvings - 1):
        ladder.append(ladder[-1].refined())
    method = for_few(job.problem, ladder[-1].pattern.size, 1e-9)
    own, finest, refiner = job.sequence(), job.sequence(method, ladder[-1], to_rounding=True), Refiner(job)
    found = []
    for number in range(samples):
        instance = job.instance("train", number)
        fields = []
        for grid, sequence in ((ladder[0], own), (ladder[-1], finest)):
            (label,) = job.scheme.labels([grid.equation(instance)], sequence, Stopwatch())
            assert label.unknowns is not None
            fields.append(grid.to_fields(grid.centred(label.unknowns), instance))
        u, truth = fields
        for grid in ladder[-2::-1]:
            truth = grid.restrict_fields(truth)
        found.append(relative_norm(u - truth, truth) / refiner.estimate(instance, u, 0.0, ordered=False).error)
    return np.array(found)
