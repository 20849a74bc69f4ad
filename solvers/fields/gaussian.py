"""A Gaussian random field with a Matern-like spectrum."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Basis, Points
from pdemill.solvers.fields.bases import cosine, fourier, sine
from pdemill.solvers.fields.modes import by_shells
from pdemill.solvers.threads import one_thread
from pdemill.spec.field import Field, Function
from pdemill.spec.model import AsNumber, Number, Positive

Boundary = Literal["neumann", "periodic", "dirichlet"]
MAX_TABLE = 2**24
DEFAULT_MODES = {1: 1024, 2: 128, 3: 32}
FEATURE_MODES = {1: 64, 2: 8, 3: 4}
BASES: dict[Boundary, Basis] = {"neumann": cosine, "periodic": fourier, "dirichlet": sine}
_WAVE_NUMBERS: dict[Boundary, Callable[[Array], Array]] = {
    "neumann": lambda index: np.pi * index,
    "periodic": lambda index: 2.0 * np.pi * np.floor((index + 1) / 2),
    "dirichlet": lambda index: np.pi * (index + 1),
}


class Spectrum(Field):
    """g = mean + sum_m a_m xi_m phi_m,  a_m = tau^(alpha - d/2) (|k_m|^2 + tau^2)^(-alpha/2),  xi_m ~ N(0, 1).

    phi_m are the orthonormal eigenfunctions of the Laplacian on the box with the sides of ``boundary``,
    k_m their wave vectors; the constant mode is left out. This is N(0, tau^(2 alpha - d) (-Laplacian +
    tau^2)^(-alpha)), the measure of Li et al. 2021 (FNO, section 5.2) and of its script GRF.m.

    alpha: smoothness (0 is band-limited white noise); tau: inverse correlation length (1 / length unit);
    std: if given, the field is scaled to this standard deviation, averaged over the box; modes: basis
    functions per axis, default 1024, 128, 32 in 1, 2, 3 dimensions, whatever the resolution: a sample is
    one function on every grid.
    """

    alpha: Annotated[float, Limits(ge=0, le=100), AsNumber] = 2.0
    tau: Annotated[float, Limits(ge=1e-6, le=1e6), AsNumber] = 3.0
    std: Positive | None = None
    mean: Number = 0.0
    boundary: Boundary = "neumann"
    modes: Annotated[int, Limits(ge=2, le=2048)] | None = None

    def series(self, draw: Draw) -> Function:
        """The Gaussian field of this draw."""
        return Function(lambda points: self._sum(draw, points), True, lambda points: self._features(draw, points))

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        if 0 < dimension <= self.most_axes and self._count(dimension) ** dimension > MAX_TABLE:
            return f"modes: {self.modes} per axis are more than {MAX_TABLE:,} in all"
        return super().objection(dimension, axes)

    def _count(self, dimension: int) -> int:
        return self.modes or DEFAULT_MODES[dimension]

    def _sum(self, draw: Draw, points: Points) -> Array:
        modes = self._count(points.dimension)
        table = by_shells(draw.normal(modes**points.dimension), modes, points.dimension)
        table *= self._amplitudes(points)
        values = points.expand(BASES[self.boundary], table)
        if self.mean:
            values += self.mean
        return values

    def _features(self, draw: Draw, points: Points) -> Array:
        dimension = points.dimension
        low = min(FEATURE_MODES[dimension], self._count(dimension))
        table = by_shells(draw.normal(low**dimension), low, dimension)
        amplitudes = self._amplitudes(points)
        amplitudes = np.ldexp(amplitudes, -np.frexp(amplitudes.max())[1])  # squares of those for a tiny std are 0
        cut = amplitudes[(slice(low),) * dimension] / np.linalg.norm(amplitudes)
        return np.asarray(cut * table).ravel()

    def _amplitudes(self, points: Points) -> Array:
        return _amplitudes(self.alpha, self.tau, self.std, self.boundary, self._count(points.dimension), points.extent)


@lru_cache(maxsize=16)
@one_thread()  # what is kept here serves every job of this process
def _amplitudes(
    alpha: float, tau: float, std: float | None, boundary: Boundary, modes: int, extent: tuple[float, ...]
) -> Array:
    dimension = len(extent)
    waves = [_WAVE_NUMBERS[boundary](np.arange(modes, dtype=float)) / length for length in extent]
    squares = sum(np.meshgrid(*[wave**2 for wave in waves], indexing="ij", sparse=True), np.zeros(1))
    amplitudes: Array = np.exp((alpha - dimension / 2) * np.log(tau) - 0.5 * alpha * np.log(squares + tau**2))
    if boundary != "dirichlet":
        amplitudes[(0,) * dimension] = 0.0
    return amplitudes if std is None else amplitudes * (std / np.linalg.norm(amplitudes))


class Gaussian(Spectrum):
    """The Gaussian field itself; ``{field: gaussian, alpha: 2, tau: 3}``."""

    field: Literal["gaussian"]

    def realise(self, draw: Draw) -> Function:
        return self.series(draw)

    def bounds(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def fixed_mean(self) -> float | None:
        return self.mean if self.boundary != "dirichlet" else None
