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
    axes = range(grid.dimension)
    velocity = [grid.fields(output(f"velocity_{axis}", grid, known)) for axis in grid.axes]
    total = sum(
        (1.0 if i == j else 2.0) * grid.waves[i] * grid.waves[j] * grid.spectra(velocity[i] * velocity[j])
        for i in axes
        for j in axes[i:]
    )
    return np.asarray(-total * grid.inverse_squared)


def _curl(axis: int) -> Callable[[PeriodicGrid, Known], Spectra]:
    """One component of the vorticity of a velocity in three dimensions."""
    one, other = (axis + 1) % 3, (axis + 2) % 3

    def component(grid: PeriodicGrid, known: Known) -> Spectra:
        names = [f"velocity_{grid.axes[i]}" for i in (other, one)]
        return 1j * (grid.waves[one] * known[names[0]] - grid.waves[other] * known[names[1]])

    return component


def _of_layer(number: int) -> Mapping[str, Callable[[PeriodicGrid, Known], Spectra]]:
    """The channels of one layer, from its stream function."""

    def psi(known: Known) -> Spectra:
        return known[f"stream_function_{number}"]

    return {
        f"velocity_x_{number}": lambda grid, known: 1j * grid.waves[1] * psi(known),
        f"velocity_y_{number}": lambda grid, known: -1j * grid.waves[0] * psi(known),
        f"vorticity_{number}": lambda grid, known: grid.squared * psi(known),
    }


DERIVED: Mapping[str, Callable[[PeriodicGrid, Known], Spectra]] = {
    "stream_function": _stream_function,
    "velocity_x": _velocity_x,
    "velocity_y": _velocity_y,
    "pressure": _pressure,
    "vorticity_x": _curl(0),
    "vorticity_y": _curl(1),
    "vorticity_z": _curl(2),
    **_of_layer(1),
    **_of_layer(2),
}
"""By the name of the channel, where that is no component of an unknown."""


def output(name: str, grid: PeriodicGrid, known: Known) -> Spectra:
    """The kept coefficients of one channel, [samples, modes]."""
    return known[name] if name in known else DERIVED[name](grid, known)
