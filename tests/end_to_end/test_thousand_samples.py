"""The demo's data set, whole: 1,000 samples of fno-darcy at 128 x 128 in a bounded memory, opened with xarray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

import pdemill
from pdemill.solvers.subsets import LEAST_REFINED, refined_count, refined_samples
from pdemill.spec import load_preset

RUN = """
import json, resource, sys, pdemill
summary = pdemill.generate(pdemill.preset("fno-darcy", ["samples=1000"]), sys.argv[1], workers=2)
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"ok": summary.ok, "total": summary.total, "worker_megabytes": memory}))
"""
WORKER_MEGABYTES = 500


@pytest.mark.slow
def test_a_thousand_samples(tmp_path: Path) -> None:
    out = tmp_path / "demo.zarr"
    ran = subprocess.run([sys.executable, "-c", RUN, str(out)], capture_output=True, text=True, check=True, timeout=240)
    told = json.loads(ran.stdout)
    assert told["ok"]
    assert told["total"] == 1000
    assert told["worker_megabytes"] < WORKER_MEGABYTES
    train = xarray.open_datatree(out, engine="zarr")["train"].to_dataset()
    assert train["solution"].shape == (1000, 1, 128, 128)
    assert float(train["rel_residual"].max()) <= 1e-8
    assert np.isfinite(train["solution"].values).all()
    spec = load_preset("fno-darcy", ["samples=1000"])
    drawn = refined_samples(spec, "train")
    assert list(drawn[:LEAST_REFINED]) == list(range(LEAST_REFINED))
    assert LEAST_REFINED < len(drawn) < 2 * refined_count(spec, "train")
    assert np.flatnonzero(np.isfinite(train["error_estimate"])).tolist() == drawn.tolist()
    assert float(train["error_estimate"].max()) < 0.02
    assert pdemill.verify(out, samples=50).ok
