"""Splits whose problem is another one than the spec's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SolverError, SpecError
from pdemill.inspect import report
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.verify import verify
from pdemill.spec.load import validate

POISSON: dict[str, Any] = {
    "family": "poisson",
    "resolution": [12, 12],
    "source": {"field": "expression", "formula": "a*sin(pi*x)", "where": {"a": {"uniform": [1, 2]}}},
}
WIDE = {"source": {"where": {"a": {"uniform": [3, 4]}}}}
EVEN = {"samples": 4, "design": {"method": "latin_hypercube"}}
SPEC: dict[str, Any] = {
    "problem": POISSON,
    "splits": {"train": 6, "calibration": 3, "even": EVEN, "ood": {"samples": 5, "problem": WIDE}},
    "seed": 3,
    "solver": {"method": "direct"},
    "store": {"shard": 4, "dtype": "float64"},
}


def of(splits: Any, **changes: Any) -> dict[str, Any]:
    return {**SPEC, "splits": splits, **changes}


def test_a_split_of_samples_alone_is_their_number() -> None:
    plain, told = validate(of({"train": 6})), validate(of({"train": {"samples": 6}}))
    assert plain.sha256() == told.sha256()
    assert json.loads(told.canonical())["splits"] == {"train": 6}
    assert validate(json.loads(validate(SPEC).canonical())).sha256() == validate(SPEC).sha256()
    assert validate(SPEC).splits == {"train": 6, "calibration": 3, "even": 4, "ood": 5}


def test_it_is_what_a_job_of_that_problem_is_to_the_bit(tmp_path: Path) -> None:
    assert pdemill.generate(SPEC, tmp_path / "one", workers=0).ok
    source = {**POISSON["source"], "where": {"a": {"uniform": [3, 4]}}}
    alone = of({"ood": 5}, problem={**POISSON, "source": source})
    assert pdemill.generate(alone, tmp_path / "alone", workers=0).ok
    ood, same = (pdemill.open(tmp_path / name, "ood") for name in ("one", "alone"))
    assert np.array_equal(ood[:]["y"], same[:]["y"])
    drawn = {split: _drawn(tmp_path / "one", split) for split in SPEC["splits"]}
    assert 1.0 < min(drawn["train"]) <= max(drawn["train"]) < 2.0
    assert 3.0 < min(drawn["ood"]) <= max(drawn["ood"]) < 4.0
    assert not set(drawn["train"]) & set(drawn["calibration"])
    found = verify(tmp_path / "one", resolve=True)
    assert found.ok, found.faults
    assert [(row.split, row.certified) for row in report(tmp_path / "one")[1]] == [
        ("train", 6), ("calibration", 3), ("even", 4), ("ood", 5),
    ]  # fmt: skip


def _drawn(store: Path, split: str) -> list[float]:
    data = pdemill.open(store, split)
    return [float(a) for shard in data.shards for a in data.column(shard, "params")[:, 0]]


def test_the_first_split_may_have_one_too(tmp_path: Path) -> None:
    spec = of({"train": {"samples": 2, "problem": WIDE}, "test": {"samples": 2, "problem": WIDE}})
    assert pdemill.generate(spec, tmp_path / "s", workers=0).ok
    assert min(_drawn(tmp_path / "s", "train")) > 3.0


def test_one_method_solves_all_splits() -> None:
    darcy: dict[str, Any] = {"family": "darcy", "resolution": [16, 16]}
    numbers = {**darcy, "coefficient": {"uniform": [1, 2]}}
    sloped = {"field": "expression", "formula": "1 + a*x", "where": {"a": {"uniform": [1, 2]}}}
    own: dict[str, Any] = {"coefficient": sloped}
    spec: dict[str, Any] = {"problem": numbers, "splits": {"train": 2, "ood": {"samples": 2, "problem": own}}}
    with pytest.raises(SpecError, match=r"splits\.ood\.problem: gives the parameters coefficient\.a, and the problem"):
        open_job(validate(spec))
    own = {"coefficient": {"field": "lognormal"}}
    field = {"field": "threshold", "of": {"field": "gaussian"}, "low": 1, "high": 2}
    varied = {**numbers, "coefficient": field}
    job = open_job(validate({"problem": varied, "splits": {"train": 2, "ood": {"samples": 2, "problem": own}}}))
    assert job.part("train")[0].method == job.part("ood")[0].method


def test_fresh_labels_and_audits_are_of_it_too() -> None:
    walks: dict[str, Any] = {
        "problem": {
            "family": "poisson",
            "points": {"random": 4},
            "domain": {"shape": "ball"},
            "source": {"uniform": [1, 2]},
        },
        "splits": {"train": 2, "ood": {"samples": 2, "problem": {"source": {"uniform": [5, 6]}}}},
        "solver": {"method": "walks", "walks": 64},
    }
    alone = {**walks, "problem": {**walks["problem"], "source": {"uniform": [5, 6]}}, "splits": {"ood": 2}}
    found, expected = (next(pdemill.walk_labels(s, 0, "ood", workers=0)) for s in (walks, alone))
    assert np.array_equal(found["y"], expected["y"])
    assert np.array_equal(found["x"], expected["x"])
    with pytest.raises(SolverError, match="ood has a problem of its own"):
        FieldJob(validate(SPEC)).instance("ood", 0)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"samples": 0}, "splits.ood.samples: should be greater than or equal to 1"),
        ({"problem": WIDE}, "splits.ood.samples: is missing"),
        ({"samples": 1, "probem": {}}, "splits.ood.probem: unknown key"),
        ({"samples": 1, "problem": {"source": {"formul": "x"}}}, "splits.ood.problem.source.formul: unknown key"),
        ({"samples": 1, "problem": {"family": "darcy"}}, "splits.ood.problem"),
        ({"samples": 1, "problem": {"resolution": [8, 8]}}, "splits.ood.problem.resolution: cannot be another one"),
        ({"samples": 1, "problem": {"source": 1.0}}, "splits.ood.problem.source: is drawn in the problem of the spec"),
        ({"samples": 1, "problem": {"boundary": {"left": {"neumann": "x"}}}}, "splits.ood.problem.boundary.left"),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(split: Any, message: str) -> None:
    with pytest.raises(SpecError) as error:
        validate(of({"train": 2, "ood": split}))
    assert message in str(error.value)
