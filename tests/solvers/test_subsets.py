"""Which samples are refined and audited: by their numbers alone, so that splits may grow; by ranks in schema 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.solvers.subsets import LEAST_REFINED, audited_count, audited_samples, refined_count, refined_samples
from pdemill.spec import validate
from pdemill.spec.job import Spec


def spec_of(samples: int, refine: float = 0.0025, audits: int = 0, seed: int = 0) -> Spec:
    certify: dict[str, Any] = {"refine": refine, **({"audit": {"samples": audits}} if audits else {})}
    problem = {"family": "poisson", "resolution": [8, 8]}
    return validate({"problem": problem, "samples": samples, "seed": seed, "certify": certify})


@pytest.mark.parametrize(("refine", "samples", "expected"), [(0, 50, 0), (0.0025, 50, 4), (1, 7, 7), (0.0025, 3, 3)])
def test_at_least_four_are_refined_and_all_that_are_asked_for(refine: float, samples: int, expected: int) -> None:
    spec = spec_of(samples, refine)
    assert refined_samples(spec, "train").tolist() == list(range(expected))
    assert refined_count(spec, "train") == expected


@pytest.mark.parametrize("refine", [0.01, 0.1, 0.5])
def test_the_share_is_drawn_and_the_seed_says_which(refine: float) -> None:
    samples = 4000
    chosen = refined_samples(spec_of(samples, refine), "train")
    wanted = refined_count(spec_of(samples, refine), "train")
    assert abs(len(chosen) - wanted) <= 4.0 * np.sqrt(samples * refine * (1.0 - refine))
    other = refined_samples(spec_of(samples, refine, seed=1), "train")
    assert not np.array_equal(chosen, other)
    assert np.array_equal(chosen, refined_samples(spec_of(samples, refine), "train"))


@pytest.mark.parametrize("refine", [0.0025, 0.1, 1])
def test_a_split_that_grows_keeps_its_subsets(refine: float) -> None:
    whole = refined_samples(spec_of(3000, refine, audits=12), "train")
    for samples in (1, 3, 5, 100, 2999):
        spec = spec_of(samples, refine, audits=12)
        assert refined_samples(spec, "train").tolist() == whole[whole < samples].tolist()
        assert audited_samples(spec, "train").tolist() == list(range(min(samples, 12)))
        assert len(audited_samples(spec, "train")) == audited_count(spec, "train")


def test_a_shard_asks_for_its_own_samples_alone() -> None:
    spec = spec_of(300, 0.2)
    for schema in (1, 2):
        whole = refined_samples(spec, "train", schema=schema)
        parts = [refined_samples(spec, "train", range(k, k + 50), schema) for k in range(0, 300, 50)]
        assert np.concatenate(parts).tolist() == whole.tolist()


def test_schema_1_ranked_within_the_split() -> None:
    """As commit f23acb4 drew them."""
    assert refined_samples(spec_of(50, 0.1), "train", schema=1).tolist() == SCHEMA_1["refined"]
    assert audited_samples(spec_of(50, 0.1, audits=5), "train", schema=1).tolist() == SCHEMA_1["audited"]
    assert len(refined_samples(spec_of(50), "train", schema=1)) == LEAST_REFINED


SCHEMA_1 = {"refined": [23, 28, 29, 32, 42], "audited": [10, 14, 30, 38, 49]}
