"""Whether a trajectory gains what the terms of its equation give: invariants over all stored times, and the budget of
every mode over two steps.

Rates come from the terms, by other transforms and products than those of the march, and no symbols, coefficients or
kernels of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.layered_reference import layered_norms
from pdemill.solvers.spectral.reference import (
    deformed,
    has_laws,
    law_rates,
    linear_rates,
    quadratic_rates,
    without_divergence,
)
from pdemill.solvers.trajectories.differences import CONSTANT
from pdemill.spec.terms import Terms

type Complex = NDArray[np.complex128]

ROUNDED = 1e-13
"""Part of the 2-norm that rounding explains."""
TAYLOR = 1.0, 18
"""Below which |z| functions of z are summed by so many terms of their series."""


class Balance:
    """The equations of one sample on a grid, u_t = L u + N(u) + f for every component of its unknowns."""

    def __init__(self, terms: Terms, grid: PeriodicGrid, names: Sequence[str] = ("u",)) -> None:
        self.names, self.laws = names, has_laws(terms)
        self.terms, self.grid = (replace(terms, others=()), *terms.others), grid
        self.linear = [linear_rates(one, grid.waves, grid.lengths) for one in self.terms]
        self.force = [self._force(one) for one in self.terms]
        if terms.velocity_advection is not None:
            self.force = without_divergence(self.force, grid.waves)
        flow = grid.dimension if terms.velocity_advection is not None else 1
        flow = 2 if terms.layered else flow
        self.groups = [tuple(range(flow)), *((number,) for number in range(flow, len(self.terms)))]
        """The components whose 2-norm is kept by the products, taken together."""
        self._parts: dict[float, list[tuple[Complex, ...]]] = {}

    def _force(self, terms: Terms) -> Complex:
        """f, from twice the points along every axis."""
        fine = self.grid.refined
        source = np.broadcast_to(np.asarray(terms.source(fine.points), np.float64), fine.shape)
        places = [part % n for part, n in zip(self.grid.numbers, fine.shape, strict=True)]
        found: Complex = np.fft.rfftn(source, norm="forward")[np.ix_(*places)].ravel()
        if terms.vorticity_advection is not None:
            found[0] = 0.0
        return deformed(found, terms, self.grid.waves)

    def invariants(self, times: Array, states: Spectra) -> float:
        """The largest violation of what the equation says of all its solutions, relative to the largest 2-norm until
        then, for states [T, numbers]:

        the means obey linear equations, since the products have none; the 2-norm of what varies, in a velocity of all
        its components, and of a vorticity that of its speed as well, grow no faster than by d|u|/dt = max(L) |u| + |f|,
        since <u, N(u)> = 0. Without a force they fall where all modes are damped.
        """
        parts = np.split(states, len(self.terms), axis=1)
        return max(self._violated(np.diff(times), [parts[number] for number in group], group) for group in self.groups)

    def _violated(self, spans: Array, parts: Sequence[Spectra], group: Sequence[int]) -> float:
        many = self.grid.multiplicity
        whole, found = _norm(np.concatenate(parts, axis=1), np.tile(many, len(group))), []
        for number, states in zip(group, parts, strict=True):
            growth, added = np.exp(self.linear[number][0] * spans), spans * _phi(self.linear[number][0] * spans)[0]
            exact = [states[0, 0]]
            for factor, more in zip(growth, added, strict=True):
                exact.append(factor * exact[-1] + more * self.force[number][0])
            found.append(_relative(np.abs(states[:, 0] - np.array(exact)) - ROUNDED * whole, whole))
        varying = np.stack([states[:, 1:] for states in parts])
        force = np.stack([self.force[number][1:] for number in group])
        for norm, rate in self._norms(group):
            sizes = norm(varying)
            growth = np.asarray((rate + 0j) * spans, np.complex128)
            most = np.exp(growth).real * sizes[:-1] + (spans * _phi(growth)[0]).real * norm(force)
            found.append(_relative(np.append(0.0, sizes[1:] - most - ROUNDED * whole[1:]), sizes))
        return max(found)

    def _norms(self, group: Sequence[int]) -> list[tuple[Callable[[Complex], Array], float]]:
        """Norms of what varies [components, .., modes] that the products keep, and the largest rate at which each may
        grow."""
        many, first = self.grid.multiplicity[1:], self.terms[group[0]]
        if first.layered:
            return [
                (partial(_in_layers, weights=many[:, None, None] * weights), rate)
                for weights, rate in layered_norms(first, self.grid.waves, self.linear)
            ]
        rate = float(self.linear[group[-1]][1:].real.max())
        flow = first.vorticity_advection is not None
        weights = (many, many * self.grid.inverse_squared[1:]) if flow else (many,)
        if first.deformation is not None:
            moving = deformed(np.ones(self.grid.modes, np.complex128), first, self.grid.waves)[1:].real
            weights = (many / moving**2, many * self.grid.inverse_squared[1:] / moving)  # of q, and of psi times q
        return [(partial(_of_components, weight=weight), rate) for weight in weights]

    def budget(self, states: Spectra, step: float) -> list[tuple[float, float]]:
        """Of three states [3, numbers], a step apart: how far the last one is from what the terms make of the first,
        and how far it may be by quadrature, both relative to what varies in it, for every group of components.

        With F = N(u) + f along the trajectory, u(2h) = e^(2hL) u(0) + int e^((2h - s)L) F(s) ds. The integral is that
        of the parabola through the three F, exact in L; it may be off by its difference to that of the line through
        the outer two.
        """
        if step not in self._parts:
            self._parts[step] = [_weights(linear, 2.0 * step) for linear in self.linear]
        parts = np.split(states, len(self.terms), axis=1)
        rates = quadratic_rates(self.terms, parts, self.grid.waves, self.grid.fields, self.grid.spectra)
        if self.laws:
            for frame in range(len(states)):
                gained = self._of_laws([part[frame] for part in parts])
                for rate, more in zip(rates, gained, strict=True):
                    rate[frame] += more
        gaps, doubts = [], []
        for u, rate, force, (whole, flat, slope, bend) in zip(parts, rates, self.force, self._parts[step], strict=True):
            found = rate + force
            curved = 2.0 * (found[0] - 2.0 * found[1] + found[2])
            made = whole * u[0] + flat * found[0] + slope * (found[2] - found[0]) + (bend - slope) * curved
            gaps.append(u[2] - made)
            doubts.append((bend - slope) * curved)
        return [self._gap(parts, gaps, doubts, group) for group in self.groups]

    def _of_laws(self, parts: Sequence[Complex]) -> list[Complex]:
        """What laws bring in, from values at twice the points along every axis."""
        fine, places = self.grid.refined, self.grid.places_in_refined

        def values(u: Complex) -> Array:
            state = np.zeros(fine.modes, np.complex128)
            state[places] = u
            return np.asarray(fine.fields(state[None])[0])

        def coefficients(fields: Array) -> Complex:
            return np.asarray(fine.spectra(fields[None])[0][places])

        return law_rates(self.terms[0], self.names, parts, self.grid.squared, fine.points, values, coefficients)

    def _gap(
        self, parts: Sequence[Spectra], gaps: Sequence[Complex], doubts: Sequence[Complex], group: Sequence[int]
    ) -> tuple[float, float]:
        weight = np.tile(self.grid.multiplicity, len(group))
        last, gap, doubt = (
            np.concatenate([some[number] for number in group], axis=-1) for some in (parts, gaps, doubts)
        )
        off = _norm(gap, weight) - ROUNDED * _norm(last[2], weight)
        varying = _norm(
            np.concatenate([parts[number][2, 1:] for number in group]), np.tile(self.grid.multiplicity[1:], len(group))
        )
        if self.laws and varying <= CONSTANT * _norm(last[2], weight):
            varying = _norm(last[2], weight)  # a law moves what is the same everywhere
        return _relative(off[None], varying[None]), _relative(_norm(doubt, weight)[None], varying[None])


def _norm(spectra: Complex, weight: Array) -> Array:
    return np.sqrt((np.square(np.abs(spectra)) * weight).sum(axis=-1))


def _of_components(parts: Complex, weight: Array) -> Array:
    """The 2-norm of several components, [components, .., modes], together."""
    return _norm(np.concatenate(list(parts), axis=-1), np.tile(weight, len(parts)))


def _in_layers(parts: Complex, weights: Complex) -> Array:
    """The root of sum u* W u over the modes, for two components [2, .., modes]."""
    return np.asarray(np.sqrt(np.einsum("a...m,mab,b...m->...", parts.conj(), weights, parts).real))


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
