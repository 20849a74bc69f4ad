"""Whether short waves grow without bound: an equation whose linear part lets them is not well-posed.

d/dt u = A(k) u with the matrix A(k) of the linear terms is well-posed where the real parts of its eigenvalues are
bounded for all k (Petrovskii's condition: Kreiss and Lorenz 1989, "Initial-boundary value problems and the
Navier-Stokes equations", chapter 2). Looked at along a few directions: of one unknown by the sign of the leading even
term, of several by the eigenvalues far out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from pdemill.points import AXES, Array
from pdemill.solvers.symbolic.polynomials import Orders

FAR, FURTHER = 1e8, 4e8
PART, GROWS = 1e-6, 1.2

type Linear = tuple[int, int, Orders, float]
"""Target, source, orders and the value of the coefficient of a linear term."""


def growing(terms: Sequence[Linear], count: int, dimension: int) -> Linear | None:
    """The term of ``count`` equations that lets short waves grow without bound; None where none does."""
    for way in _directions(dimension):
        for index in range(count):
            if (found := _leading([term for term in terms if term[0] == term[1] == index], way)) is not None:
                return found
        if any(target != source for target, source, _, _ in terms) and _coupled(terms, count, way):
            return max((term for term in terms if term[0] != term[1]), key=lambda term: sum(term[2]))
    return None


def _directions(dimension: int) -> list[Array]:
    """Axes, diagonals, and some ways between them."""
    corners = [np.array(way, float) for way in product((0, 1, -1), repeat=dimension) if any(way)]
    between = [np.array(way, float) for way in product((1.0, 0.5, -0.3), repeat=dimension)] if dimension > 1 else []
    return corners + between


def _leading(terms: Sequence[Linear], way: Array) -> Linear | None:
    """The term that makes the leading even order positive along a direction."""
    for order in range(max((sum(term[2]) for term in terms), default=0) // 2 * 2, 1, -2):
        parts = [(value, term) for term in terms if sum(term[2]) == order and (value := _real(term, way)) != 0.0]
        total, size = sum(value for value, _ in parts), sum(abs(value) for value, _ in parts)
        if abs(total) > 1e-12 * size:
            return max(parts, key=lambda part: part[0])[1] if total > 0.0 else None
    return None


def _symbol(orders: Orders, way: Array) -> complex:
    return complex(np.prod([(1j * k) ** order for k, order in zip(way, orders, strict=False)]))


def _real(term: Linear, way: Array) -> float:
    return term[3] * _symbol(term[2], way).real


def _coupled(terms: Sequence[Linear], count: int, way: Array) -> bool:
    """Whether an eigenvalue of all terms grows along a direction."""
    rates = []
    for far in (FAR, FURTHER):
        matrix = np.zeros((count, count), np.complex128)
        for target, source, orders, value in terms:
            matrix[target, source] += value * _symbol(orders, far * way)
        values = np.linalg.eigvals(matrix)
        rates.append(float(np.where(values.real > PART * np.abs(values).max(), values.real, 0.0).max()))
    return rates[1] > GROWS * rates[0] > 0.0


def told(term: Linear, unknowns: tuple[str, ...]) -> str:
    """A linear term as a text writes it."""
    _, source, orders, value = term
    name = unknowns[source]
    for axis, order in zip(AXES, orders, strict=True):
        if order:
            name = f"d({name}, {axis})" if order == 1 else f"d({name}, {axis}, {order})"
    return f"{value:g}*{name}"
