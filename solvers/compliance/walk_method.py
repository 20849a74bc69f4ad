"""Methods for values at points: within their standard errors of the reference, the same alone and in company."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdemill.solvers.compliance.reference import square
from pdemill.solvers.compliance.solved import PLACES, rows, sample_of
from pdemill.solvers.job import open_job
from pdemill.spec import validate
from pdemill.testing.compliance import ComplianceError

SAMPLES = 3
DEVIATIONS = 5.0
BIAS = 5e-3
"""Part of u that ends short of the boundary may cost."""


def check_walks(options: Mapping[str, Any]) -> None:
    """Solve Poisson's equation at points."""
    problem = {
        "family": "poisson", **PLACES["walks"][0], "source": {"uniform": [1, 2]},
        "boundary": {"default": {"dirichlet": 1}},
    }  # fmt: skip
    spec = validate({"problem": problem, "samples": SAMPLES, "solver": dict(options), "store": {"dtype": "float64"}})
    job = open_job(spec)
    together = rows(job, 0, SAMPLES)
    for number in range(SAMPLES):
        alone = rows(open_job(spec), number, number + 1)
        name = f"{options['method']}, sample {number},"
        if not all(np.array_equal(alone[part][0], together[part][number]) for part in ("solution", "stderr")):
            raise ComplianceError(f"{name} has other bits alone and in company")
        found, stderr = together["solution"][number], together["stderr"][number]
        exact = square().at(square().solution(sample_of(job, number)), together["points"][number].T)
        if (np.abs(found - exact) > DEVIATIONS * stderr + BIAS * np.abs(exact)).any():
            raise ComplianceError(f"{name} lies more than {DEVIATIONS:g} of its standard errors from the reference")
