"""A store has the same bits whatever the process had done before, who compiled the code, and the number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pdemill
from tests.sampling import slow

RUN = "import sys, json, pdemill; pdemill.generate(json.load(open(sys.argv[1])), sys.argv[2], int(sys.argv[3]))"
WAVES: dict[str, Any] = {
    "problem": {"family": "helmholtz", "resolution": [32, 24], "wavenumber": {"uniform": [3, 9]}},
    "samples": 8,
    "store": {"shard": 4},
    "certify": {"refine": 0},
    "solver": {"method": "skr", "restart": 20, "recycle": 8},
    "seed": 11,
}
STARS: dict[str, Any] = {
    "problem": {
        "family": "screened_poisson",
        "domain": {"shape": "star", "harmonics": [{"order": 3, "cosine": {"uniform": [0, 0.3]}}]},
        "points": {"random": 40},
        "source": {"field": "gaussian", "modes": 16},
        "boundary": {"boundary": {"dirichlet": {"field": "expression", "formula": "x*y"}}},
    },
    "samples": 4,
    "store": {"shard": 2},
    "solver": {"method": "walks", "walks": 256},
}
LARGE = {**WAVES["problem"], "resolution": [128, 96]}
"""OpenBLAS splits sums over threads from 10,000 numbers on."""


def _content(spec: dict[str, Any], out: Path, workers: int = 0, **environment: str) -> str:
    """The content hash of a store that a new process makes."""
    file = out.with_suffix(".json")
    file.write_text(json.dumps(spec))
    command = [sys.executable, "-W", "error", "-c", RUN, str(file), str(out), str(workers)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return str(pdemill.verify(out, samples=0).content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "kernel"), [(WAVES, "arnoldi._cycle*.nbc"), (STARS, "kernels.walk2*.nbc")], ids=["skr", "walks"]
)
def test_code_out_of_the_cache_gives_what_code_just_compiled_gives(
    spec: dict[str, Any], kernel: str, tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    first = _content(spec, tmp_path / "first", NUMBA_CACHE_DIR=cache)
    assert list(Path(cache).rglob(kernel))
    assert _content(spec, tmp_path / "second", NUMBA_CACHE_DIR=cache) == first


@pytest.mark.slow
def test_workers_may_compile_at_the_same_time(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = _content(WAVES, tmp_path / "first", workers=2, NUMBA_CACHE_DIR=cache)
    assert _content(WAVES, tmp_path / "second", workers=2, NUMBA_CACHE_DIR=cache) == first


@pytest.mark.parametrize(
    "method", ["skr", pytest.param("gmres", marks=[pytest.mark.slow, pytest.mark.needs("petsc4py")]), slow("walks")]
)
def test_this_process_computes_in_one_thread_as_workers_do(tmp_path: Path, method: str) -> None:
    spec = STARS if method == "walks" else {**WAVES, "problem": LARGE, "samples": 2, "solver": {"method": method}}
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    found = {_content(spec, tmp_path / str(workers), workers, **threads) for workers in (0, 1)}
    assert len(found) == 1
