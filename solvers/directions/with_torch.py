"""The network in PyTorch, for training: the same numbers as ``apply.py`` makes, with their derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pdemill.extras import library
from pdemill.solvers.directions import beginning
from pdemill.solvers.directions.network import HIDDEN, LAST, SMALL, Architecture, linear

torch: Any = library("torch", "torch", "training directions")
functional: Any = torch.nn.functional


def begun(architecture: Architecture, seed: int = 0) -> dict[str, Any]:
    """The weights that training begins with, as tensors that know their gradients."""
    found = beginning.begun(architecture, seed)
    return {name: torch.tensor(value, dtype=torch.float32, requires_grad=True) for name, value in found.items()}


class Directions:
    """A network on the matrices of a batch: ``couplings`` [batch, axis, *cells] to the cells after each, ``diagonal``
    [batch, *cells], 0 where a cell is not in the domain; cells along each axis divisible by 2^(levels - 1)."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Any], couplings: Any, diagonal: Any) -> None:
        self.architecture, self._weights, self._dimension = architecture, weights, architecture.dimension
        self._levels = [(couplings, diagonal, (diagonal > 0).to(diagonal.dtype))]
        for level in range(architecture.levels - 1):
            self._levels.append(self._coarser(*self._levels[-1], weights[f"{level}.scale"] ** 2))
        self._gates = [self._gates_of(level) for level in range(architecture.levels)]

    def __call__(self, residual: Any) -> Any:
        """The directions of residuals [batch, *cells]."""
        return self._cycle(0, residual)

    def product(self, level: int, x: Any) -> Any:
        """A x on a level."""
        couplings, diagonal, _ = self._levels[level]
        found = diagonal * x
        for axis in range(self._dimension):
            n, c = x.shape[axis + 1], couplings[:, axis].narrow(axis + 1, 0, x.shape[axis + 1] - 1)
            lower, upper = x.narrow(axis + 1, 0, n - 1), x.narrow(axis + 1, 1, n - 1)
            found = found - _padded(c * upper, axis + 1, 0, 1) - _padded(c * lower, axis + 1, 1, 0)
        return found

    def _cycle(self, level: int, r: Any) -> Any:
        inside = self._levels[level][2] > 0
        gates = self._gates[level]
        if level == self.architecture.levels - 1:
            e = self._smoothed(level, 0, r)
            for number in range(1, LAST):
                e = e + self._smoothed(level, number, r - self.product(level, e))
            return e
        K = self.architecture.kernels
        e = self._smoothed(level, 0, r)
        left = torch.where(inside, (r - self.product(level, e)) * gates[:, 2 * K], 0.0)
        below = self._cycle(level + 1, self._convolved(left, self._weights[f"{level}.down"], 2))
        up = self._interpolated(below, self._weights[f"{level}.up"]) * gates[:, 2 * K + 1]
        e = e + torch.where(inside, up, 0.0)
        return e + self._smoothed(level, 1, r - self.product(level, e))

    def _smoothed(self, level: int, number: int, r: Any) -> Any:
        _, diagonal, inside = self._levels[level]
        K = self.architecture.kernels
        z = torch.where(inside > 0, r / torch.where(inside > 0, diagonal, 1.0), 0.0)
        kernels = self._weights[f"{level}.kernels"][number]
        convolve = functional.conv3d if self._dimension == 3 else functional.conv2d
        parts = convolve(z[:, None], kernels[:, None], padding=1)
        gates = self._gates[level][:, number * K : (number + 1) * K]
        return torch.where(inside > 0, (gates * parts).sum(1), 0.0)

    def _convolved(self, x: Any, kernel: Any, stride: int) -> Any:
        convolve = functional.conv3d if self._dimension == 3 else functional.conv2d
        return convolve(x[:, None], kernel[None, None], stride=stride, padding=1)[:, 0]

    def _interpolated(self, x: Any, kernel: Any) -> Any:
        convolve = functional.conv_transpose3d if self._dimension == 3 else functional.conv_transpose2d
        return convolve(x[:, None], kernel[None, None], stride=2, padding=1)[:, 0]

    def _pooled(self, x: Any, axes: Sequence[int]) -> Any:
        """Sums over pairs of cells along some axes."""
        for axis in axes:
            x = x.unflatten(axis, (-1, 2)).sum(axis + 1)
        return x

    def _coarser(self, couplings: Any, diagonal: Any, share: Any, scale: Any) -> tuple[Any, Any, Any]:
        axes = range(1, self._dimension + 1)
        outside, found = diagonal, []
        for axis in axes:
            c = couplings[:, axis - 1]
            outside = outside - c - _padded(c.narrow(axis, 0, c.shape[axis] - 1), axis, 1, 0)
            across = c.unflatten(axis, (-1, 2)).select(axis + 1, 1)
            found.append(scale[0] * self._pooled(across, [a for a in axes if a != axis]))
        whole = scale[1] * self._pooled(outside, axes)
        for axis, c in zip(axes, found, strict=True):
            whole = whole + c + _padded(c.narrow(axis, 0, c.shape[axis] - 1), axis, 1, 0)
        real = whole > SMALL * self._pooled(diagonal, axes)
        return (
            torch.stack(found, 1), torch.where(real, whole, 0.0),
            torch.where(real, self._pooled(share, axes) / 2**self._dimension, 0.0),
        )  # fmt: skip

    def _gates_of(self, level: int) -> Any:
        couplings, diagonal, share = self._levels[level]
        inside, axes = share > 0, range(1, self._dimension + 1)
        total, open_ = torch.zeros_like(diagonal), torch.zeros_like(diagonal)
        for axis in axes:
            c = couplings[:, axis - 1]
            both = c + _padded(c.narrow(axis, 0, c.shape[axis] - 1), axis, 1, 0)
            there = (c > 0).to(c.dtype)
            total = total + both
            open_ = open_ + there + _padded(there.narrow(axis, 0, c.shape[axis] - 1), axis, 1, 0)
        features = torch.stack(
            [torch.where(inside, total / torch.where(inside, diagonal, 1.0), 0.0), open_ / (2 * self._dimension), share]
        )
        W1, b1, W2, b2 = (self._weights[f"{level}.{name}"] for name in ("W1", "b1", "W2", "b2"))
        hidden = torch.einsum("hf,fb...->bh...", W1, features) + b1.reshape(1, HIDDEN, *(1,) * self._dimension)
        hidden = hidden / (1.0 + hidden.abs())
        gates = torch.einsum("gh,bh...->bg...", W2, hidden) + b2.reshape(1, -1, *(1,) * self._dimension)
        if level < self.architecture.levels - 1:
            below = (self._levels[level + 1][2] > 0).to(share.dtype)
            kernel = torch.tensor(linear(self._dimension), dtype=share.dtype)
            weight = self._interpolated(below, kernel)
            last = gates[:, -1] / torch.where(weight > 0, weight, 1.0)
            gates = torch.cat([gates[:, :-1], last[:, None]], 1)
        return gates


def _padded(x: Any, axis: int, before: int, after: int) -> Any:
    """With zeros before and after along an axis."""
    pad = [0, 0] * (x.ndim - axis - 1) + [before, after]
    return functional.pad(x, pad)
