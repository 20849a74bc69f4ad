"""Recycling where the squares of a right-hand side are not numbers: all goes by its shape, not by its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.krylov.orthonormal import orthonormalise
from pdemill.spec import validate
from pdemill.store.layout import Shard

METHODS: dict[str, dict[str, Any]] = {
    "skr": {"method": "skr", "restart": 12, "recycle": 4},
    "cg": {"method": "cg", "recycle": 4},
}


def _solved(method: str, std: float) -> Mapping[str, Any]:
    source = {"field": "gaussian", "alpha": 4, "tau": 1, "modes": 8, "std": std}
    problem = {"family": "poisson", "resolution": [16, 16], "source": source}
    solver = {**METHODS[method], "rtol": 1e-8}
    spec = {"problem": problem, "samples": 24, "solver": solver, "certify": {"refine": 0}}
    job = FieldJob(validate({**spec, "store": {"dtype": "float64"}}))
    found = job.solve(Shard("train", 0, 0, 24), lambda progress: None)[0].arrays
    assert (found["method"] == job.method_names().index(method)).all()
    return found


@pytest.mark.parametrize("method", METHODS)
def test_sources_of_any_size_are_solved_by_the_method_itself(method: str) -> None:
    one = _solved(method, 1.0)
    for std in (1e-200, 1e-162, 1e-155, 1e200):
        found = _solved(method, std)
        assert np.abs(found["iterations"] - one["iterations"]).max() <= 1
        assert found["solution"] / std == pytest.approx(one["solution"], rel=1e-5, abs=1e-7)


def test_more_rows_than_they_have_entries_are_dependent() -> None:
    rows = np.random.default_rng(0).standard_normal((7, 5))
    assert not orthonormalise(rows, rows.copy())
