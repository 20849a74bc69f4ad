"""A network of plain tensors learns from a store of a mesh. Run by ``make consumers``, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch is not in the development environment: make consumers runs this"
)
MILL = Path(__file__).parents[2] / ".venv/bin/python"
"""Weak forms need DOLFINx, which consumers have not: stores are made where it is."""
SPEC: dict[str, Any] = {
    "problem": {
        "family": "elasticity", "resolution": {"h": 0.15}, "nu": 0.3,
        "E": {"field": "lognormal", "std": 0.2, "alpha": 3, "tau": 2},
        "domain": {
            "outline": [[0, 0], [2, 0], [2, 1], [0, 1]], "sides": ["bottom", "right", "top", "left"],
            "holes": [[[0.8, 0.4], [1.2, 0.4], [1.2, 0.6], [0.8, 0.6]]],
        },
        "boundary": {
            "left": "clamped", "default": "free",
            "right": {"traction": [{"uniform": [0.5, 1]}, {"uniform": [0.05, 0.1]}]},
        },
    },
    "splits": {"train": 256, "test": 32}, "certify": {"refine": 0}, "store": {"shard": 32},
}  # fmt: skip


class DeepONet(torch.nn.Module):  # type: ignore[misc]
    """Lu et al. 2021: a branch sees the inputs at all nodes, a trunk the place of each; u is a sum of products."""

    def __init__(self, inputs: int, dimension: int, channels: int, width: int = 64) -> None:
        super().__init__()
        layer, act = torch.nn.Linear, torch.nn.Tanh
        self.branch = torch.nn.Sequential(layer(inputs, width), act(), layer(width, width * channels))
        self.trunk = torch.nn.Sequential(
            layer(dimension, width), act(), layer(width, width), act(), layer(width, width)
        )
        self.shape = (channels, width)

    def forward(self, x: Any, points: Any) -> Any:
        return torch.einsum("bcw,nw->bcn", self.branch(x.flatten(1)).unflatten(1, self.shape), self.trunk(points))


def test_a_network_learns_the_displacement_of_a_plate_with_a_hole(tmp_path: Path) -> None:
    (tmp_path / "plate.json").write_text(json.dumps(SPEC))
    mill = [str(MILL.with_name("pdemill")), "generate", "plate.json", "--out", "s.zarr", "--workers", "2"]
    subprocess.run(mill, cwd=tmp_path, check=True)
    train, test = (pdemill.open(tmp_path / "s.zarr", split=split) for split in ("train", "test"))
    points = torch.from_numpy(train.shared()["points"]).float()
    x_scale, y_scale = train.normaliser("x"), train.normaliser("y")
    torch.manual_seed(0)
    network = DeepONet(train[0]["x"].size, 2, 2)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(0))
    for _ in range(100):
        for batch in loader:
            x, y = (scale.encode(batch[key]) for scale, key in ((x_scale, "x"), (y_scale, "y")))
            loss = ((network(x, points) - y) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    known = test[:]
    with torch.no_grad():
        found = y_scale.decode(network(torch.from_numpy(x_scale.encode(known["x"])), points).numpy())
    errors = np.linalg.norm(found - known["y"], axis=(1, 2)) / np.linalg.norm(known["y"], axis=(1, 2))
    assert np.median(errors) < 0.1, np.sort(errors)
