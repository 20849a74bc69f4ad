"""Does it matter to a network how its labels were solved? An FNO on fno-darcy made by skr, direct and auto.

The samples are the same, only the solver differs; the networks are measured on labels by direct. Recycling must not
change what is learnt (SKR, ICLR 2024, table 33). A fourth store, solved to a relative residual of 0.1 only, shows what
the comparison can see: its certificate must allow an algebraic error of 0.1.
``python examples/train_by_methods.py [--out FOLDER] [--quick]``; ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from fno import Training, batches
from matplotlib.figure import Figure

import pdemill

SOLVERS = {
    "skr": ["solver.method=skr"],
    "direct": ["solver.method=direct"],
    "auto": ["solver.method=auto"],
    "skr, loose": ["solver={method: skr, rtol: 0.1}", "certify.algebraic_rtol=0.1", "certify.stored_rtol=0.1"],
}
EVERY = 2
"""Networks see every second cell along each axis; the FNO paper too solves on finer grids than it trains on."""


def made(folder: Path, name: str, settings: list[str]) -> tuple[Any, Any]:
    """Training data and test batch of fno-darcy by one solver."""
    spec = pdemill.preset("fno-darcy", [*settings, "certify.refine=0", *SOLVERS[name]])
    assert pdemill.generate(spec, folder / f"{name}.zarr").ok
    return pdemill.open(folder / f"{name}.zarr"), thinned(pdemill.open(folder / f"{name}.zarr", "test")[:])


def thinned(batch: Any) -> Any:
    return {key: values[..., ::EVERY, ::EVERY].copy() for key, values in batch.items()}


def trained(data: Any, test: Any, seed: int, epochs: int, batch: int = 20) -> float:
    """The test error of a network that was trained on ``data``."""
    order = list(batches(len(data), batch, epochs, seed))
    training = Training(data.normaliser("x"), data.normaliser("y"), seed, len(order))
    everything = thinned(data[:])
    for numbers in order:
        training.step(*(torch.from_numpy(everything[key][numbers]) for key in "xy"))
    return training.error(test)


def draw(errors: dict[str, list[float]], path: Path) -> None:
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    ax: Any = figure.add_subplot()
    for place, values in enumerate(errors.values()):
        ax.plot(np.full(len(values), place), np.array(values) * 100, "o", alpha=0.6, color=f"C{place}")
        ax.plot([place - 0.25, place + 0.25], [np.mean(values) * 100] * 2, color=f"C{place}", lw=2)
    ax.set(xticks=range(len(errors)), xticklabels=list(errors), ylabel="test error [%]")
    ax.set_ylim(0, 110 * max(map(max, errors.values())))
    ax.set_title("FNO on fno-darcy: one dot per seed", fontsize=10)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true", help="a few samples and steps: only shows that it runs")
    options = parser.parse_args()
    grid, samples, tests, epochs, seeds = (32, 40, 10, 4, 2) if options.quick else (64, 400, 100, 30, 3)
    settings = [f"problem.resolution=[{grid}, {grid}]", f"splits={{train: {samples}, test: {tests}}}"]
    errors: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        stores = {name: made(Path(folder), name, settings) for name in SOLVERS}
        for name, (data, _) in stores.items():
            assert np.array_equal(data[:]["x"], stores["direct"][0][:]["x"]), "the samples should be the same"
            errors[name] = [trained(data, stores["direct"][1], seed, epochs) for seed in range(seeds)]
            apart = np.abs(data[:]["y"] - stores["direct"][0][:]["y"]).max() / stores["direct"][0][:]["y"].max()
            mean, spread = np.mean(errors[name]), np.std(errors[name], ddof=1)
            method = data.attributes["plan"]["method"]
            print(
                f"{name:<11} ({method:<9}) test error {mean:.4f} ± {spread:.4f}, labels {apart:.1e} from direct's",
                flush=True,
            )
    options.out.mkdir(parents=True, exist_ok=True)
    draw(errors, options.out / "train-methods.png")
    (options.out / "train-methods.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()
