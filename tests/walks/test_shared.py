"""Walks that samples share: right for every sample, the same bits whatever else is labelled with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError
from pdemill.spec import validate
from tests.walks.test_stores import changed, content

type Json = dict[str, Any]

DISK: Json = {
    "problem": {
        "family": "poisson",
        "domain": {"shape": "disk"},
        "points": {"random": 150, "shared": True},
        "source": {"uniform": [1, 4]},
        "boundary": {
            "boundary": {
                "dirichlet": {"field": "expression", "formula": "a*(x**2 - y**2)", "where": {"a": {"normal": [0, 2]}}}
            }
        },
    },
    "samples": 10,
    "seed": 4,
    "solver": {"method": "walks", "estimator": "shared", "walks": 1000, "epsilon": 2e-4},
}
SCREENED: Json = changed(
    DISK,
    problem={
        "family": "screened_poisson",
        "domain": {"shape": "ball"},
        "screening": 3,
        "source": {"field": "expression", "formula": "3*a*x", "where": {"a": 1}},
        "boundary": {"boundary": {"dirichlet": {"field": "expression", "formula": "x"}}},
    },
)
WAVY: Json = changed(
    DISK,
    problem={
        "family": "darcy",
        "domain": {"shape": "box", "lengths": [1, 1]},
        "coefficient": {
            "field": "expression",
            "formula": "exp(a*sin(2*pi*x)*cos(pi*y))",
            "where": {"a": {"uniform": [0.3, 0.7]}},
        },
        "source": 0,
        "boundary": {"default": {"dirichlet": 1}},
        "reaction": 0,
    },
)


def rows(out: Path) -> dict[str, Any]:
    group: Any = zarr.open_group(out, mode="r")["train"]
    return {name: np.asarray(array[...]) for name, array in group.arrays()}


def check(z: Any) -> None:
    """Points have walks of their own; the samples of one point do not."""
    for of_sample in z:
        assert abs(of_sample.mean()) < 4 / np.sqrt(of_sample.size)
        assert 0.8 < np.sqrt((of_sample**2).mean()) < 1.2


def test_every_sample_of_a_bank_is_right(tmp_path: Path) -> None:
    content(DISK, tmp_path / "store.zarr")
    found = rows(tmp_path / "store.zarr")
    f, a = found["params"].T[:, :, None]
    x, y = np.moveaxis(found["points"], 2, 0)
    exact = a * (x**2 - y**2) + f * (1 - x**2 - y**2) / 4
    check((found["solution"] - exact) / found["stderr"])
    assert (found["points"] == found["points"][0]).all()
    plan = pdemill.open(tmp_path / "store.zarr").attributes["plan"]
    assert plan["estimator"] == "shared"
    assert plan["bank"]["walks"] == 1000
    assert plan["bank"]["points"] == 150


def test_a_bank_in_space_with_screening(tmp_path: Path) -> None:
    """u = x: -Δu + 3 u = 3 x."""
    content(SCREENED, tmp_path / "store.zarr")
    found = rows(tmp_path / "store.zarr")
    check((found["solution"] - found["points"][:, :, 0])[:1] / found["stderr"][:1])


@pytest.mark.slow
def test_media_on_common_walks_give_what_walks_of_their_own_give(tmp_path: Path) -> None:
    spec = changed(WAVY, problem={"source": {"field": "expression", "formula": "sin(3*x) + y"}})
    content(spec, tmp_path / "shared.zarr")
    content(changed(spec, solver={"estimator": "independent"}), tmp_path / "alone.zarr")
    together, alone = rows(tmp_path / "shared.zarr"), rows(tmp_path / "alone.zarr")
    check((together["solution"] - alone["solution"]) / np.hypot(together["stderr"], alone["stderr"]))
    assert (together["largest_weight"] >= 1).all()


@pytest.mark.parametrize(
    "spec", [pytest.param(DISK, id="bank"), pytest.param(WAVY, id="media", marks=pytest.mark.slow)]
)
def test_a_label_does_not_depend_on_the_samples_it_is_labelled_with(spec: Json, tmp_path: Path) -> None:
    found = []
    for number, (shard, workers) in enumerate([(1024, 1), (3, 2), (1, 1)]):
        out = tmp_path / f"{number}.zarr"
        content(changed(spec, store={"shard": shard}), out, workers)
        found.append(pdemill.open(out)[:])
    for other in found[1:]:
        assert all(np.array_equal(other[name], found[0][name]) for name in other)


def test_epochs_have_banks_of_their_own() -> None:
    first, second = (next(pdemill.walk_labels(DISK, epoch=epoch, workers=0)) for epoch in (0, 1))
    assert np.array_equal(first["points"], second["points"])
    z = (first["y"] - second["y"]) / np.hypot(first["stderr"], second["stderr"])
    assert 0.8 < np.std(z) < 1.2


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"problem": {"points": {"random": 150}}}, "solver.estimator"),
        ({"problem": {"domain": {"shape": "disk", "radius": {"uniform": [1, 2]}}}}, "solver.estimator"),
        ({"problem": {"family": "screened_poisson", "screening": {"uniform": [1, 2]}}}, "solver.estimator"),
        ({"solver": {"control_variate": "harmonic"}}, "solver.control_variate"),
        ({"solver": {"walks": None, "target_stderr": 0.1}}, "solver.target_stderr"),
    ],
)
def test_what_cannot_be_shared_is_refused(change: Json, path: str) -> None:
    with pytest.raises(SpecError, match=path):
        validate(changed(DISK, **change))
