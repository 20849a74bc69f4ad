"""Designs of the scalars of a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import qmc

import pdemill
from pdemill.console import print_report
from pdemill.errors import SpecError
from pdemill.inspect import report
from pdemill.points import Array
from pdemill.solvers.designs.told import told_of
from pdemill.solvers.job import open_job
from pdemill.solvers.verify import verify
from pdemill.spec.job import Spec
from pdemill.spec.load import load_preset, validate
from pdemill.spec.scalars import scalars_of
from pdemill.store.root import read_attributes
from tests.service.api import serving, without_broker

NAMES = ("source.a", "source.b", "left_dirichlet")
PROBLEM: dict[str, Any] = {
    "family": "poisson",
    "resolution": [4, 4],
    "source": {
        "field": "expression",
        "formula": "a*sin(pi*x) + b",
        "where": {"a": {"uniform": [1, 3]}, "b": {"normal": [5, 2]}},
    },
    "boundary": {"left": {"dirichlet": {"uniform": [0, 1]}}},
}


def spec(samples: int, split: str = "train", **design: Any) -> dict[str, Any]:
    of = {"samples": samples, "design": design} if design else samples
    return {"problem": PROBLEM, "splits": {split: of}, "seed": 7, "solver": {"method": "direct"}}


def numbers(made: Spec, split: str = "train", of: int | None = None) -> Array:
    """The params of a split as they are drawn."""
    job = open_job(made)
    assert job.parameters == NAMES
    return np.array([job.drawn(split, i)["params"] for i in range(of or made.splits[split])])


def levels(params: Array) -> Array:
    """Their quantiles."""
    from scipy.special import ndtr

    return np.stack([(params[:, 0] - 1.0) / 2.0, ndtr((params[:, 1] - 5.0) / 2.0), params[:, 2]], axis=1)


@pytest.mark.parametrize("method", ["sobol", "halton", "latin_hypercube"])
def test_it_fills_the_cube_evenly(method: str) -> None:
    placed, drawn = (levels(numbers(validate(spec(64, **d)))) for d in ({"method": method}, {}))
    told = told_of(validate(spec(64, method=method)))["train"]
    assert told["scalars"] == list(NAMES)
    assert told["discrepancy"] == pytest.approx(qmc.discrepancy(placed), rel=1e-3)
    assert qmc.discrepancy(placed) < 0.5 * qmc.discrepancy(drawn)
    for column in placed.T if method != "halton" else ():  # one in each of 64 intervals
        assert sorted(np.floor(64 * column).astype(int)) == list(range(64))
    assert not np.intersect1d(placed, levels(numbers(validate(spec(64, "test", method=method)), "test"))).size


def test_sample_i_is_point_i_of_the_sequence() -> None:
    made = validate(spec(2000, method="sobol"))
    assert np.array_equal(numbers(made, of=40), numbers(validate(spec(40, method="sobol"))))
    job = open_job(made)
    late = job.drawn("train", 1900)["params"]
    from pdemill.solvers.designs.blocks import generator

    points = qmc.Sobol(3, rng=generator(7, "train", "sobol")).random(2048) + 2.0**-31
    assert late == pytest.approx([1 + 2 * points[1900, 0], 5 + 2 * ndtri(points[1900, 1]), points[1900, 2]], rel=1e-14)


def test_only_what_can_be_extended_says_so() -> None:
    told = {m: told_of(validate(spec(6, method=m)))["train"] for m in ("sobol", "halton", "latin_hypercube")}
    assert {m: one["extensible"] for m, one in told.items()} == {
        "sobol": True,
        "halton": True,
        "latin_hypercube": False,
    }
    assert told["sobol"]["note"] == "6 points are no power of two: not balanced"
    assert "cannot be extended" in told["latin_hypercube"]["note"]
    few, many = (numbers(validate(spec(n, method="latin_hypercube")), of=6) for n in (6, 12))
    assert not np.intersect1d(few, many).size


def test_some_scalars_are_placed_and_the_others_drawn_as_ever() -> None:
    plain = numbers(validate(spec(8)))
    some = numbers(validate(spec(8, method="sobol", scalars=["source.b"])))
    assert np.array_equal(some[:, [0, 2]], plain[:, [0, 2]])
    assert not np.intersect1d(some[:, 1], plain[:, 1]).size


def test_values_are_what_they_are() -> None:
    third = 1.0 + 1.0 / 3.0
    grid = {"left_dirichlet": [0.25, 0.5], "source.a": [1, third, 3]}
    found = numbers(validate(spec(6, method="grid", values=grid)))
    assert found[:, [0, 2]].tolist() == [[a, u] for a in (1.0, third, 3.0) for u in (0.25, 0.5)]
    listed = numbers(validate(spec(3, method="list", values={"source.b": [0.1, -7, 0.3]})))
    assert listed[:, 1].tolist() == [0.1, -7.0, 0.3]


def test_a_store_holds_and_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {**spec(8, method="sobol"), "store": {"shard": 2}}
    assert pdemill.generate(asked, tmp_path / "2", workers=0).ok
    found = verify(tmp_path / "2", resolve=True)
    assert found.ok, found.faults
    data = pdemill.open(tmp_path / "2")
    stored = np.concatenate([data.column(shard, "params") for shard in data.shards])
    assert np.array_equal(stored, numbers(validate(asked)))
    assert read_attributes(tmp_path / "2")["designs"] == told_of(validate(asked))
    print_report(tmp_path / "2", *report(tmp_path / "2"))
    assert (
        "design of train: sobol over source.a, source.b, left_dirichlet; centred discrepancy" in capsys.readouterr().out
    )


def test_a_split_with_a_problem_of_its_own_may_have_one() -> None:
    own = {"source": {"where": {"a": {"uniform": [10, 12]}}}}
    both = {"train": 4, "ood": {"samples": 8, "problem": own, "design": {"method": "sobol"}}}
    found = numbers(validate({**spec(4), "splits": both}), "ood")
    assert sorted(np.floor(4 * (found[:, 0] - 10)).astype(int)) == list(range(8))


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"method": "sobl"}, "design.method: unknown design 'sobl'; did you mean 'sobol'?"),
        ({"method": "sobol", "scalars": ["nu"]}, "design.scalars[0]: is no scalar of the samples: 'nu'; there are"),
        ({"method": "halton", "scalars": []}, "design.scalars: should be all, or a list of names"),
        ({"method": "grid", "values": {"source.a": [1, 2, 3]}}, "design.values: has 3 combinations for 4 samples"),
        ({"method": "list", "values": {"source.a": [1, 2]}}, "design.values.source.a: has 2 values for 4 samples"),
        ({"method": "list", "values": {"source.a": [1, 2, 3, 4]}}, "design.values.source.a[3]: is not between 1 and 3"),
    ],
)
def test_what_does_not_fit_is_told_where_it_stands(design: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        validate(spec(4, **design))
    assert f"splits.train.{message}" in str(error.value)
    own = {"source": {"where": {"a": {"uniform": [1, 3]}}}}
    with pytest.raises(SpecError) as error:
        validate({**spec(4), "splits": {"ood": {"samples": 4, "problem": own, "design": design}}})
    assert f"splits.ood.{message}" in str(error.value)


@pytest.mark.parametrize("name", ["helmholtz-indefinite", "prose-bistable", "heat-sequence", "lpsda-kdv"])
def test_scalars_are_found_by_their_names_in_params(name: str) -> None:
    made = load_preset(name, ["samples=1"])
    assert list(scalars_of(made.problem)) == list(open_job(made).parameters)


def test_measures_of_a_domain_are_placed() -> None:
    ball = {"shape": "ball", "radius": {"uniform": [1, 2]}}
    problem = {"family": "poisson", "points": {"random": 4}, "domain": ball, "source": {"uniform": [3, 4]}}
    made = {"samples": 8, "design": {"method": "sobol"}}
    job = open_job(validate({"problem": problem, "splits": {"train": made}, "solver": {"method": "walks"}}))
    found = np.array([job.drawn("train", i)["params"] for i in range(8)])
    assert set(job.parameters) == {"source", "domain.radius"}
    for column in (found - np.floor(found)).T:
        assert sorted(np.floor(8 * column).astype(int)) == list(range(8))


def test_a_dry_run_tells_them(tmp_path: Path) -> None:
    with serving(without_broker(tmp_path)) as api:
        found = api.post("/v1/jobs/validate", spec(16, method="halton")).json
        told = told_of(validate(spec(16, method="halton")))["train"]
        assert found["designs"] == {"train": {"note": "", **told}}
        bad = api.post("/v1/jobs/validate", spec(16, method="halton", scalars=["c"]))
        assert bad.status == 422
        assert "/splits/train/design/scalars/0" in bad.text


def test_there_must_be_numbers_to_place() -> None:
    problem = {"family": "poisson", "resolution": [4, 4], "source": {"field": "gaussian"}}
    bad = {"problem": problem, "splits": {"train": {"samples": 4, "design": {"method": "sobol"}}}}
    with pytest.raises(SpecError, match=r"splits\.train\.design: has no numbers to place"):
        validate(bad)
