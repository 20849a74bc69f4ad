"""Samples that never repeat: an FNO learns from a stream, against one that learns as long from 1,000 stored samples.

Both train for the same time with the same settings, the learning rate falls with time, and scales come from the stored
samples; solving the stored ones is not counted. ``python examples/train_from_stream.py [--out FOLDER] [--quick]``; ten
minutes on two cores: one trains, one solves.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import torch
from curves import draw
from fno import Training, batches

import pdemill

BATCH = 16
STEPS = 1000
"""Of the schedule: it is walked through by the time that has gone by."""
LOOKS = 12
"""Measurements of the test error along a training."""

type Pair = tuple[torch.Tensor, torch.Tensor]


def stored(data: Any, seed: int) -> Iterator[Pair]:
    """Batches of all samples of a store, epoch after epoch in another order."""
    x, y = (torch.from_numpy(data[:][key]) for key in "xy")
    for rows in batches(len(data), BATCH, 1_000_000, seed):
        yield x[rows], y[rows]


def streamed(stream: Any) -> Iterator[Pair]:
    """Batches of fresh samples."""
    samples = iter(stream)
    while True:
        batch = [next(samples) for _ in range(BATCH)]
        yield tuple(torch.from_numpy(np.stack([sample[key] for sample in batch])) for key in "xy")  # type: ignore[misc]


def trained(
    training: Training, pairs: Iterator[Pair], test: Any, seconds: float
) -> tuple[list[tuple[float, float]], int]:
    """Seconds of training and test errors along it, and the number of its steps. Seconds are processor time of this
    process, so that what else runs on the machine does not count; for how long it waits is told beside it."""
    next(pairs)  # processes start
    done, steps, history = 0.0, 0, []
    while done < seconds:
        begin = process_time()
        training.step(*next(pairs))
        done, steps = done + process_time() - begin, steps + 1
        while training.schedule.last_epoch < min(done / seconds, 1.0) * STEPS:
            training.schedule.step()
        if done >= seconds * (len(history) + 1) / LOOKS:
            history.append((done, training.error(test)))
    return history, steps


class Timed(Training):
    """A training whose learning rate is not stepped by steps."""

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """One step of Adam on a batch; returns the loss."""
        loss = self.loss(self(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true", help="a few samples and steps: only shows that it runs")
    parser.add_argument("--seconds", type=float, help="of each training")
    parser.add_argument("--seeds", type=int, help="how many trainings of each kind")
    parser.add_argument("--resolution", type=int, default=16)
    options = parser.parse_args()
    seconds, seeds = options.seconds or (3 if options.quick else 40), options.seeds or (1 if options.quick else 3)
    samples, grid = (64 if options.quick else 1000), options.resolution
    splits = f"splits={{train: {samples}, test: {16 if options.quick else 200}}}"
    spec = pdemill.preset("fno-darcy", [f"problem.resolution=[{grid}, {grid}]", splits, "solver={method: multigrid}",
                                        "certify.refine=0"])  # fmt: skip
    found: dict[str, list[Any]] = {"stored": [], "stream": []}
    with TemporaryDirectory() as folder:
        assert pdemill.generate(spec, Path(folder) / "s.zarr", workers=1).ok
        train, test = (pdemill.open(Path(folder) / "s.zarr", split) for split in ("train", "test"))
        batch = test[:]
        for seed in range(seeds):
            for name in found:
                training = Timed(train.normaliser("x"), train.normaliser("y"), seed, STEPS)
                stream = pdemill.stream(spec, workers=1, start=1_000_000 * seed)
                with closing(stream):
                    pairs = stored(train, seed) if name == "stored" else streamed(stream)
                    history, steps = trained(training, pairs, batch, seconds)
                    told = stream.statistics()
                waits = told["waiting_share"] if name == "stream" else 0.0
                found[name].append({"history": history, "steps": steps, "waits": waits, "samples": told["produced"]})
                print(f"{name} {seed}: {steps} steps, test error {history[-1][1]:.4f}, waits {waits:.1%}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    curves = {
        f"{name} {seed}": tuple(zip(*run["history"], strict=True))
        for name, runs in found.items()
        for seed, run in enumerate(runs)
    }
    draw(curves, "seconds of training", options.out / "train-stream.png")
    (options.out / "train-stream.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
