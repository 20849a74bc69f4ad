"""What the terms of an equation are on a periodic box: diagonal symbols, and products of fields.

u_t = L u + N(u) + f, L diagonal in the modes. A term that is linear with constant coefficients is one entry of LINEAR;
one that is quadratic, one of QUADRATIC. A new term is one function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import FamilyError
from pdemill.points import Array
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.spec.field import Function
from pdemill.spec.terms import NOWHERE, Terms

type Complex = NDArray[np.complex128]
type Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Products:
    """Quadratic terms: for the unknown b, sum_p W_bp F(q_p(D_1 u_1, .., D_J u_J)), F the transform, D and W diagonal.

    factors   D, [J, modes]
    weights   W for the coefficient 1, [E, modes]
    terms     (p, i, j, c) for every c (D_i u_i) (D_j u_j) in q_p, ascending in p
    unknowns  the numbers of the unknowns u_1, .., u_J; by default that of the first
    targets   (p, b) of every W, ascending in p; by default one W for each p, and the first unknown
    """

    factors: Complex
    weights: Complex
    terms: tuple[tuple[int, int, int, float], ...]
    unknowns: tuple[int, ...] = ()
    targets: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "unknowns", self.unknowns or (0,) * len(self.factors))
        object.__setattr__(self, "targets", self.targets or tuple((p, 0) for p in range(len(self.weights))))


def _diffusion(grid: PeriodicGrid, k: Numbers) -> Array:
    if len(k) == 1:
        return -k[0] * grid.squared
    return -np.asarray(sum(entry * np.square(wave) for entry, wave in zip(k, grid.waves, strict=True)))


def _convection(grid: PeriodicGrid, b: Numbers) -> Complex:
    return -1j * np.asarray(sum(entry * wave for entry, wave in zip(b, grid.waves, strict=True)))


def _reaction(grid: PeriodicGrid, c: Numbers) -> Array:
    return np.full(grid.modes, -c[0])


def _spectral_viscosity(grid: PeriodicGrid, values: Numbers) -> Array:
    k, most = values
    waves = sum(
        np.square(np.rint(wave * length / (2.0 * np.pi))) for wave, length in zip(grid.waves, grid.lengths, strict=True)
    )
    return np.where(waves > most * most, -k * grid.squared, 0.0)


def _dispersion(grid: PeriodicGrid, p: Numbers) -> Complex:
    return 1j * p[0] * np.asarray(sum(wave**3 for wave in grid.waves))


def _hyperdiffusion(grid: PeriodicGrid, q: Numbers) -> Array:
    return -q[0] * np.square(grid.squared)


LINEAR: Mapping[str, Callable[[PeriodicGrid, Numbers], Array | Complex]] = {
    "diffusion": _diffusion,
    "convection": _convection,
    "advection": _convection,  # the same, of numbers
    "reaction": _reaction,
    "spectral_viscosity": _spectral_viscosity,
    "dispersion": _dispersion,
    "hyperdiffusion": _hyperdiffusion,
}


def _self_advection(grid: PeriodicGrid) -> Products:
    """- sum_i d_i(u^2 / 2)."""
    slope = -0.5j * np.asarray(sum(grid.waves))
    return Products(np.ones((1, grid.modes), np.complex128), slope[None], ((0, 0, 0, 1.0),))


def _vorticity_advection(grid: PeriodicGrid) -> Products:
    """-(v . grad) w = (d_yy - d_xx)(v_x v_y) + d_xy(v_x^2 - v_y^2) for v = (d_y psi, -d_x psi), -Lap psi = w: four
    transforms instead of five."""
    kx, ky = grid.waves
    factors = np.stack([1j * ky * grid.inverse_squared, -1j * kx * grid.inverse_squared])
    weights = np.stack([kx * kx - ky * ky, -kx * ky]).astype(np.complex128)
    return Products(factors, weights, ((0, 0, 1, 1.0), (1, 0, 0, 1.0), (1, 1, 1, -1.0)))


QUADRATIC: Mapping[str, Callable[[PeriodicGrid], Products]] = {
    "self_advection": _self_advection,
    "vorticity_advection": _vorticity_advection,
}


@dataclass(frozen=True)
class Symbols:
    """The equation of one sample, its ``terms``: ``linear`` L and ``forcing`` f, [unknowns x modes], ``weights`` of the
    products [P, modes]; ``kept``: what marching has made of them."""

    terms: Terms
    linear: Array | Complex
    weights: Complex
    forcing: Complex
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


def numbers(functions: tuple[Function, ...]) -> Numbers:
    """The values of functions that do not vary in space."""
    return tuple(float(function(NOWHERE)) for function in functions)


def of_unknowns(terms: Terms) -> tuple[Terms, ...]:
    """The terms of every unknown by itself, in the order of the state."""
    return (replace(terms, others=()), *terms.others)


def products_of(terms: Terms, grid: PeriodicGrid) -> tuple[str, Products] | None:
    """The quadratic term of an equation. Raises FamilyError for several."""
    found = [name for name, _ in terms.present() if name in QUADRATIC]
    if len(found) > 1:
        raise FamilyError(f"an equation may have one quadratic term on periodic boxes, and this has {', '.join(found)}")
    if found and terms.others:
        raise FamilyError(f"the {found[0]} of an equation is for one unknown on periodic boxes")
    return (found[0], QUADRATIC[found[0]](grid)) if found else None


def linear_symbol(terms: Terms, grid: PeriodicGrid) -> Array | Complex:
    """L of one sample, one unknown after the other."""
    parts = [_of_one(one, grid) for one in of_unknowns(terms)]
    if len(parts) == 1:
        return parts[0]
    joined: NDArray[Any] = np.concatenate(parts)
    return joined


def _of_one(terms: Terms, grid: PeriodicGrid) -> Array | Complex:
    total: Array | Complex = np.zeros(grid.modes)
    for name, functions in terms.present():
        if name in LINEAR:
            total = total + LINEAR[name](grid, numbers(functions))
    return total
