"""What samples of the presets cost: ``python -m tests.solvers.costs`` measures that, on an idle machine, and writes
costs.json anew."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pdemill.solvers.local.generate import generate
from pdemill.solvers.subsets import refined_count
from pdemill.spec.load import load_preset, preset_names
from pdemill.store.root import read_attributes

FILE = Path(__file__).with_suffix(".json")
FEW, MANY, MANY_IN_SPACE = 4, 256, 64


def measured() -> list[str]:
    """The presets of which costs are kept: not those in time, whose steps only a trial finds."""
    return [name for name in preset_names() if not load_preset(name).problem.evolves]


def work(preset: str, folder: Path) -> dict[str, Any]:
    """What is done for the first samples: by which method, for how many unknowns, in how many steps (iterations, or
    those of a walk). It is the same on every machine."""
    out = folder / f"{preset}-few.zarr"
    samples = 1 if load_preset(preset).problem.pointwise else FEW
    assert generate(load_preset(preset, [f"samples={samples}", "certify.refine=0"]), out, workers=0).ok
    group: Any = zarr.open_group(out, mode="r")["train"]
    attributes = read_attributes(out)
    steps = group["steps" if "steps" in group else "iterations"][...]
    return {
        "method": attributes["plan"]["method"],
        "unknowns": attributes["unknowns"],
        "steps": round(float(np.mean(steps)), 3),
    }


def seconds(preset: str, folder: Path) -> float:
    """CPU seconds of the whole job, from some samples of it; what a process loads once is not counted."""
    spec = load_preset(preset)
    samples = 2 if spec.problem.pointwise else MANY if spec.problem.dimension < 3 else MANY_IN_SPACE
    plain = load_preset(preset, [f"samples={samples}", "certify.refine=0"])
    found = spec.samples * sum(generate(plain, folder / f"{preset}.zarr", workers=0).cpu_seconds.values()) / samples
    if not spec.problem.pointwise:
        refined = load_preset(preset, [f"samples={FEW}", "certify.refine=1"])
        finer = generate(refined, folder / f"{preset}-refined.zarr", workers=0).cpu_seconds["refine"] / FEW
        found += sum(refined_count(spec, split) for split in spec.splits) * finer
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, kept = Path(name), {}
        for preset in measured():
            kept[preset] = {**work(preset, folder), "seconds": round(seconds(preset, folder), 3)}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
