"""Noisy labels that are new in every epoch train as exact ones do: weak supervision from random walks.

An FNO learns f -> u of -Δu = f on the unit square, u = 0 outside. Its labels are solved on a grid; or come from a few
walks per point, the same in every epoch; or from as few that are new in every epoch (``pdemill.walk_labels``). The
samples are the same, and the loss is the mean square, whose minimiser is the mean of the noisy labels.
``python examples/weak_supervision.py [--out FOLDER] [--quick]``; five minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from curves import draw
from fno import Training, batches

import pdemill
from pdemill.reader import Normaliser

CELLS, FINER = 16, 3
"""The network's grid, and how many times finer the one is on which labels are solved; they share cell centres."""
SOURCE = {"field": "gaussian", "modes": 6, "tau": 1.0}
WALKS = 8


def solved(folder: Path, splits: dict[str, int]) -> dict[str, dict[str, torch.Tensor]]:
    """Samples with labels from a fine grid, at the centres of the coarse one."""
    problem = {"family": "poisson", "resolution": [CELLS * FINER] * 2, "source": SOURCE}
    assert pdemill.generate({"problem": problem, "splits": splits, "seed": 3}, folder / "grid.zarr").ok
    middle = slice(FINER // 2, None, FINER)
    return {
        split: {key: torch.from_numpy(values[..., middle, middle].copy()) for key, values in batch.items()}
        for split in splits
        if (batch := pdemill.open(folder / "grid.zarr", split)[:])
    }


def walked(samples: int, epochs: range) -> Any:
    """The same samples with labels from walks, epoch by epoch: [N, 1, 16, 16] each."""
    domain = {"shape": "box", "lengths": [1, 1]}
    spec = {
        "problem": {"family": "poisson", "domain": domain, "points": {"grid": [CELLS] * 2}, "source": SOURCE},
        "splits": {"train": samples}, "seed": 3, "solver": {"method": "walks", "walks": WALKS},
    }  # fmt: skip
    y = torch.empty(samples, 1, CELLS, CELLS)
    with closing(pdemill.walk_labels(spec, epoch=epochs, workers=1, ahead=64)) as labels:
        for label in labels:
            y[label["sample"]] = torch.from_numpy(label["y"]).reshape(1, CELLS, CELLS)
            if label["sample"] == samples - 1:
                yield y.clone()


def trained(
    x: torch.Tensor, labels: Callable[[int], torch.Tensor], truth: dict[str, torch.Tensor], test: Any, epochs: int
) -> list[float]:
    """Test error after each epoch; ``labels(epoch)`` are those of an epoch. Scales are those of the solved samples."""
    order = list(batches(len(x), 16, epochs, seed=0))
    scales = [Normaliser((float(truth[key].mean()),), (float(truth[key].std()),), 2) for key in "xy"]
    spread = scales[1].std[0]
    training = Training(
        scales[0], scales[1], 0, len(order), loss=lambda found, y: ((found - y) / spread).square().mean(),
        width=16, modes=6,
    )  # fmt: skip
    errors = []
    for epoch in range(epochs):
        y = labels(epoch)
        for numbers in order[epoch * len(order) // epochs : (epoch + 1) * len(order) // epochs]:
            training.step(x[numbers], y[numbers])
        errors.append(training.error(test))
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true", help="a few samples and epochs: only shows that it runs")
    options = parser.parse_args()
    samples, tests, epochs = (16, 8, 3) if options.quick else (256, 64, 60)
    with TemporaryDirectory() as folder:
        truth, test = solved(Path(folder), {"train": samples, "test": tests}).values()
    (fixed,) = walked(samples, range(1))
    noise = float((fixed - truth["y"]).norm() / truth["y"].norm())
    print(f"{WALKS} walks per point: labels are {noise:.0%} from those on the grid", flush=True)
    fresh = walked(samples, range(epochs))
    labels: dict[str, Callable[[int], torch.Tensor]] = {
        "solved on a grid": lambda epoch: truth["y"],
        f"{WALKS} walks, the same in every epoch": lambda epoch: fixed,
        f"{WALKS} walks, new in every epoch": lambda epoch: next(fresh),
    }
    errors = {}
    for name, of_epoch in labels.items():
        errors[name] = trained(truth["x"], of_epoch, truth, test, epochs)
        print(f"{name:<34} test error {errors[name][-1]:.4f}", flush=True)
    fresh.close()
    options.out.mkdir(parents=True, exist_ok=True)
    curves = {name: (range(1, epochs + 1), values) for name, values in errors.items()}
    draw(curves, "epoch", options.out / "train-weak.png")
    (options.out / "train-weak.json").write_text(json.dumps({"noise": noise, "errors": errors}, indent=1) + "\n")


if __name__ == "__main__":
    main()
