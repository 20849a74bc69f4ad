"""Weak forms of tests, and ways to solve one sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.sequence import Label
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate

POISSON: dict[str, Any] = {
    "family": "weak_form",
    "resolution": [8, 8],
    "unknowns": {"u": "P1"},
    "form": "inner(grad(u), grad(v))*dx - v*dx",
    "boundary": {"default": {"u": {"dirichlet": 0.0}}},
}


def formula(text: str) -> dict[str, str]:
    return {"field": "expression", "formula": text}


def opened(problem: dict[str, Any], **keys: Any) -> FieldJob:
    job = open_job(validate({"problem": problem, "samples": 1, **keys}))
    assert isinstance(job, FieldJob)
    return job


def solved(job: FieldJob, sample: int = 0) -> tuple[Array, Label]:
    """The channels of a sample at the nodes, and its label."""
    instance = job.instance("train", sample)
    equation = job.discretisation.equation(instance)
    (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
    assert label.unknowns is not None, label.reason
    grid = job.discretisation
    return grid.to_fields(grid.centred(label.unknowns, instance), instance), label


def errors(problem: dict[str, Any], exact: tuple[Any, ...]) -> Array:
    """The relative error of each channel at the nodes, in the mean square."""
    job = opened(problem)
    fields, _ = solved(job)
    places = job.discretisation.points.coordinates.values()
    known = [np.broadcast_to(function(*places), field.shape) for function, field in zip(exact, fields, strict=True)]
    return np.array([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(fields, known, strict=True)])
