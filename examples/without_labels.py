"""A network learns Darcy flow from the discrete equation alone: it is shown no solution.

An FNO learns k -> u of -div(k grad u) = 1 on the unit square, u = 0 outside, with smooth k. Its loss is made by
``pdemill.residual``: the mean square of what u leaves over in each cell, or the energy, which the discrete solution
makes least. Labels are looked at by the test error alone. ``python examples/without_labels.py [--out FOLDER]
[--quick]``; a minute on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from curves import draw
from fno import FNO, relative

import pdemill

CELLS, BATCH, RATE = 16, 8, 6e-3
SCALE = 0.1
"""About the size of u."""
SPEC = {
    "problem": {
        "family": "darcy", "resolution": [CELLS] * 2,
        "coefficient": {"field": "lognormal", "std": 0.5, "alpha": 3.0, "modes": 8},
    },
    "splits": {"train": 256, "test": 64},
}  # fmt: skip


class Network(torch.nn.Module):
    """An FNO on log k, whose values vanish on the sides."""

    def __init__(self) -> None:
        super().__init__()
        s = (torch.arange(CELLS) + 0.5) / CELLS
        bump = 4 * s * (1 - s)
        self.register_buffer("shape", SCALE * bump[:, None] * bump)
        self.fno = FNO(width=12, modes=5)

    def forward(self, k: torch.Tensor) -> Any:
        return self.shape * self.fno(k.log())


def trained(loss: Callable[[Any, Any], Any], k: Any, test: dict[str, Any], steps: int) -> list[float]:
    """The test errors of a training by a loss of k and u, ten of them."""
    torch.manual_seed(0)
    network = Network()
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    errors = []
    for step in range(1, steps + 1):
        batch = k[torch.randint(len(k), (BATCH,))]
        value = loss(batch, network(batch)).mean()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        if step % (steps // 10) == 0:
            with torch.no_grad():
                errors.append(float(relative(network(test["x"]), test["y"])))
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    steps = 700 if options.quick else 2000
    with TemporaryDirectory() as folder:
        store = Path(folder) / "darcy.zarr"
        assert pdemill.generate(SPEC, store).ok
        k = torch.from_numpy(pdemill.open(store)[:]["x"])  # and not its labels
        test = {key: torch.from_numpy(values) for key, values in pdemill.open(store, "test")[:].items()}
        residual: Any = pdemill.residual(store)
    losses: dict[str, Callable[[Any, Any], Any]] = {
        "square of the residual": lambda k, u: residual(k, u).square(),
        "energy": residual.energy,
    }
    errors = {name: trained(loss, k, test, steps) for name, loss in losses.items()}
    for name, found in errors.items():
        print(f"{name:<24}{100 * found[-1]:.2f} %")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "train-residual.json").write_text(json.dumps(errors))
    where = [steps // 10 * (n + 1) for n in range(10)]
    draw({name: (where, found) for name, found in errors.items()}, "steps", options.out / "train-residual.png")


if __name__ == "__main__":
    main()
