"""Pointwise tendencies: what several unknowns and nonlinear laws bring into an equation on a periodic box.

    u_a,t = L_a u_a + sum over couplings of C u_b + sum over contributions to a of W F(g_p(q_1, .., q_J)) + f_a,
    q_j = D_j u_(a_j),

u_a the components of the unknowns, F the transform to the kept modes, L, C, D and W diagonal in them, g_p functions of
the values at points. A reaction r(u, v) is J = P = 2 with D = 1 and W = -1. A new term is one function of POINTWISE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pdemill.errors import FamilyError
from pdemill.points import Array, Points, TensorPoints
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.transforms import LANES, Transforms, times
from pdemill.spec.field import Function
from pdemill.spec.terms import NOWHERE, Terms

type Symbol = NDArray[Any]
"""A factor of every kept mode, real or complex, [modes]."""
PRODUCTS = frozenset({
    "self_advection", "vorticity_advection", "passive_advection", "velocity_advection", "layered",
})  # fmt: skip
MOST_DEGREE = 5
"""Degree up to which polynomials have no aliasing, by the points for which all other functions are evaluated too."""


@dataclass(frozen=True)
class Pointwise:
    """The pointwise tendency of one sample. Samples of a job differ in numbers only.

    fields         (a, D) of every q: the component of the unknowns and its symbol, None for 1
    functions      the g: from points and q [J, *shape] to [P, *shape]; what a point comes to depends on it alone
    degrees        of the g as polynomials of all q; None where one is none
    contributions  (a, p, W): the component that gains W F(g_p), and the symbol
    couplings      (a, b, C): the component that gains C u_b, and the symbol
    """

    fields: tuple[tuple[int, Symbol | None], ...]
    functions: Callable[[Points, Array], Array]
    degrees: tuple[int | None, ...]
    contributions: tuple[tuple[int, int, Symbol], ...]
    couplings: tuple[tuple[int, int, Symbol], ...] = ()


class PaddedGrid:
    """Points on which functions of these degrees have no aliasing into the kept modes of a grid: (d + 1) K + 1 of them
    along an axis for modes up to K (Orszag 1971)."""

    def __init__(self, grid: PeriodicGrid, degrees: Sequence[int | None]) -> None:
        degree = max(MOST_DEGREE if one is None else min(one, MOST_DEGREE) for one in degrees)
        self.shape = tuple(
            _points((degree + 1) * cut + 1, LANES if axis < grid.dimension - 1 else 1)
            for axis, cut in enumerate(grid.cut)
        )
        self.transforms = Transforms(self.shape, grid.numbers)
        sizes = zip(grid.axes, self.shape, grid.lengths, strict=True)
        nodes = {name: np.asarray(np.arange(n) * (length / n), np.float64) for name, n, length in sizes}
        self.points = TensorPoints(nodes, dict(zip(grid.axes, grid.lengths, strict=True)))


def _points(least: int, multiple: int) -> int:
    """The least multiple that is quick to transform."""
    n = -(-least // multiple) * multiple
    while scipy.fft.next_fast_len(n, real=True) != n:
        n += multiple
    return n


class Rates:
    """N(u) + f of a batch of samples, whose states are [samples, components x modes]; all rows are added up and
    multiplied in an order that does not depend on the others."""

    def __init__(self, grid: PeriodicGrid, tendencies: Sequence[Pointwise], forcing: NDArray[np.complex128]) -> None:
        self.padded = PaddedGrid(grid, tendencies[0].degrees) if tendencies[0].degrees else None
        self.modes, self.tendencies, self.forcing = grid.modes, tendencies, forcing

    def __call__(self, u: Spectra) -> Spectra:
        parts = u.reshape(len(u), -1, self.modes)
        total = np.array(np.broadcast_to(self.forcing, u.shape))
        for one, known, part in zip(self.tendencies, parts, total.reshape(parts.shape), strict=True):
            for a, b, symbol in one.couplings:
                part[a] += times(symbol, known[b])
        if self.padded is None:
            return total
        shape = self.padded.shape
        spectra = np.stack(
            [
                np.stack([part[a] if symbol is None else times(symbol, part[a]) for a, symbol in one.fields])
                for one, part in zip(self.tendencies, parts, strict=True)
            ]
        )
        values = self.padded.transforms.fields(spectra.reshape(-1, self.modes)).reshape(len(u), -1, *shape)
        found = np.stack([one.functions(self.padded.points, q) for one, q in zip(self.tendencies, values, strict=True)])
        made = self.padded.transforms.coefficients(found.reshape(-1, *shape)).reshape(len(u), -1, self.modes)
        for one, gained, part in zip(self.tendencies, made, total.reshape(parts.shape), strict=True):
            for a, p, symbol in one.contributions:
                part[a] += times(symbol, gained[p])
        return total


def _law(terms: tuple[Function, ...], grid: PeriodicGrid, names: tuple[str, ...]) -> Pointwise:
    """- r(u, ..), one formula for each unknown."""
    (law,) = terms
    minus = np.full(grid.modes, -1.0)
    return _of_laws(law, names, tuple((a, a, minus) for a in range(len(names))))


def _potential(terms: tuple[Function, ...], grid: PeriodicGrid, names: tuple[str, ...]) -> Pointwise:
    """m Lap g(u)."""
    mobility, law = terms
    return _of_laws(law, names, ((0, 0, -float(mobility(NOWHERE)) * grid.squared),))


def _oscillation(terms: tuple[Function, ...], grid: PeriodicGrid, names: tuple[str, ...]) -> Pointwise:
    """u_t = v, v_t = c^2 Lap u - g(u)."""
    speed, law = terms
    gained = _of_laws(law, names[:1], ((1, 0, np.full(grid.modes, -1.0)),))
    pull = -(float(speed(NOWHERE)) ** 2) * grid.squared
    return replace(gained, couplings=((0, 1, np.ones(grid.modes)), (1, 0, pull)))


def _of_laws(law: Function, names: tuple[str, ...], contributions: tuple[tuple[int, int, Symbol], ...]) -> Pointwise:
    assert isinstance(law, LawFunction)

    def functions(points: Points, q: Array) -> Array:
        return law.at(points, dict(zip(names, q, strict=True)))

    fields = tuple((a, None) for a in range(len(names)))
    return Pointwise(fields, functions, (law.degree,), contributions)


POINTWISE: Mapping[str, Callable[[tuple[Function, ...], PeriodicGrid, tuple[str, ...]], Pointwise]] = {
    "law": _law,
    "potential": _potential,
    "oscillation": _oscillation,
}
"""By the name of the term, from its functions, for the components of the unknowns by name."""


def pointwise_of(terms: Terms, grid: PeriodicGrid, names: tuple[str, ...]) -> Pointwise | None:
    """The pointwise tendency of one sample; None where there is none. Raises FamilyError for several, and beside
    products."""
    found = {name: functions for name, functions in terms.present() if name in POINTWISE}
    both = [*found, *(name for name, _ in terms.present() if name in PRODUCTS)]
    if found and len(both) > 1:
        raise FamilyError(f"an equation may have one law or product on periodic boxes, and this has {', '.join(both)}")
    return next((POINTWISE[name](functions, grid, names) for name, functions in found.items()), None)
