"""The numbers of a network for directions: what they are, and how they lie in the one array that a spec names.

A network goes from a residual r on a box to a direction, linearly in r. It has levels like a V-cycle, each with half
the cells of the one before along every axis. On level l, with couplings c >= 0 and diagonal d of its matrix A_l, there
are features of a cell,

    φ = (Σ c / d, share of neighbours that it is coupled with, share of its volume that is in the domain),

and numbers made of them, g = b₂ + W₂ σ(b₁ + W₁ φ) with σ(x) = x / (1 + |x|), one for each kernel of each smoother, and
two for the way down and up. A smoother is r -> Σ_k g_k (κ_k * (r / d)), κ_k of 3 cells along each axis. On all levels
but the last:

    e = pre(r);  r <- r - A e;  e <- e + g_up up(V(down(g_down r)));  r <- r - A e;  e <- e + post(r)

with kernels of 4 cells along each axis for ``down`` and ``up``, the cells of which are twice as wide; on the last level
there are ``LAST`` smoothers. On the way up g is divided by what ``linear`` makes of 1 in the domain. A_{l+1} adds up
couplings across sides and what else is in the diagonal, times scale_0² and scale_1². ``beginning.py`` has numbers that
make a V-cycle of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import ArrayError
from pdemill.points import Array

FORMAT = 1
FEATURES, HIDDEN, LAST = 3, 8, 4
"""Features of a cell, hidden numbers made of them, and smoothers on the last level."""
HEADER = 4
"""Numbers before the weights: format, dimension, levels, kernels of a smoother."""
MOST_LEVELS, MOST_KERNELS, LARGEST = 8, 8, 1e3
"""Of a network, and of the size of a weight."""
SMALL = 1e-9
"""A diagonal of a coarse level below this part of what was added up for it is rounding."""


@dataclass(frozen=True)
class Architecture:
    """Space dimensions, levels, and kernels of a smoother."""

    dimension: int
    levels: int
    kernels: int = 2

    def smoothers(self, level: int) -> int:
        """How many a level has."""
        return LAST if level == self.levels - 1 else 2

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every part of the weights, by its name, in their order."""
        found: dict[str, tuple[int, ...]] = {}
        for level in range(self.levels):
            last, count = level == self.levels - 1, self.smoothers(level)
            gates = count * self.kernels + (0 if last else 2)
            parts: dict[str, tuple[int, ...]] = {
                "kernels": (count, self.kernels, *(3,) * self.dimension),
                "W1": (HIDDEN, FEATURES), "b1": (HIDDEN,), "W2": (gates, HIDDEN), "b2": (gates,),
            }  # fmt: skip
            if not last:
                parts |= {"down": (4,) * self.dimension, "up": (4,) * self.dimension, "scale": (2,)}
            found |= {f"{level}.{name}": shape for name, shape in parts.items()}
        return found

    @property
    def size(self) -> int:
        """How many weights there are."""
        return sum(map(prod, self.shapes.values()))

    def packed(self, weights: Mapping[str, Array]) -> NDArray[np.float32]:
        """The array [1, numbers] that a spec names."""
        header = [FORMAT, self.dimension, self.levels, self.kernels]
        parts = [np.asarray(weights[name], np.float32).reshape(-1) for name in self.shapes]
        return np.concatenate([np.array(header, np.float32), *parts])[None]


@dataclass(frozen=True)
class Network:
    """An architecture with its weights, by their names."""

    architecture: Architecture
    weights: Mapping[str, Array]

    @classmethod
    def of(cls, row: Array, shape: tuple[int, ...]) -> Network:
        """The network in an array of this shape, of which ``row`` is the first row. Raises ArrayError where it is
        none."""
        if len(shape) != 2 or shape[0] != 1 or shape[1] <= HEADER:
            raise ArrayError(f"is no network: it has the shape {shape}, and one of pdemill train-directions [1, n]")
        told, dimension, levels, kernels = (float(number) for number in row[:HEADER])
        if told != FORMAT:
            raise ArrayError(f"is no network of format {FORMAT}, which pdemill train-directions writes")
        limits = ((dimension, 2, 3), (levels, 2, MOST_LEVELS), (kernels, 1, MOST_KERNELS))
        if any(number not in range(least, most + 1) for number, least, most in limits):
            raise ArrayError("is no network: its dimension, levels or kernels are out of range")
        architecture = Architecture(int(dimension), int(levels), int(kernels))
        if len(row) != HEADER + architecture.size:
            counts = f"{len(row) - HEADER:,} weights, and its header asks for {architecture.size:,}"
            raise ArrayError(f"is no network: it has {counts}")
        if not np.abs(row[HEADER:]).max() <= LARGEST:
            raise ArrayError(f"is no network: a weight is not a number from -{LARGEST:g} to {LARGEST:g}")
        return cls(architecture, dict(_parts(architecture, row[HEADER:])))


def linear(dimension: int) -> Array:
    """Linear interpolation from cells twice as wide, as the kernel of a transposed convolution."""
    line, value = np.array([0.25, 0.75, 0.75, 0.25]), np.ones(())
    for _ in range(dimension):
        value = np.multiply.outer(value, line)
    return value


def _parts(architecture: Architecture, row: Array) -> Iterator[tuple[str, Array]]:
    begin = 0
    for name, shape in architecture.shapes.items():
        yield name, np.ascontiguousarray(row[begin : begin + prod(shape)], np.float64).reshape(shape)
        begin += prod(shape)
