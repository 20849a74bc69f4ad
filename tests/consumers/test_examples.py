"""The examples that train run, with few samples and steps, and draw their figures. Run by ``make consumers``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not in the development environment: make consumers runs this")

EXAMPLES = Path(__file__).parents[2] / "examples"
MOST_BYTES = 100_000


def ran(name: str, out: Path) -> Any:
    """What an example found, in its quick form."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == 0, done.stderr
    (picture,) = out.glob("*.png")
    assert 5_000 < picture.stat().st_size < MOST_BYTES
    (found,) = out.glob("*.json")
    return json.loads(found.read_text())


def test_networks_learn_the_same_from_every_solver(tmp_path: Path) -> None:
    """The script itself asserts that the samples are the same. Labels differ by 1e-7, so trainings do not by 1e-2."""
    errors = ran("train_by_methods", tmp_path)
    assert list(errors) == ["skr", "direct", "auto", "skr, loose"]
    for name in ("skr", "auto"):
        assert np.allclose(errors[name], errors["direct"], rtol=1e-2)
    assert errors["skr, loose"] != errors["direct"]


def test_a_network_is_trained_while_its_samples_are_solved(tmp_path: Path) -> None:
    histories = ran("train_while_generating", tmp_path)
    follows, waits = histories["while generating"], histories["generated first"]
    assert {samples for _, samples, _ in waits} == {64}
    assert follows[0][1] == 32  # the first steps were taken on the first of two shards
    assert follows[-1][1] == 64
    for history in (follows, waits):
        assert history[-1][2] < 0.5  # of the solutions' norm; an untrained network has about 1


def test_a_network_is_trained_from_a_stream(tmp_path: Path) -> None:
    found = ran("train_from_stream", tmp_path)
    for name, (run,) in found.items():
        assert run["history"][-1][1] < 0.8, name  # of the solutions' norm; an untrained network has about 1
    assert found["stream"][0]["samples"] >= 16 * found["stream"][0]["steps"]


def test_weak_labels_train(tmp_path: Path) -> None:
    found = ran("weak_supervision", tmp_path)
    assert 0.3 < found["noise"] < 3
    assert {len(errors) for errors in found["errors"].values()} == {3}
    assert len({errors[-1] for errors in found["errors"].values()}) == 3


def test_a_network_learns_without_labels(tmp_path: Path) -> None:
    errors = ran("without_labels", tmp_path)
    assert list(errors) == ["square of the residual", "energy"]
    for found in errors.values():
        assert found[-1] < 0.05
