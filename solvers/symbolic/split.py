"""Equations taken apart: a linear part with constant coefficients, constants, and derivatives of products."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pdemill.solvers.formulas import Refused
from pdemill.solvers.symbolic.polynomials import Factor, Orders, Polynomial, Sum

MAX_PARTS = 400
"""Of a coefficient that comes out of multiplying."""


@dataclass(frozen=True)
class LinearTerm:
    """c D u, in the equation of the unknown number ``target``; u is number ``source``, D has these ``orders``."""

    target: int
    source: int
    orders: Orders
    coefficient: ast.expr


@dataclass(frozen=True)
class ProductTerm:
    """D p, D the sum of derivatives of these ``orders``, p a polynomial of degree 2 at least in derivatives."""

    target: int
    orders: tuple[Orders, ...]
    body: Polynomial


@dataclass(frozen=True)
class Split:
    """d/dt u_i = sum of the linear terms, constants and products of target i."""

    unknowns: tuple[str, ...]
    linear: tuple[LinearTerm, ...]
    constants: tuple[tuple[int, ast.expr], ...]
    products: tuple[ProductTerm, ...]

    @property
    def degree(self) -> int:
        """Of the polynomials; 0 where there are none."""
        return max((len(monomial) for term in self.products for monomial in term.body), default=0)

    @property
    def coupled(self) -> tuple[LinearTerm, ...]:
        """The linear terms of an unknown in the equation of another."""
        return tuple(term for term in self.linear if term.target != term.source)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The derivatives of unknowns in products."""
        found = {factor for term in self.products for monomial in term.body for factor in monomial}
        return tuple(sorted(found))

    @property
    def coefficients(self) -> Iterator[tuple[int, ast.expr]]:
        """All coefficients with the number of their equation."""
        for one in self.linear:
            yield one.target, one.coefficient
        yield from self.constants
        for term in self.products:
            for value in term.body.values():
                yield term.target, value


def split(totals: tuple[Sum, ...], unknowns: tuple[str, ...]) -> Split:
    """Right-hand sides that are multiplied out, taken apart."""
    linear: list[LinearTerm] = []
    constants: list[tuple[int, ast.expr]] = []
    products: list[ProductTerm] = []
    for target, total in enumerate(totals):
        bodies: dict[Orders, Polynomial] = {}
        for orders, part in total.items():
            for monomial, value in part.items():
                if not monomial:
                    constants.append((target, value))
                elif len(monomial) == 1:
                    linear.append(LinearTerm(target, *monomial[0], value))
                else:
                    bodies.setdefault(orders, {})[monomial] = value
        products += [ProductTerm(target, orders, body) for orders, body in _merged(bodies)]
    return Split(unknowns, tuple(linear), tuple(constants), tuple(products))


def check_sizes(total: Sum) -> None:
    """Raise Refused where coefficients have grown too large to be looked at."""
    for part in total.values():
        for value in part.values():
            if next(islice(ast.walk(value), MAX_PARTS, None), None) is not None:
                raise Refused("has coefficients that are too long when multiplied out")


def _merged(bodies: dict[Orders, Polynomial]) -> Iterator[tuple[tuple[Orders, ...], Polynomial]]:
    """Polynomials with all derivatives that stand outside of them, such as those of a Laplacian."""
    found: dict[frozenset[tuple[object, str]], tuple[list[Orders], Polynomial]] = {}
    for orders, body in bodies.items():
        key = frozenset((monomial, ast.dump(value)) for monomial, value in body.items())
        found.setdefault(key, ([], body))[0].append(orders)
    for listed, body in found.values():
        yield tuple(listed), body
