"""The network at work: directions of residuals, for one matrix after another."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.directions import kernels
from pdemill.solvers.directions.couplings import divisible
from pdemill.solvers.directions.network import FEATURES, LAST, SMALL, Architecture, Network, linear


class Level:
    """What is known of the matrix on a level, and room; all with three axes and zeros around."""

    def __init__(self, cells: tuple[int, ...], gates: int) -> None:
        around = tuple(n + 2 for n in cells)
        self.cells = cells
        self.couplings, self.diagonal, self.inverse, self.share = np.zeros((3, *around)), *np.zeros((3, *around))
        self.gates = np.zeros((gates, *cells))
        self.r, self.e, self.left, self.scaled = np.zeros((4, *around))

    def inner(self, values: Array) -> Array:
        """Values without the zeros around them."""
        return np.asarray(values[..., 1:-1, 1:-1, 1:-1])

    def both(self, axis: int, couplings: Array) -> Array:
        """Couplings with the cells after and before along an axis."""
        cells = [slice(1, -1)] * 3
        cells[axis] = slice(0, -2)
        return np.asarray(self.inner(couplings) + couplings[tuple(cells)])


class Directions:
    """A network on boxes of ``cells``; ``load`` before asking for directions."""

    def __init__(self, network: Network, cells: tuple[int, ...]) -> None:
        self._network, self._own = network, cells
        architecture, wide = network.architecture, divisible(cells, network.architecture.levels)
        flat, self.levels = 3 - architecture.dimension, list[Level]()
        self._halved = tuple(range(flat, 3))
        for number in range(architecture.levels):
            shape = (*(1,) * flat, *(n >> number for n in wide))
            self.levels.append(Level(shape, len(network.weights[f"{number}.b2"])))
        self._weights = {name: _with_three_axes(name, w, architecture) for name, w in network.weights.items()}
        self._cells = (*(slice(1, 2),) * flat, *(slice(1, n + 1) for n in cells))
        self._flat = flat

    def load(self, couplings: Array, diagonal: Array) -> None:
        """Take a matrix: couplings [axis, *cells] with the cells after each, diagonal [*cells], 0 outside the domain;
        of the size that it has, or of any multiple."""
        top = self.levels[0]
        for axis, values in enumerate(couplings):
            top.couplings[axis + self._flat][self._cells] = values.reshape(top.couplings[0][self._cells].shape)
        top.diagonal[self._cells] = diagonal.reshape(top.diagonal[self._cells].shape)
        top.share[:] = top.diagonal > 0.0
        for number, level in enumerate(self.levels):
            if number:
                self._coarsen(self.levels[number - 1], level, self._weights[f"{number - 1}.scale"] ** 2)
            np.divide(1.0, level.diagonal, out=level.inverse, where=level.share > 0.0)
            level.inverse[level.share == 0.0] = 0.0
        for number in reversed(range(len(self.levels))):
            self._gate(number)

    def wide(self, vector: Array) -> Array:
        """A vector of unknowns with zeros around, as ``direction`` takes it."""
        found = np.zeros_like(self.levels[0].r)
        found[self._cells] = vector.reshape(found[self._cells].shape)
        return np.asarray(found)

    def narrow(self, values: Array) -> Array:
        """The vector of unknowns in such an array."""
        return np.ascontiguousarray(values[self._cells]).reshape(-1)

    def direction(self, residual: Array) -> Array:
        """The direction of a residual with zeros around; it is room that the next call uses again."""
        top = self.levels[0]
        top.r[:] = residual
        self._cycle(0)
        return np.asarray(top.e)

    def multiply(self, vector: Array, out: Array) -> None:
        """out <- A v, both with zeros around."""
        kernels.multiply(self.levels[0].couplings, self.levels[0].diagonal, vector, out)

    def _cycle(self, number: int) -> None:
        level, weights = self.levels[number], self._weights
        level.e[:] = 0.0
        if number == len(self.levels) - 1:
            self._smooth(number, 0, level.r)
            for smoother in range(1, LAST):
                self._leave(level)
                self._smooth(number, smoother, level.left)
            return
        below = self.levels[number + 1]
        self._smooth(number, 0, level.r)
        self._leave(level)
        kernels.down(level.left, level.gates[-2], weights[f"{number}.down"], level.scaled, below.r)
        self._cycle(number + 1)
        kernels.up(below.e, level.gates[-1], weights[f"{number}.up"], level.e)
        self._leave(level)
        self._smooth(number, 1, level.left)

    def _smooth(self, number: int, smoother: int, r: Array) -> None:
        level, count = self.levels[number], self._network.architecture.kernels
        gates = level.gates[smoother * count : (smoother + 1) * count]
        kernels.smooth(r, level.inverse, self._weights[f"{number}.kernels"][smoother], gates, level.scaled, level.e)

    def _leave(self, level: Level) -> None:
        """left <- r - A e."""
        kernels.multiply(level.couplings, level.diagonal, level.e, level.left)
        np.subtract(level.r, level.left, out=level.left)

    def _coarsen(self, fine: Level, coarse: Level, scale: Array) -> None:
        outside = fine.inner(fine.diagonal).copy()
        for axis in range(3):
            outside -= fine.both(axis, fine.couplings[axis])
        whole = scale[1] * self._pooled(outside)
        for axis in self._halved:
            across = np.take(fine.inner(fine.couplings[axis]), range(1, fine.cells[axis], 2), axis)
            coarse.inner(coarse.couplings[axis])[:] = scale[0] * self._pooled(across, axis)
            whole += coarse.both(axis, coarse.couplings[axis])
        real = whole > SMALL * self._pooled(fine.inner(fine.diagonal))
        share = self._pooled(fine.inner(fine.share)) / 2.0 ** len(self._halved)
        coarse.inner(coarse.diagonal)[:] = np.where(real, whole, 0.0)
        coarse.inner(coarse.share)[:] = np.where(real, share, 0.0)

    def _pooled(self, values: Array, without: int = -1) -> Array:
        """Sums over pairs of cells along all axes but one."""
        for axis in self._halved:
            if axis != without:
                even, odd = (np.take(values, range(begin, values.shape[axis], 2), axis) for begin in (0, 1))
                values = even + odd
        return values

    def _gate(self, number: int) -> None:
        level, dimension = self.levels[number], len(self._halved)
        total, coupled = np.zeros((2, *level.cells))
        for axis in self._halved:
            total += level.both(axis, level.couplings[axis])
            coupled += level.both(axis, (level.couplings[axis] > 0.0).astype(float))
        inside, cells = level.inner(level.share), int(np.prod(level.cells))
        features = np.stack([total * level.inner(level.inverse), coupled / (2 * dimension), inside])
        W1, b1, W2, b2 = (self._weights[f"{number}.{name}"] for name in ("W1", "b1", "W2", "b2"))
        kernels.gates_of(
            features.reshape(FEATURES, cells), W1, b1, W2, b2, np.ascontiguousarray(inside).reshape(cells),
            level.gates.reshape(-1, cells),
        )  # fmt: skip
        if number < len(self.levels) - 1:
            below, weight = self.levels[number + 1], np.zeros_like(level.e)
            kernels.up(
                (below.share > 0.0).astype(float), np.ones(level.cells), linear(dimension).reshape(-1, 4, 4), weight
            )
            weight = level.inner(weight)
            level.gates[-1] /= np.where(weight > 0.0, weight, 1.0)


def _with_three_axes(name: str, weight: Array, architecture: Architecture) -> Array:
    """Kernels of two dimensions get an axis of one cell."""
    spatial = {"kernels": 2, "down": 0, "up": 0}.get(name.split(".")[1])
    if spatial is None or architecture.dimension == 3:
        return weight
    return np.ascontiguousarray(np.expand_dims(weight, spatial))
