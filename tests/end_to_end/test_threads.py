"""Everything between spec and bytes has the bits of one thread, in whatever process it is done; callers keep theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.solvers import threads
from pdemill.solvers.fields import gaussian
from pdemill.solvers.threads import one_thread

SPEC: dict[str, Any] = {
    "problem": {
        "family": "darcy", "resolution": [8, 8], "coefficient": {"field": "lognormal", "std": 0.5},
        "source": {"field": "gaussian", "alpha": 2.3, "std": 1.0},
    },
    "samples": 2,
    "store": {"dtype": "float64"},
}  # fmt: skip
"""128 x 128 amplitudes: OpenBLAS splits the sum of their squares over threads, and its last bit depends on how many."""
POINTS: dict[str, Any] = {
    "problem": {
        "family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 9},
        "source": {"field": "gaussian", "std": 1.0},
    },
    "samples": 3,
    "solver": {"method": "walks", "walks": 64},
}  # fmt: skip


def _counts() -> list[int]:
    return [count for _, count, _ in threads._loaded()]


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    """All of them are there from the beginning."""
    import pdemill.solvers.petsc  # noqa: F401


@contextmanager
def _several(count: int) -> Iterator[None]:
    """A process whose linear algebra has many threads, before and after, and that has drawn nothing yet.

    PETSc's OpenBLAS may be one without threads.
    """
    before = list(threads._loaded())
    for _, _, change in before:
        change(count)
    gaussian._amplitudes.cache_clear()
    counts = _counts()
    assert count in counts
    try:
        yield
        assert _counts() == counts
    finally:
        for _, number, change in before:
            change(number)
        gaussian._amplitudes.cache_clear()


@pytest.fixture(scope="module")
def by_worker(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store that a worker process made, and its hash."""
    out = tmp_path_factory.mktemp("threads") / "worker"
    assert pdemill.generate(SPEC, out, workers=1).ok
    return out, pdemill.verify(out).content


@pytest.mark.parametrize("count", [2, 3, 8])
def test_verify_draws_what_a_worker_drew_and_so_does_generate_after_it(
    by_worker: tuple[Path, str], tmp_path: Path, count: int
) -> None:
    store, content = by_worker
    with _several(count):
        found = pdemill.verify(store)
        assert found.ok, found.faults
        pdemill.generate(SPEC, tmp_path / "here", workers=0)
    assert pdemill.verify(tmp_path / "here").content == content


@pytest.mark.parametrize("count", [2, 3])
def test_what_is_drawn_by_hand_is_not_kept_for_a_store_with_other_bits(
    by_worker: tuple[Path, str], tmp_path: Path, count: int
) -> None:
    def amplitudes() -> Any:
        return gaussian._amplitudes(2.3, 3.0, 1.0, "neumann", 128, (1.0, 1.0))

    with _several(count), one_thread():
        exact = amplitudes()
    with _several(count):
        assert np.array_equal(amplitudes(), exact)
        pdemill.generate(SPEC, tmp_path / "here", workers=0)
    assert pdemill.verify(tmp_path / "here").content == by_worker[1]


def test_plan_and_checks_give_the_threads_back(by_worker: tuple[Path, str]) -> None:
    with _several(3):
        pdemill.plan(SPEC)
        pdemill.verify(by_worker[0])


def test_walked_labels_are_the_same_here_and_in_a_worker() -> None:
    with _several(3):
        here = list(pdemill.walk_labels(POINTS, workers=0))
    for one, other in zip(here, pdemill.walk_labels(POINTS, workers=1), strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in ("x", "y", "stderr"))


def test_the_training_loop_between_two_labels_has_its_threads() -> None:
    with _several(3):
        labels = pdemill.walk_labels(POINTS, workers=0)
        next(labels)
        assert max(_counts()) == 3


def test_blocks_that_overlap_end_with_the_last() -> None:
    begun, first_ended = Barrier(2), Barrier(2)
    seen = []

    def second() -> None:
        with one_thread():
            begun.wait()
            first_ended.wait()
            seen.append(set(_counts()))

    with _several(3):
        other = Thread(target=second)
        with one_thread():
            other.start()
            begun.wait()
        first_ended.wait()
        other.join()
    assert seen == [{1}]


def test_two_runs_at_once_in_one_process_leave_its_environment_alone(tmp_path: Path) -> None:
    environment, filters = dict(os.environ), list(warnings.filters)
    during: list[dict[str, str]] = []
    runs = [
        Thread(
            target=lambda out=out: pdemill.generate(
                SPEC, out, workers=0, watcher=lambda tally: during.append(dict(os.environ))
            )
        )
        for out in (tmp_path / "a", tmp_path / "b")
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert dict(os.environ) == environment
    assert list(warnings.filters) == filters
    assert all(seen == environment for seen in during)
    assert pdemill.verify(tmp_path / "a").content == pdemill.verify(tmp_path / "b").content


OWN_KERNEL = """
import json, sys
import numba, numpy as np, pdemill

@numba.njit(parallel=True)
def total(x):
    s = 0.0
    for i in numba.prange(len(x)):
        s += x[i]
    return s

@numba.njit(parallel=True)
def later(x):
    return total(x) + 1.0

x = np.ones(1000)
assert total(x) == 1000.0
spec = json.loads(sys.argv[1])
assert pdemill.generate(spec, sys.argv[2], workers=0).ok
assert pdemill.verify(sys.argv[2]).ok
assert later(x) == 1001.0
assert numba.get_num_threads() == 2
"""


def test_numba_threads_of_the_caller_run_before_and_after(tmp_path: Path) -> None:
    spec = {**SPEC, "samples": 1, "solver": {"method": "multigrid"}}
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, "-c", OWN_KERNEL, json.dumps(spec), str(tmp_path / "store")]
    subprocess.run(command, check=True, env=environment)
