"""What equations that users wrote are on a periodic grid."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array, Points
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.pointwise import Pointwise
from pdemill.solvers.spectral.symbols import Products, Symbols
from pdemill.solvers.symbolic.coefficients import ONE, number
from pdemill.solvers.symbolic.equations import EquationsFunction, evaluated
from pdemill.solvers.symbolic.polynomials import Factor, Monomial, Orders
from pdemill.solvers.symbolic.split import Split
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms

type Complex = NDArray[np.complex128]
type Body = tuple[tuple[Monomial, float], ...]
"""A polynomial with numbers for coefficients."""
type Entry = tuple[Body, int, tuple[Orders, ...], ast.expr]


def is_pointwise(equations: Function | None) -> bool:
    """Whether equations are marched by values at points: not those whose products are of two factors and whose linear
    terms are each of its own unknown, which compiled code takes."""
    return isinstance(equations, EquationsFunction) and (equations.split.degree > 2 or bool(equations.split.coupled))


def symbols_of(terms: Terms, equations: EquationsFunction, grid: PeriodicGrid, source: Spectra) -> Symbols:
    """The equations of one sample, with their sources. Raises InvalidSample."""
    if equations.fault:
        raise InvalidSample(f"equations: {equations.fault}")
    linear, forcing = _linear(equations, grid), source + _constants(equations, grid)
    if is_pointwise(equations):
        return Symbols(terms, linear, np.empty((0, grid.modes), np.complex128), forcing, _pointwise(equations, grid))
    _, entries = _arranged(equations.split)
    rows = [evaluated(value, equations.names) * _outside(orders, grid) for _, _, orders, value in entries]
    return Symbols(terms, linear, _rows(rows, grid), forcing)


def products(equations: EquationsFunction, grid: PeriodicGrid) -> Products:
    """The products, all of two factors."""
    factors, (bodies, entries) = equations.split.factors, _arranged(equations.split)
    return Products(
        _rows([_symbol(orders, grid) for _, orders in factors], grid),
        _rows([_outside(orders, grid) for _, _, orders, _ in entries], grid),
        tuple(
            (p, factors.index(one), factors.index(two), c) for p, body in enumerate(bodies) for (one, two), c in body
        ),
        tuple(a for a, _ in factors),
        tuple((bodies.index(body), target) for body, target, _, _ in entries),
    )


def _arranged(parts: Split) -> tuple[list[Body], list[Entry]]:
    """The polynomials, such as u v^2 of two equations once, and the products in their order."""
    entries = list(weighed(parts))
    bodies = list(dict.fromkeys(body for body, *_ in entries))
    return bodies, sorted(entries, key=lambda entry: bodies.index(entry[0]))


def weighed(parts: Split) -> Iterator[Entry]:
    """The products, so that what may be drawn stands outside: a polynomial of numbers, the equation that it is in, the
    derivatives outside, and the factor outside."""
    for term in parts.products:
        known = tuple((monomial, value) for monomial, node in term.body.items() if (value := number(node)) is not None)
        if len(known) == len(term.body) > 1:
            yield known, term.target, term.orders, ONE
        else:
            for monomial, node in term.body.items():
                yield ((monomial, 1.0),), term.target, term.orders, node


def _pointwise(equations: EquationsFunction, grid: PeriodicGrid) -> Pointwise:
    parts, names = equations.split, equations.names
    factors, (bodies, entries) = parts.factors, _arranged(parts)

    def functions(points: Points, q: Array) -> Array:
        known = dict(zip(factors, q, strict=True))
        return np.stack([_polynomial(body, known) for body in bodies])

    return Pointwise(
        tuple((a, _symbol(orders, grid) if any(orders) else None) for a, orders in factors),
        functions,
        tuple(max(len(monomial) for monomial, _ in body) for body in bodies),
        tuple(
            (target, bodies.index(body), evaluated(value, names) * _outside(orders, grid))
            for body, target, orders, value in entries
        ),
        tuple(
            (one.target, one.source, evaluated(one.coefficient, names) * _symbol(one.orders, grid))
            for one in parts.coupled
        ),
    )


def _polynomial(body: Body, known: dict[Factor, Array]) -> Array:
    total: Any = 0.0
    for monomial, c in body:
        value = known[monomial[0]] if c == 1.0 else c * known[monomial[0]]
        for factor in monomial[1:]:
            value = value * known[factor]
        total = total + value
    return np.asarray(total)


def _symbol(orders: Orders, grid: PeriodicGrid) -> Array | Complex:
    """(i k_x)^a (i k_y)^b (i k_z)^c, real where a + b + c is even."""
    found = np.ones(grid.modes)
    for wave, order in zip(grid.waves, orders, strict=False):
        found = found * wave**order
    turns = sum(orders) % 4
    signed = -found if turns >= 2 else found
    return signed if turns % 2 == 0 else np.asarray(1j * signed, np.complex128)


def _outside(orders: tuple[Orders, ...], grid: PeriodicGrid) -> Array | Complex:
    """The sum of derivatives."""
    total: Array | Complex = np.zeros(grid.modes)
    for one in orders:
        total = total + _symbol(one, grid)
    return total


def _linear(equations: EquationsFunction, grid: PeriodicGrid) -> Array | Complex:
    """The linear terms of every unknown in itself, [unknowns x modes]."""
    total: list[Array | Complex] = [np.zeros(grid.modes) for _ in equations.split.unknowns]
    for term in equations.split.linear:
        if term.target == term.source:
            value = evaluated(term.coefficient, equations.names)
            total[term.target] = total[term.target] + value * _symbol(term.orders, grid)
    found: NDArray[Any] = np.concatenate(total)
    return found


def _constants(equations: EquationsFunction, grid: PeriodicGrid) -> Complex:
    """The terms without unknowns, [unknowns x modes]."""
    total = np.zeros((len(equations.split.unknowns), grid.modes), np.complex128)
    for target, value in equations.split.constants:
        total[target, 0] += evaluated(value, equations.names)
    return total.reshape(-1)


def _rows(rows: list[Array | Complex], grid: PeriodicGrid) -> Complex:
    return np.array(rows, np.complex128).reshape(len(rows), grid.modes)
