"""Finite volumes on boxes as stencils: fluxes through faces, made of the values of cells.

Second order, by the scheme that docs/residuals.md writes down: harmonic means of k on faces, fluxes over half a cell at
sides, convection weighted by the cell Peclet number of a face.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pdemill.solvers.residuals.stencil import BUT_FIRST, BUT_LAST, FIRST, LAST, Faces, Side, Stencil
from pdemill.solvers.residuals.terms import BatchTerms, Grid
from pdemill.solvers.residuals.values import Ops, Value, along, is_number
from pdemill.spec.boundary import Dirichlet, Neumann, Robin
from pdemill.spec.domain import BOX_SIDES

MOST_CENTRAL = 2.0
"""Cell Peclet number up to which ``auto`` is central."""
FAR = 80.0
"""Beyond which z / (e^z - 1) is 0 beside z."""

type Weights = Callable[[Value, Ops], Value]


def stencil_of(grid: Grid, terms: BatchTerms, ops: Ops) -> Stencil:
    """The stencil of a batch."""
    k = terms.diffusion * grid.dimension if len(terms.diffusion) == 1 else terms.diffusion
    weights = _weights(grid, terms, k, ops) if terms.convection else None
    faces, sides = [], []
    for number in range(grid.dimension):
        axis, h = number - grid.dimension, grid.spacing[number]
        if is_number(k[number]) and k[number] == 0.0:
            continue
        joined = grid.problem.joined[number]
        b = terms.convection[number] if terms.convection else None
        faces.append(_faces(axis, h, joined, k[number], b, weights, ops))
        if not joined:
            for high in (False, True):
                side = _side(grid, terms, number, high, k[number], b, weights, ops)
                if side is not None:
                    sides.append(side)
    found = Stencil(tuple(faces), tuple(sides), terms.reaction, terms.source)
    return _balanced(found, grid, ops) if grid.problem.singular else found


def _faces(
    axis: int, h: float, joined: bool, k: Value, b: Value | None, weights: Weights | None, ops: Ops
) -> Faces:  # fmt: skip
    before, after = _both(k, axis, joined, ops)
    face = k / h**2 if is_number(k) else _harmonic(before, after, 2.0 / h**2)
    if b is None or weights is None:
        return Faces(axis, joined, face)
    here, there = _both(b, axis, joined, ops)
    return Faces(axis, joined, face * weights(here / (h * face), ops), face * weights(-there / (h * face), ops))


def _harmonic(a: Value, b: Value, factor: float) -> Value:
    """factor times a b / (a + b)."""
    return factor * a * b / (a + b)


def _both(values: Value, axis: int, joined: bool, ops: Ops) -> tuple[Value, Value]:
    """The values of the cells before and after every face."""
    if is_number(values):
        return values, values
    if joined:
        return values, values if values.shape[axis] == 1 else ops.roll(values, axis)
    return along(values, axis, BUT_LAST), along(values, axis, BUT_FIRST)


def _side(
    grid: Grid, terms: BatchTerms, number: int, high: bool, k: Value, b: Value | None, weights: Weights | None, ops: Ops
) -> Side | None:
    """The flux over half a cell to a side, where u is alpha u_P + beta."""
    axis, h, part = number - grid.dimension, grid.spacing[number], LAST if high else FIRST
    side = BOX_SIDES[number][high]
    data = terms.sides[side]
    k = along(k, axis, part)
    weight: Value = 1.0
    if b is not None and weights is not None:
        b = along(b, axis, part)
        weight = weights((b if high else -b) * h / k, ops)
    match grid.problem.conditions[side]:
        case Dirichlet():
            rate = 2.0 / h**2 * k * weight
            return Side(axis, high, rate, rate * data["dirichlet"])
        case Neumann():
            return None if is_number(data["neumann"]) and data["neumann"] == 0.0 else Side(
                axis, high, 0.0, weight * data["neumann"] / h
            )  # fmt: skip
        case Robin():
            flow = 2.0 / h * k * weight / (2.0 * k + h * data["coefficient"])
            return Side(axis, high, flow * data["coefficient"], flow * data["value"])
    raise TypeError(f"sides of this kind have no residual: {side}")  # which taken.py refuses


def _weights(grid: Grid, terms: BatchTerms, k: tuple[Value, ...], ops: Ops) -> Weights:
    """w(z) of the flux; ``auto`` chooses sample by sample."""

    def central(z: Value, ops: Ops) -> Value:
        return 1.0 - 0.5 * z

    def upwind(z: Value, ops: Ops) -> Value:
        return 1.0 - _as_array(z, grid, ops).clip(max=0.0)

    def fitted(z: Value, ops: Ops) -> Value:
        z = _as_array(z, grid, ops)
        near = z.clip(max=FAR)
        nowhere = near == 0.0
        safe = ops.where(nowhere, ops.constant(np.ones(())), near)
        return ops.where(nowhere, 1.0 - 0.5 * z, safe / ops.expm1(safe))

    known: dict[str, Weights] = {"central": central, "upwind": upwind, "fitted": fitted}
    flux = grid.problem.convective_flux
    if flux != "auto":
        return known[flux]
    along_axes = zip(terms.convection, k, grid.spacing, strict=True)
    steep: Any = None
    for b, diffusion, h in along_axes:
        size = ops.largest(_as_array(abs(b) * h / diffusion, grid, ops), grid.dimension)
        steep = size if steep is None else ops.where(size > steep, size, steep)
    slow = steep <= MOST_CENTRAL

    def chosen(z: Value, ops: Ops) -> Value:
        return ops.where(slow, central(_as_array(z, grid, ops), ops), fitted(z, ops))

    return chosen


def _as_array(value: Value, grid: Grid, ops: Ops) -> Any:
    return ops.constant(np.full((1,) * grid.dimension, value)) if is_number(value) else value


def _balanced(stencil: Stencil, grid: Grid, ops: Ops) -> Stencil:
    """The stencil whose right-hand side has the mean 0, without which an equation that is blind to constants has no
    solution."""
    load = _as_array(stencil.load, grid, ops)
    shift = ops.mean(load, grid.dimension)
    for side in stencil.sides:
        given = _as_array(side.load, grid, ops)
        shift = shift + ops.mean(given, grid.dimension) / grid.shape[side.axis]
    return Stencil(stencil.faces, stencil.sides, stencil.reaction, load - shift)
