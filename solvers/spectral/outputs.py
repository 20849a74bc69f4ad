"""The channels of a solution, from the coefficients of the unknowns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra

type Known = Mapping[str, Spectra]
"""The coefficients of the components of all unknowns by name, [samples, modes] each."""


def _stream_function(grid: PeriodicGrid, known: Known) -> Spectra:
    return known["vorticity"] * grid.inverse_squared


def _velocity_x(grid: PeriodicGrid, known: Known) -> Spectra:
    return known["vorticity"] * (1j * grid.waves[1] * grid.inverse_squared)


def _velocity_y(grid: PeriodicGrid, known: Known) -> Spectra:
    return known["vorticity"] * (-1j * grid.waves[0] * grid.inverse_squared)


def _pressure(grid: PeriodicGrid, known: Known) -> Spectra:
    """-Lap p = div(v . grad v) = d_i d_j (v_i v_j), so p = -sum_ij k_i k_j (v_i v_j)^ / |k|^2."""
    kx, ky = grid.waves
    x, y = grid.fields(_velocity_x(grid, known)), grid.fields(_velocity_y(grid, known))
    total = kx * kx * grid.spectra(x * x) + 2.0 * kx * ky * grid.spectra(x * y) + ky * ky * grid.spectra(y * y)
    return np.asarray(-total * grid.inverse_squared)


DERIVED: Mapping[str, Callable[[PeriodicGrid, Known], Spectra]] = {
    "stream_function": _stream_function,
    "velocity_x": _velocity_x,
    "velocity_y": _velocity_y,
    "pressure": _pressure,
}
"""By the name of the channel, where that is no component of an unknown."""


def output(name: str, grid: PeriodicGrid, known: Known) -> Spectra:
    """The kept coefficients of one channel, [samples, modes]."""
    return known[name] if name in known else DERIVED[name](grid, known)
