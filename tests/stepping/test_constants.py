"""States that do not vary in space: errors are relative to their norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.solvers.trajectories.differences import apart, differences

CLOSED: dict[str, Any] = {"boundary": {"default": {"neumann": 0}}, "time": {"end": 0.5, "intervals": 2}}
CASES: dict[str, tuple[dict[str, Any], float]] = {
    "stays": (
        {"family": "heat", "resolution": [8, 8], "coefficient": {"field": "lognormal", "std": 0.5}, **CLOSED}, 1.1
    ),
    "stays, spectral": ({"family": "heat", "resolution": [16], "time": CLOSED["time"]}, 1.1),
    "decays": ({"family": "heat", "resolution": [16], "reaction": 2, **CLOSED}, 1.1 * np.exp(-1.0)),
    "begins to vary": (
        {"family": "heat", "resolution": [16], "source": {"field": "expression", "formula": "x"}, **CLOSED}, 1.35
    ),
    "grows by a law": (
        {"family": "reaction_diffusion", "resolution": [16], "reaction": {"law": "-u"}, **CLOSED}, 1.1 * np.exp(0.5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_constant_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    """1.1 is no number of float32, so that its rounding counts."""
    problem, mean = CASES[name]
    spec = {"problem": {**problem, "initial": 1.1}, "samples": 2, "certify": {"refine": 1}}
    assert pdemill.generate(spec, tmp_path / "s.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "s.zarr").ok
    group: Any = zarr.open_group(tmp_path / "s.zarr", mode="r")["train"]
    assert group["solution"][:, 0, -1].mean() == pytest.approx(mean, rel=1e-5)
    assert (group["stored_error"][...] < 1e-5).all()


def test_errors_are_relative_to_what_varies_as_soon_as_something_does() -> None:
    x = np.linspace(-1.0, 1.0, 11)
    frames = np.stack([np.full(11, 5.0), 5.0 + 1e-3 * x, np.full(11, 5.0)])[None]
    off = frames + 1e-6
    found = differences(off, frames)
    varies = 1e-3 * np.linalg.norm(x)
    norm = 1e-6 * np.sqrt(11.0)
    assert found == pytest.approx([1e-6 / 5.0, norm / varies, norm / (1e-3 * varies)], rel=1e-6)
    assert apart(off[:, 2], frames[:, 2], np.array([varies])) == pytest.approx(norm / (1e-3 * varies), rel=1e-6)
    assert apart(off[:, 2], frames[:, 2]) == pytest.approx(1e-6 / 5.0, rel=1e-6)
