"""Whether a trajectory gains what the terms of its equation give: invariants over all stored times, and the budget of
every mode over two steps.

Rates come from the terms, by other transforms and products than those of the march, and no symbols, coefficients or
kernels of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.reference import linear_rates, quadratic_rates
from pdemill.spec.terms import Terms

type Complex = NDArray[np.complex128]

ROUNDED = 1e-13
"""Part of the 2-norm that rounding explains."""
TAYLOR = 1.0, 18
"""Below which |z| functions of z are summed by so many terms of their series."""


class Balance:
    """The equation of one sample on a grid, u_t = L u + N(u) + f."""

    def __init__(self, terms: Terms, grid: PeriodicGrid) -> None:
        self.terms, self.grid = terms, grid
        self.linear, self.force = linear_rates(terms, grid.waves, grid.lengths), self._force()
        self._parts: dict[float, tuple[Complex, ...]] = {}

    def _force(self) -> Complex:
        """f, from twice the points along every axis."""
        fine = self.grid.refined
        source = np.broadcast_to(np.asarray(self.terms.source(fine.points), np.float64), fine.shape)
        places = [part % n for part, n in zip(self.grid.numbers, fine.shape, strict=True)]
        found: Complex = np.fft.rfftn(source, norm="forward")[np.ix_(*places)].ravel()
        if self.terms.vorticity_advection is not None:
            found[0] = 0.0
        return found

    def invariants(self, times: Array, states: Spectra) -> float:
        """The largest violation of what the equation says of all its solutions, relative to the largest 2-norm until
        then, for states [T, modes]:

        the mean obeys a linear equation, since the products have none; the 2-norm of what varies, and of a flow its
        speed, grow no faster than by d|u|/dt = max(L) |u| + |f|, since <u, N(u)> = 0. Without a force they fall where
        all modes are damped.
        """
        rates, spans = np.array([self.linear[0], self.linear[1:].real.max()]), np.diff(times)
        growth, added = np.exp(np.outer(rates, spans)), np.outer(np.ones(2), spans) * _phi(np.outer(rates, spans))[0]
        exact = [states[0, 0]]
        for factor, more in zip(growth[0], added[0], strict=True):
            exact.append(factor * exact[-1] + more * self.force[0])
        many = self.grid.multiplicity
        whole = _norm(states, many)
        found = [_relative(np.abs(states[:, 0] - np.array(exact)) - ROUNDED * whole, whole)]
        flow = self.terms.vorticity_advection is not None
        for weight in (many[1:], (many * self.grid.inverse_squared)[1:]) if flow else (many[1:],):
            sizes = _norm(states[:, 1:], weight)
            most = growth[1].real * sizes[:-1] + added[1].real * _norm(self.force[1:], weight)
            found.append(_relative(np.append(0.0, sizes[1:] - most - ROUNDED * whole[1:]), sizes))
        return max(found)

    def budget(self, states: Spectra, step: float) -> tuple[float, float]:
        """Of three states [3, modes], a step apart: how far the last one is from what the terms make of the first, and
        how far it may be by quadrature, both relative to what varies in it.

        With F = N(u) + f along the trajectory, u(2h) = e^(2hL) u(0) + int e^((2h - s)L) F(s) ds. The integral is that
        of the parabola through the three F, exact in L; it may be off by its difference to that of the line through
        the outer two.
        """
        if step not in self._parts:
            self._parts[step] = _weights(self.linear, 2.0 * step)
        whole, flat, slope, bend = self._parts[step]
        rates = quadratic_rates(self.terms, states, self.grid.waves, self.grid.fields, self.grid.spectra) + self.force
        curved = 2.0 * (rates[0] - 2.0 * rates[1] + rates[2])
        made = whole * states[0] + flat * rates[0] + slope * (rates[2] - rates[0]) + (bend - slope) * curved
        weight = self.grid.multiplicity
        off = _norm(states[2] - made, weight) - ROUNDED * _norm(states[2], weight)
        unknown, varying = _norm((bend - slope) * curved, weight), _norm(states[2, 1:], weight[1:])
        return _relative(off[None], varying[None]), _relative(unknown[None], varying[None])


def _norm(spectra: Complex, weight: Array) -> Array:
    return np.sqrt((np.square(np.abs(spectra)) * weight).sum(axis=-1))


def _relative(excess: Array, sizes: Array) -> float:
    """The largest of what is positive, relative to the largest size until then."""
    largest = np.maximum.accumulate(sizes)
    found = np.divide(excess, largest, out=np.where(excess > 0.0, np.inf, 0.0), where=largest > 0.0)
    return max(0.0, float(found.max()))


def _weights(linear: Complex, span: float) -> tuple[Complex, ...]:
    """e^(TL), and T int e^((1-s)TL) s^m ds over [0, 1] for m = 0, 1, 2."""
    z = span * linear
    one, two, three = _phi(z)
    return np.exp(z), span * one, span * two, 2.0 * span * three


def _phi(z: Complex) -> tuple[Complex, Complex, Complex]:
    """phi_m(z) = sum_j z^j / (j + m)! for m = 1, 2, 3 (Hochbruck and Ostermann 2010, "Exponential integrators",
    eq. (2.10))."""
    limit, terms = TAYLOR
    small = np.abs(z) < limit
    series = np.zeros_like(z)
    inner, outer = np.where(small, z, 0.0), np.where(small, 1.0, z)
    for j in range(terms, 3, -1):
        series = (1.0 + series) * inner / j
    three = (1.0 + series) / 6.0
    two = 0.5 + inner * three
    one = 1.0 + inner * two
    first = np.expm1(outer) / outer
    second = (first - 1.0) / outer
    third = (second - 0.5) / outer
    return np.where(small, one, first), np.where(small, two, second), np.where(small, three, third)
