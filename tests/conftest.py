"""Shared set-up: one thread per process, and small stores that many tests read."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402

import pdemill  # noqa: E402

DARCY: dict[str, Any] = {
    "problem": {
        "family": "darcy",
        "resolution": [16, 12],
        "coefficient": {"field": "threshold", "low": 3, "high": 12, "of": {"field": "gaussian", "modes": 16}},
    },
    "splits": {"train": 40, "test": 7},
    "store": {"shard": 16},
    "seed": 5,
}


@pytest.fixture(scope="session")
def darcy_spec() -> dict[str, Any]:
    return DARCY


@pytest.fixture(scope="session")
def darcy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store of DARCY; read only."""
    out = tmp_path_factory.mktemp("stores") / "darcy.zarr"
    summary = pdemill.generate(DARCY, out)
    assert summary.ok
    return out
