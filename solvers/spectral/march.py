"""Marching a batch of samples from stored time to stored time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.spectral.exponential import Exponential
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.lanes import LANES
from pdemill.solvers.spectral.plan import Quadratic, plan_of, space_for
from pdemill.solvers.spectral.symbols import Products, Symbols

MOST_KEPT = 16
"""Lengths of steps whose coefficients are kept."""


class Coefficients:
    """The coefficients of a scheme for a batch, by their steps; those of an equation of many samples last as long as it
    does."""

    def __init__(self, scheme: Exponential, equations: Sequence[Symbols]) -> None:
        self.scheme, self.linear = scheme, stacked([one.linear for one in equations])
        alike = all(one is equations[0] for one in equations)
        self._kept: dict[Any, tuple[NDArray[Any], ...]] = equations[0].kept if alike else {}

    def of(self, step: float, laid: Callable[[list[NDArray[Any]]], NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Those of a step, found sample by sample (the last bits of numpy's complex products depend on the length of
        arrays); ``laid``: of rows of samples, what the march takes."""
        key = type(self.scheme), step
        parts = self._kept.get(key)
        if parts is None:
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            rows = [self.scheme.coefficients(linear, step) for linear in self.linear]
            parts = self._kept[key] = tuple(laid(list(part)) for part in zip(*rows, strict=True))
        return parts


class SpectralMarch:
    """A scheme at work on the equations of a batch, one row per sample; what a row comes to does not depend on the
    others. A state is the coefficients of all unknowns, one after another."""

    left: Array | None = None

    def __init__(
        self, grid: PeriodicGrid, scheme: Exponential, products: Products | None, equations: Sequence[Symbols]
    ) -> None:
        self.grid, self.scheme, self.count = grid, scheme, len(equations)
        self.plan = plan_of(grid.numbers)
        weights = stacked([one.weights for one in equations])
        points = prod(self.plan.sizes[:3].tolist())
        scale = 0.25 / points  # of real lines of twice as many points, whose coefficients come out doubled
        forcing = stacked([one.forcing for one in equations])
        none = np.empty((0, grid.modes), np.complex128)
        shared = products.factors if products else none
        own = [one.factors for one in equations if one.factors is not None]
        couplings = stacked([none if one.couplings is None else one.couplings for one in equations])
        unknowns, terms, targets = (products.unknowns, products.terms, products.targets) if products else ((), (), ())
        found = [b for _, b in targets]
        alone = [b for b in range(forcing.shape[1] // grid.modes) if b not in found]
        entries = [(p, b, b not in found[:e]) for e, (p, b) in enumerate(targets)] + [(-1, b, True) for b in alone]
        self.quadratic = Quadratic(
            self._rows(stacked(own)) if own else self._planes(shared, shared=True)[None],
            np.stack([np.array(unknowns, dtype=np.int64), np.all(shared == 1.0, axis=1)], axis=1),
            self._rows(scale * weights) if terms else np.empty((1, 0, 0)),
            np.array(entries, dtype=np.int64),
            self._planes(forcing),
            np.array([term[:3] for term in terms], dtype=np.int64).reshape(-1, 3),
            np.array([term[3] for term in terms], dtype=np.float64),
            self._rows(couplings) if couplings.shape[1] else np.empty((1, 0, 0)),
            np.array(products.coupled if products else (), dtype=np.int64).reshape(-1, 2),
        )
        made, planes = 1 + max((p for p, _ in targets), default=-1), self.quadratic.forcing.shape[1]
        self.space = space_for(self.plan, len(shared), made, planes if couplings.shape[1] else 0)
        self.work = np.zeros((7, self.quadratic.forcing.shape[1]))
        self.coefficients = Coefficients(scheme, equations)

    def _rows(self, values: NDArray[Any]) -> Array:
        """Several coefficients of one unknown, [samples, E, modes], as the compiled code has them."""
        return np.stack([self._planes(values[:, e]) for e in range(values.shape[1])], axis=1)

    def _planes(self, values: NDArray[Any], shared: bool = False) -> Array:
        """Coefficients [samples, unknowns x modes] as the compiled code has them, real ones without imaginary parts;
        one row stays one, which all share. ``shared``: rows are none of samples."""
        grid = self.grid
        columns = len(grid.numbers[-1])
        padded = -(-columns // LANES) * LANES
        if grid.dimension > 1:
            rows = values.reshape(len(values), values.shape[1] // columns, columns)
        elif shared or len(values) == 1:
            rows = np.repeat(values[:, :, None], LANES, axis=2)
        else:
            rows = np.concatenate([values, np.repeat(values[:1], -len(values) % LANES, axis=0)])
            rows = np.moveaxis(rows.reshape(-1, LANES, values.shape[1]), 1, 2)
        if grid.dimension == 1:
            columns = padded = LANES
        parts = [rows.real, rows.imag] if np.iscomplexobj(rows) else [rows]
        made = np.zeros((len(rows), len(parts), rows.shape[1], padded))
        for number, part in enumerate(parts):
            made[:, number, :, :columns] = part
        return made.reshape(len(rows), prod(made.shape[1:]))

    def advance(self, u: Spectra, interval: float, steps: int, begin: float = 0.0) -> None:
        """Advance u [samples, unknowns x modes] in place by so many equal steps, from whatever time: the equations do
        not know."""
        parts = self.coefficients.of(interval / steps, lambda rows: self._planes(np.stack(rows)))
        states = self._planes(u)
        self.scheme.march(states, steps, parts, self.plan, self.quadratic, self.work, self.space)
        columns = len(self.grid.numbers[-1])
        if self.grid.dimension == 1:
            found = states.reshape(len(states), 2, -1, LANES)
            planes = np.moveaxis(found, (1, 3), (0, 2)).reshape(2, -1, u.shape[1])[:, : len(u)]
        else:
            found = states.reshape(len(states), 2, -1, -(-columns // LANES) * LANES)[..., :columns]
            planes = np.moveaxis(found, 1, 0)
        u.real, u.imag = planes.reshape(2, len(u), -1)


def stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """[1, ...] where all samples share one array, else [samples, ...]."""
    if all(part is parts[0] for part in parts):
        return np.ascontiguousarray(parts[0][None])
    return np.stack(parts)
