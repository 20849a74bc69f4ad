"""Training begins with the first shard: an FNO follows a store that is still being solved, against one that waits.

Both take the same number of steps with the same settings. ``python examples/train_while_generating.py [--out FOLDER]
[--quick]``; three minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np
import torch
from curves import draw
from fno import Training

import pdemill
from pdemill.reader import Normaliser

EVERY = 4
"""Samples are solved at 128^2; the network sees every fourth cell along each axis."""
LOOK = 20
"""Steps between two measurements of the test error."""


def settings(options: argparse.Namespace, split: str, samples: int) -> list[str]:
    grid = 64 if options.quick else 128
    solver = "solver={method: skr}"
    return [f"problem.resolution=[{grid}, {grid}]", f"splits={{{split}: {samples}}}", "store.shard=32", solver]


def begun(store: Path, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """The process that solves the training samples into a store."""
    words = [word for setting in settings(options, "train", options.samples) for word in ("--set", setting)]
    command = "from pdemill.cli import main; main()"
    arguments = ["generate", "--preset", "fno-darcy", "--out", str(store), *words]
    return subprocess.Popen([sys.executable, "-P", "-c", command, *arguments], stdout=subprocess.DEVNULL)


def shards(store: Path, wait: subprocess.Popen[bytes] | None) -> Iterator[Any]:
    """The training samples as they are finished; all at once, after ``wait``, where it is given."""
    if wait is not None:
        assert wait.wait() == 0
        yield pdemill.open(store)[:]
    else:
        yield from pdemill.open(store, follow=True, patience=120)


def run(store: Path, follow: bool, test: Any, options: argparse.Namespace) -> list[tuple[float, int, float]]:
    """Seconds since the command began, samples at hand and test error, along a training.

    Between two looks for new shards the network takes as many steps as the shards that it has are worth.
    """
    start = monotonic()
    process = begun(store, options)
    random, training, done = np.random.default_rng(0), None, 0
    history = []
    pool: dict[str, list[torch.Tensor]] = {"x": [], "y": []}
    for batch in shards(store, None if follow else process):
        for key, tensors in pool.items():
            tensors.append(thinned(batch[key]))
        x, y = (torch.cat(tensors) for tensors in pool.values())
        training = training or Training(scales(x), scales(y), seed=0, steps=options.steps)
        while done < options.steps * len(x) // options.samples:
            rows = random.integers(0, len(x), 16)
            training.step(x[rows], y[rows])
            done += 1
            if done % LOOK == 0:
                history.append((monotonic() - start, len(x), training.error(test)))
    assert process.wait() == 0
    return history


def thinned(values: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(values[..., ::EVERY, ::EVERY].copy())


def scales(values: torch.Tensor) -> Any:
    """A normaliser from what is there: the store's own comes with its last shard."""
    return Normaliser((float(values.mean()),), (float(values.std()),), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true", help="a few samples and steps: only shows that it runs")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--samples", type=int, help="to train on")
    options = parser.parse_args()
    options.steps = options.steps or (40 if options.quick else 500)
    options.samples = options.samples or (64 if options.quick else 384)
    histories = {}
    with TemporaryDirectory() as folder:
        spec = pdemill.preset("fno-darcy", settings(options, "test", 32))
        assert pdemill.generate(spec, Path(folder) / "test.zarr", workers=0).ok
        test = {key: thinned(values) for key, values in pdemill.open(Path(folder) / "test.zarr", "test")[:].items()}
        for name, follow in (("while generating", True), ("generated first", False)):
            histories[name] = run(Path(folder) / f"{name}.zarr", follow, test, options)
            seconds, _, error = histories[name][-1]
            print(f"{name:<16} {seconds:6.1f} s, test error {error:.4f}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    curves = {name: ([at for at, _, _ in h], [error for _, _, error in h]) for name, h in histories.items()}
    draw(curves, "seconds since the first sample was asked for", options.out / "train-follow.png")
    (options.out / "train-follow.json").write_text(json.dumps(histories) + "\n")


if __name__ == "__main__":
    main()
