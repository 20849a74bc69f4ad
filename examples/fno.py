"""A small Fourier neural operator (Li et al. 2021) and its training, shared by the examples that train one.

x, y: [N, 1, H, W]; the network also sees the coordinates of the cell centres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from pdemill.reader import Normaliser

torch.set_num_threads(1)


class Spectral(nn.Module):
    """Multiplies the lowest ``modes`` x ``modes`` frequencies, of either sign along the first axis, by matrices."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(torch.randn(2, width, width, modes, modes, 2) / width)

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        m, spectrum = self.modes, torch.fft.rfft2(v)
        weight, out = torch.view_as_complex(self.weight), torch.zeros_like(spectrum)
        for part, rows in zip(weight, (slice(0, m), slice(-m, None)), strict=True):
            out[:, :, rows, :m] = torch.einsum("bihw,iohw->bohw", spectrum[:, :, rows, :m], part)
        return torch.fft.irfft2(out, s=v.shape[-2:])


class FNO(nn.Module):
    """Lifting, ``layers`` of spectral and pointwise parts, projection."""

    def __init__(self, width: int = 20, modes: int = 8, layers: int = 3) -> None:
        super().__init__()
        self.lift = nn.Conv2d(3, width, 1)
        self.spectral = nn.ModuleList(Spectral(width, modes) for _ in range(layers))
        self.local = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(nn.Conv2d(width, 64, 1), nn.GELU(), nn.Conv2d(64, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = [(torch.arange(n) + 0.5) / n for n in x.shape[-2:]]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij")).expand(len(x), -1, -1, -1)
        v = self.lift(torch.cat([x, grid], dim=1))
        for spectral, local in zip(self.spectral, self.local, strict=True):
            v = nn.functional.gelu(spectral(v) + local(v))
        out: torch.Tensor = self.project(v)
        return out


def relative(found: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean over samples of the relative L2 error."""
    return ((found - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)).mean()


class Training:
    """A network, its optimiser and the scales of x and y; everything random follows from ``seed``."""

    def __init__(
        self, x: Normaliser, y: Normaliser, seed: int, steps: int, rate: float = 4e-3,
        loss: Callable[[Any, Any], Any] = relative, **size: int,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.x, self.y, self.loss, self.model = x, y, loss, FNO(**size)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, steps)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.y.decode(self.model(self.x.encode(x)))

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """One step of Adam on a batch; returns the loss."""
        loss = self.loss(self(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return float(loss.detach())

    def error(self, data: dict[str, Any]) -> float:
        """The relative error on a batch."""
        with torch.no_grad():
            return float(relative(self(torch.as_tensor(data["x"])), torch.as_tensor(data["y"])))


def batches(samples: int, size: int, epochs: int, seed: int) -> Iterator[np.ndarray[Any, Any]]:
    """Numbers of the samples of each step: every epoch another order."""
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        yield from np.array_split(random.permutation(samples), -(-samples // size))
