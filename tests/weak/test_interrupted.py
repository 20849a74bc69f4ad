"""Runs of weak forms that are killed and go on, on one and two workers: the same bits; and what a worker needs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import until
from tests.weak.problems import POISSON

pytestmark = [pytest.mark.needs("ffcx", "netgen"), pytest.mark.slow]
DISK = {"shape": "disk", "radius": {"uniform": [0.15, 0.25]}, "centre": [{"uniform": [0.45, 0.55]}, 0.5]}
MOVING: dict[str, Any] = POISSON | {
    "domain": {"without": [DISK]}, "resolution": {"h": 0.15}, "coefficients": {"k": {"field": "lognormal", "std": 0.5}},
    "form": "k*inner(grad(u), grad(v))*dx - v*dx",
    "boundary": {"hole0": "natural", "default": {"u": {"dirichlet": 0.0}}}, "outputs": {"total": "u*dx"},
}  # fmt: skip
CELL: dict[str, Any] = POISSON | {
    "domain": {"inclusions": [DISK]}, "resolution": {"h": 0.15},
    "unknowns": {"u": {"element": "P2", "shape": "vector"}},
    "coefficients": {"E": {"field": "regions", "values": {"inclusion0": {"uniform": [2, 5]}, "default": 1.0}}},
    "form": "E*(1 + inner(sym(grad(u)), sym(grad(u))))*inner(sym(grad(u)) + [[1, 0], [0, 0]], sym(grad(v)))*dx",
    "boundary": {"default": "periodic"}, "constraints": {"u": {"mean": [0.0, 0.0]}},
}  # fmt: skip
RUN = "import sys, json, pdemill; pdemill.generate(json.load(open(sys.argv[1])), sys.argv[2], int(sys.argv[3]))"
MEASURED = """
import json, resource, sys, pdemill
summary = pdemill.generate(pdemill.preset(sys.argv[1], ["samples=6", "certify.refine=1"]), sys.argv[2], workers=1)
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"ok": summary.ok, "worker_megabytes": memory}))
"""


def _shards(out: Path) -> int:
    return len(list((out / "_manifest").glob("*.json")))


@pytest.mark.parametrize("problem", [MOVING, CELL], ids=["shapes", "constraints"])
def test_a_run_that_is_killed_goes_on_to_the_same_bits(problem: dict[str, Any], tmp_path: Path) -> None:
    """Killed twice between two finished shards, run on by another number of workers; beside an undisturbed one."""
    spec = {"problem": problem, "samples": 24, "store": {"shard": 2}, "certify": {"refine": 0.2}}
    (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    out, kept = tmp_path / "killed.zarr", []
    for workers, shards in ((2, 1), (1, 3)):
        command = [sys.executable, "-c", RUN, str(tmp_path / "spec.json"), str(out), str(workers)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            until(lambda: _shards(out) >= shards or process.poll() is not None, 120, "shards")  # noqa: B023
            process.send_signal(signal.SIGKILL)
        kept.append(_shards(out))
    assert 1 <= kept[0] <= kept[1] < 12
    assert pdemill.generate(spec, out, workers=2).ok
    assert pdemill.generate(spec, tmp_path / "peace.zarr", workers=1).ok
    one, two = (pdemill.verify(tmp_path / f"{name}.zarr") for name in ("killed", "peace"))
    assert one.faults + two.faults == ()
    assert one.content == two.content


@pytest.mark.parametrize("preset", ["elasticity-inclusions", "equino-rve", "geofno-pipe"])
def test_a_worker_stays_under_a_gigabyte(preset: str, tmp_path: Path) -> None:
    """With every sample solved again on the refined mesh, which is most of it."""
    command = [sys.executable, "-c", MEASURED, preset, str(tmp_path / "s.zarr")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["ok"]
    assert told["worker_megabytes"] < 1000
