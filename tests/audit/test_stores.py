"""Audits as part of a job: columns, failures, reproducible bits, what the command line tells."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import PdemillError, SpecError
from pdemill.solvers.estimate import estimate
from pdemill.solvers.subsets import audited_samples
from pdemill.spec.load import validate
from tests.audit.problems import Json, poisson
from tests.command import pdemill as command

SPEC: Json = {
    "problem": {
        "family": "darcy",
        "resolution": [24, 24],
        "coefficient": {"field": "lognormal", "alpha": 4, "std": 0.5, "modes": 16},
    },
    "splits": {"train": 11, "test": 3},
    "certify": {"refine": 1, "audit": {"samples": 4, "probes": 8, "walks": 256, "tolerance": 0.05}},
    "seed": 3,
}
SQUARE = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]}
COARSE: Json = {
    "problem": poisson(8),
    "samples": 6,
    "certify": {"refine": 0, "audit": {"samples": 6, "walks": 256, "tolerance": 0.02}},
}
"""A grid on which some samples are wrong by more than the tolerance."""


def columns(store: Path, split: str = "train") -> dict[str, Any]:
    group: Any = zarr.open_group(store, mode="r")[split]
    return {name: array[...] for name, array in group.arrays() if name != "solve_seconds"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit") / "darcy.zarr"
    assert pdemill.generate(SPEC | {"store": {"shard": 3}}, out, workers=0).ok
    return out


@pytest.mark.parametrize(("shard", "workers"), [(3, 2), (5, 0), (16, 0)])
def test_the_bits_depend_on_the_spec_alone(store: Path, tmp_path: Path, shard: int, workers: int) -> None:
    pdemill.generate(SPEC | {"store": {"shard": shard}}, tmp_path / "other.zarr", workers)
    for split in SPEC["splits"]:
        one, other = columns(store, split), columns(tmp_path / "other.zarr", split)
        assert one.keys() == other.keys()
        for name in one:
            assert np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f"), name


def test_the_drawn_samples_are_audited_and_agree_with_the_estimates(store: Path) -> None:
    spec = validate(SPEC)
    for split, count in (("train", 4), ("test", 3)):
        found = columns(store, split)
        known = np.flatnonzero(np.isfinite(found["audit_error"]))
        assert known.tolist() == audited_samples(spec, split).tolist()
        assert len(known) == count
        assert np.array_equal(np.isfinite(found["audit_interval"]), np.isfinite(found["audit_error"]))
        apart = np.abs(found["audit_error"] - found["error_estimate"])[known]
        assert (apart <= found["audit_interval"][known] + 0.2 * found["error_estimate"][known]).all()


def test_stores_without_an_audit_are_as_before(tmp_path: Path) -> None:
    plain = SPEC | {"splits": {"train": 2}, "certify": {"refine": 0}}
    pdemill.generate(plain, tmp_path / "plain.zarr", workers=0)
    assert "audit_error" not in columns(tmp_path / "plain.zarr")
    assert "audit" not in validate(plain).canonical()
    assert "continuous" not in command("inspect", tmp_path / "plain.zarr").stdout


def test_a_flagged_sample_is_a_failure(tmp_path: Path) -> None:
    summary = pdemill.generate(COARSE, tmp_path / "coarse.zarr", workers=0)
    found = columns(tmp_path / "coarse.zarr")
    failed = [failure.sample for failure in summary.failures]
    assert 0 < len(failed) < 6
    for failure in summary.failures:
        assert "walks on the continuous equation disagree with the solution" in failure.reason
        assert "tolerance 2.0e-02" in failure.reason
    assert np.isnan(found["solution"][failed]).all()
    assert (found["method"][failed] == 0).all()
    assert (found["audit_error"][failed] > 0.02).all()
    good = np.setdiff1d(np.arange(6), failed)
    assert np.isfinite(found["solution"][good]).all()


def test_the_command_line_tells(store: Path, tmp_path: Path) -> None:
    import json

    (tmp_path / "spec.json").write_text(json.dumps(SPEC | {"store": {"shard": 3}}))
    shutil.copytree(store, tmp_path / "again.zarr")
    ran = command("generate", tmp_path / "spec.json", "--out", tmp_path / "again.zarr")
    assert "error against the continuous equation, audited on 7 samples: median " in ran.stdout, ran.stderr
    told = command("inspect", store).stdout
    assert "error against the continuous equation, median" in told
    assert "half width of its 95 % interval, median" in told
    checked = command("verify", store, "--samples", "0", "--audit", "2")
    assert checked.returncode == 0, checked.stderr
    assert ", 4 of 4 labels audited, worst error " in checked.stdout


def test_verify_measures_what_is_stored(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that was replaced is caught by its hash, and by walks alone where the hash is taken for right."""
    shutil.copytree(store, tmp_path / "tampered.zarr")
    group: Any = zarr.open_group(tmp_path / "tampered.zarr", mode="r+")["test"]
    group["solution"][0] = 1.2 * group["solution"][0]
    assert not pdemill.verify(tmp_path / "tampered.zarr", samples=0).ok
    monkeypatch.setattr("pdemill.solvers.verify.check_files", lambda *_: None)
    faults = pdemill.verify(tmp_path / "tampered.zarr", samples=0, audit=3).faults
    assert len(faults) == 1
    assert faults[0].startswith("sample 0 of test: walks on the continuous equation disagree with the solution")


@pytest.mark.parametrize(
    ("problem", "complaint"),
    [
        ({"family": "poisson", "resolution": [64]}, "is possible in 2 and 3 dimensions, not in 1"),
        ({"family": "poisson", "resolution": [5, 8]}, "needs at least 6 cells along every axis"),
        ({"family": "helmholtz", "resolution": [8, 8]}, "is not possible for an indefinite operator"),
        (
            {"family": "convection_diffusion", "resolution": [8, 8], "velocity": [1, 0]},
            "is not possible with convection",
        ),
        ({"family": "darcy", "resolution": [8, 8], "coefficient": {"diagonal": [1, 2]}}, "needs one coefficient"),
        (
            {
                "family": "darcy",
                "resolution": [8, 8],
                "coefficient": {"field": "threshold", "low": 3, "high": 12, "of": {"field": "gaussian"}},
            },
            "coefficient jumps",
        ),
        ({**SPEC["problem"], "boundary": {"left": {"neumann": 0}}}, "left has neumann"),
        (
            {"family": "thermal", "domain": SQUARE, "resolution": {"h": 0.1}, "boundary": {"edge0": {"neumann": 0}}},
            "edge0",
        ),
        (
            {"family": "screened_poisson", "resolution": [8, 8], "boundary": {"default": {"neumann": 0}}},
            "needs dirichlet on one side",
        ),
        (
            {"family": "poisson", "resolution": [8, 8], "boundary": {"left": "periodic", "right": "periodic"}},
            "left has periodic",
        ),
        ({"family": "poisson", "points": {"random": 4}, "domain": {"shape": "disk"}}, "is for whole fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_walks_cannot_audit_is_refused_with_the_spec(problem: Json, complaint: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate({"problem": problem, "samples": 2, "certify": {"audit": {"samples": 1}}})
    assert [fault.dotted for fault in caught.value.faults] == ["certify.audit"]
    assert complaint in str(caught.value)


def test_verify_refuses_an_audit_that_does_not_apply(tmp_path: Path) -> None:
    pdemill.generate({"problem": {"family": "helmholtz", "resolution": [8, 8]}, "samples": 1}, tmp_path / "h.zarr", 0)
    with pytest.raises(PdemillError, match="an audit is not possible for an indefinite operator"):
        pdemill.verify(tmp_path / "h.zarr", audit=1)


def test_the_estimate_counts_the_walks() -> None:
    plain = validate(SPEC | {"certify": {"refine": 0}})
    audited = validate(SPEC | {"certify": {"refine": 0, "audit": {"samples": 4}}})
    assert estimate(audited).cpu_seconds > estimate(plain).cpu_seconds
