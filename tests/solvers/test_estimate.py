"""Estimates of a job's cost against what the job takes."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from pdemill.spec.load import load_preset, preset_names
from solvers.certify import refined_count
from solvers.estimate import estimate
from solvers.local.generate import generate


def test_the_costs_of_the_presets_are_right_within_a_factor_of_two(tmp_path: Path) -> None:
    """Against what some samples of each take, times their number. How busy the machine is cancels out: what is
    compared is how much dearer one preset is than the others. What a process loads once is not counted."""
    ratios = {}
    for preset in preset_names():
        spec = load_preset(preset)
        samples = 32 if spec.problem.dimension < 3 else 2 if spec.problem.pointwise else 4
        plain = load_preset(preset, [f"samples={samples}", "certify.refine=0"])
        generate(load_preset(preset, ["samples=1", "certify.refine=0"]), tmp_path / f"{preset}-first.zarr", workers=0)
        each = sum(generate(plain, tmp_path / f"{preset}-plain.zarr", workers=0).cpu_seconds.values()) / samples
        measured = spec.samples * each
        if not spec.problem.pointwise:
            refined = load_preset(preset, ["samples=4", "certify.refine=1"])
            finer = generate(refined, tmp_path / f"{preset}-refined.zarr", workers=0).cpu_seconds["refine"] / 4
            measured += sum(refined_count(spec, split) for split in spec.splits) * finer
        ratios[preset] = estimate(spec).cpu_seconds / measured
    middle = median(ratios.values())
    assert all(0.5 < ratio / middle < 2 for ratio in ratios.values()), ratios
