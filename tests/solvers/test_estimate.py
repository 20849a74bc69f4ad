"""Estimates of a job's cost against what the job takes."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import pytest
import zarr

import pdemill
from pdemill.spec.load import load_preset, preset_names
from pdemill.store.root import read_attributes
from solvers.certify import refined_count
from solvers.estimate import estimate
from solvers.generate import generate


def test_the_costs_of_the_presets_are_right_within_a_factor_of_two(tmp_path: Path) -> None:
    """Against what some samples of each take, times their number. How busy the machine is cancels out: what is
    compared is how much dearer one preset is than the others. What a process loads once is not counted."""
    ratios = {}
    for preset in preset_names():
        spec = load_preset(preset)
        samples = 32 if spec.problem.dimension < 3 else 4
        plain = load_preset(preset, [f"samples={samples}", "certify.refine=0"])
        generate(load_preset(preset, ["samples=1", "certify.refine=0"]), tmp_path / f"{preset}-first.zarr", workers=0)
        each = sum(generate(plain, tmp_path / f"{preset}-plain.zarr", workers=0).cpu_seconds.values()) / samples
        refined = load_preset(preset, ["samples=4", "certify.refine=1"])
        finer = generate(refined, tmp_path / f"{preset}-refined.zarr", workers=0).cpu_seconds["refine"] / 4
        measured = spec.samples * each + sum(refined_count(spec, split) for split in spec.splits) * finer
        ratios[preset] = estimate(spec).cpu_seconds / measured
    middle = median(ratios.values())
    assert all(0.5 < ratio / middle < 2 for ratio in ratios.values()), ratios


POINT_ARRAYS = (
    "points", "input", "solution", "stderr", "walks", "truncated", "epsilon", "steps", "boundary_points",
    "boundary_input",
)  # fmt: skip


@pytest.mark.parametrize("preset", preset_names())
def test_the_size_of_a_preset_is_that_of_its_arrays(preset: str, tmp_path: Path) -> None:
    """Exactly on a grid; on a mesh the number of nodes is not known beforehand."""
    spec = load_preset(preset, ["samples=1", "certify.refine=0"])
    pdemill.generate(spec.model_dump(mode="json"), tmp_path / "store.zarr")
    attributes = read_attributes(tmp_path / "store.zarr")
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    fields = POINT_ARRAYS if spec.problem.pointwise else ("input", "solution")
    size = sum(group[name].nbytes for name in fields if name in group)
    assert attributes["unknowns"] == pytest.approx(spec.problem.unknowns, rel=0.05)
    assert estimate(spec).bytes == pytest.approx(size, rel=0.05 if not spec.problem.structured else 0)
