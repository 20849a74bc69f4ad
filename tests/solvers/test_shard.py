"""A shard: what one sample holds does not depend on its neighbours, and failures are data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdemill.solvers.draws import CompiledDraw
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.progress import Progress
from pdemill.solvers.subsets import refined_samples
from pdemill.spec import load_preset, validate
from pdemill.store.layout import Shard


def _solve(spec: dict[str, Any], start: int, stop: int) -> Any:
    seen: list[Progress] = []
    data, watch = solve_shard(FieldJob(validate(spec)), Shard("train", 0, start, stop), seen.append)
    assert [p.done for p in seen] == list(range(1, stop - start + 1))
    assert set(watch.seconds) >= {"sample", "order", "assemble"}
    return data


def test_inputs_do_not_depend_on_how_the_work_is_cut(darcy_spec: dict[str, Any]) -> None:
    whole = _solve(darcy_spec, 0, 12)
    part = _solve(darcy_spec, 5, 9)
    assert np.array_equal(whole.arrays["input"][5:9], part.arrays["input"])
    assert np.array_equal(whole.arrays["sample_id"][5:9], part.arrays["sample_id"])


def test_rows_stand_as_drawn_whatever_order_they_are_solved_in(darcy_spec: dict[str, Any]) -> None:
    drawn = _solve({**darcy_spec, "solver": {"method": "skr", "sort": "none"}}, 0, 12)
    for sort in ("greedy", "hilbert"):
        ordered = _solve({**darcy_spec, "solver": {"method": "skr", "sort": sort}}, 0, 12)
        assert np.array_equal(drawn.arrays["input"], ordered.arrays["input"])
        assert np.allclose(drawn.arrays["solution"], ordered.arrays["solution"], rtol=1e-5, atol=1e-9)


def test_a_sample_that_cannot_be_solved_is_reported_and_the_rest_goes_on() -> None:
    """Half the wave numbers meet the grid's smallest eigenvalue exactly: a singular matrix."""
    h = 1 / 8
    eigenvalue = float(2 * (2 / h * np.sin(np.pi * h / 2)) ** 2)
    spec = {
        "problem": {
            "family": "helmholtz",
            "resolution": [8, 8],
            "wavenumber": {
                "field": "expression",
                "formula": f"sqrt({eigenvalue!r}) + max(s, 0)",
                "where": {"s": {"uniform": [-1, 1]}},
            },
        },
        "samples": 16,
        "solver": {"method": "gmres", "max_iterations": 200},
        "certify": {"refine": 0},
    }
    data = _solve(spec, 0, 16)
    good = data.arrays["method"] > 0
    failed = {failure["row"] for failure in data.failures}
    assert failed == set(np.flatnonzero(~good))
    assert 0 < len(failed) < 16
    assert np.isnan(data.arrays["solution"][~good]).all()
    assert np.isfinite(data.arrays["solution"][good]).all()
    assert (data.arrays["rel_residual"][good] <= 1e-8).all()
    assert all(failure["reason"] for failure in data.failures)


def test_a_method_that_fails_is_retried_with_direct() -> None:
    spec = {
        "problem": {"family": "poisson", "resolution": [24, 24], "source": {"uniform": [1, 2]}},
        "samples": 3,
        "solver": {"method": "gmres", "preconditioner": "none", "max_iterations": 2},
    }
    job = FieldJob(validate(spec))
    data = _solve(spec, 0, 3)
    assert job.method_names() == ["failed", "gmres", "direct"]
    assert [job.method_names()[code] for code in data.arrays["method"]] == ["direct"] * 3
    assert not data.failures


def test_a_draw_that_is_no_equation_is_a_failure_with_its_field() -> None:
    spec = {
        "problem": {
            "family": "darcy",
            "resolution": [8, 8],
            "coefficient": {"field": "expression", "formula": "a + x", "where": {"a": {"uniform": [-1, 1]}}},
        },
        "samples": 12,
    }
    data = _solve(spec, 0, 12)
    assert 0 < len(data.failures) < 12
    assert all(f["result"] == "INVALID" and "coefficient must be positive" in f["reason"] for f in data.failures)


def test_error_estimates_stand_where_they_were_drawn(darcy_spec: dict[str, Any]) -> None:
    spec = {**darcy_spec, "certify": {"refine": 0.3}}
    chosen = refined_samples(validate(spec), "train")
    data = _solve(spec, 0, 40)
    assert np.array_equal(np.flatnonzero(np.isfinite(data.arrays["error_estimate"])), chosen)
    assert (data.arrays["error_estimate"][chosen] > 0).all()


def test_values_that_do_not_fit_the_store_are_failures_not_infinities() -> None:
    source = {"field": "expression", "formula": "1e42 * a", "where": {"a": {"uniform": [1, 2]}}}
    data = _solve({"problem": {"family": "poisson", "resolution": [8, 8], "source": source}, "samples": 3}, 0, 3)
    assert [f["result"] for f in data.failures] == ["NOT_FINITE"] * 3
    assert all("store.dtype" in f["reason"] for f in data.failures)
    assert np.isnan(data.arrays["solution"]).all()


def test_a_source_that_is_projected_is_a_channel() -> None:
    """Its mean is subtracted sample by sample, so it is no longer what the spec says."""
    problem = {"family": "poisson", "resolution": [8, 8], "source": 1, "compatibility": "project",
               "boundary": {"left": {"neumann": {"uniform": [0, 2]}}, "default": {"neumann": 0}}}  # fmt: skip
    job = FieldJob(validate({"problem": problem, "samples": 3}))
    assert job.channels == ("left_neumann", "source")
    data = _solve({"problem": problem, "samples": 3}, 0, 3)
    assert np.allclose(data.arrays["input"][:, 1], -data.arrays["input"][:, 0])


def test_a_field_is_drawn_once_for_channel_and_coefficient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One table of normal numbers per sample; where it is solved again on the refined grid, one more, and where its
    order is observed, a third."""
    tables: list[int] = []
    normal = CompiledDraw.normal

    def counting(draw: CompiledDraw, count: int) -> Any:
        tables.append(draw.sample)
        return normal(draw, count)

    monkeypatch.setattr(CompiledDraw, "normal", counting)
    spec = load_preset("fno-darcy", ["problem.resolution=[32,32]", "samples=12"])
    job = FieldJob(spec)
    tables.clear()
    solve_shard(job, Shard("train", 0, 0, 12), lambda progress: None)
    refined = set(refined_samples(spec, "train").tolist())
    ordered = job.ordered("train")
    assert ordered == 4
    assert [tables.count(sample) for sample in range(12)] == [1 + (i in refined) + (i < ordered) for i in range(12)]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_does_not_grow_from_shard_to_shard() -> None:
    """Nine shards more leave less behind than the rows of three of them."""
    samples = 32
    job = FieldJob(load_preset("fno-darcy", ["samples=384"]))
    seen = []
    for index in range(12):
        data, _ = solve_shard(job, Shard("train", index, samples * index, samples * (index + 1)), lambda progress: None)
        size = sum(array.nbytes for array in data.arrays.values())
        seen.append(_resident())
    assert seen[11] - seen[2] < 3 * size


def test_what_began_the_recycling_is_the_first_that_was_solved() -> None:
    formula = {"field": "expression", "formula": "1 + a * sin(pi * x)", "where": {"a": {"uniform": [-2, 1]}}}
    problem = {"family": "darcy", "resolution": [8, 8], "coefficient": formula}
    spec = {"problem": problem, "samples": 64, "solver": {"method": "skr", "sort": "none"}}
    whole = _solve(spec, 0, 64)
    failed = [failure["row"] for failure in whole.failures]
    begin = failed[0]
    assert whole.summary["first"] == (0 if begin else 1)
    part = _solve(spec, begin, 64)
    assert part.summary["first"] == next(row for row in range(64) if row + begin not in failed) > 0
