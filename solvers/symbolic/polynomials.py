"""Polynomials in the derivatives of unknowns, and derivatives of them.

A right-hand side is a sum of D p, D = d_x^a d_y^b d_z^c outside of a polynomial p: what stands under a derivative in a
text stays there, since D acts on coefficients and p at points. Of degree 0 or 1 there is no D outside: it is in the
factor.
"""

from __future__ import annotations

import ast
from collections import Counter

from pdemill.solvers.formulas import Refused
from pdemill.solvers.symbolic.coefficients import ONE, number, plus, times

type Orders = tuple[int, int, int]
"""Of derivatives along x, y, z."""
type Factor = tuple[int, Orders]
"""A derivative of an unknown, by its number."""
type Monomial = tuple[Factor, ...]
"""A product of factors, sorted; () is 1."""
type Polynomial = dict[Monomial, ast.expr]
"""Its coefficients, formulas of scalars."""
type Sum = dict[Orders, Polynomial]

PLAIN: Orders = (0, 0, 0)
MAX_DEGREE, MAX_ORDER, MAX_TERMS = 5, 8, 64


def constant(value: ast.expr) -> Sum:
    return _cleaned({PLAIN: {(): value}})


def unknown(index: int) -> Sum:
    return {PLAIN: {((index, PLAIN),): ONE}}


def value_of_constant(terms: Sum) -> ast.expr | None:
    """The formula of a sum without unknowns; None for others."""
    if not terms:
        return ast.Constant(0.0)
    return terms[PLAIN][()] if terms.keys() == {PLAIN} and terms[PLAIN].keys() == {()} else None


def added(one: Sum, other: Sum) -> Sum:
    total = {orders: dict(part) for orders, part in one.items()}
    for orders, part in other.items():
        into = total.setdefault(orders, {})
        for monomial, value in part.items():
            into[monomial] = plus(into[monomial], value) if monomial in into else value
    return _cleaned(total)


def scaled(terms: Sum, factor: ast.expr) -> Sum:
    return _cleaned(
        {orders: {monomial: times(factor, value) for monomial, value in part.items()} for orders, part in terms.items()}
    )


def multiplied(one: Sum, other: Sum) -> Sum:
    for a, b in ((one, other), (other, one)):
        if (value := value_of_constant(a)) is not None:
            return scaled(b, value)
    total: Polynomial = {}
    second = _inside(other)
    for left, first_value in _inside(one).items():
        for right, second_value in second.items():
            _add(total, tuple(sorted((*left, *right))), times(first_value, second_value))
    return _cleaned({PLAIN: total})


def power(terms: Sum, exponent: int) -> Sum:
    found = constant(ONE)
    for _ in range(exponent):
        found = multiplied(found, terms)
    return found


def differentiated(terms: Sum, axis: int, order: int) -> Sum:
    total: Sum = {}
    for orders, part in terms.items():
        for monomial, value in part.items():
            if len(monomial) > 1:
                total.setdefault(_raised(orders, axis, order), {})[monomial] = value
            elif monomial:
                ((index, inner),) = monomial
                total.setdefault(PLAIN, {})[((index, _raised(inner, axis, order)),)] = value
    return _cleaned(total)


def _inside(terms: Sum) -> Polynomial:
    """The sum as one polynomial: derivatives outside are taken by the product rule."""
    total: Polynomial = {}
    for orders, part in terms.items():
        found = part
        for axis, order in enumerate(orders):
            for _ in range(order):
                found = _slope(found, axis)
        for monomial, value in found.items():
            _add(total, monomial, value)
    return total


def _slope(part: Polynomial, axis: int) -> Polynomial:
    total: Polynomial = {}
    for monomial, value in part.items():
        for factor, times_there in Counter(monomial).items():
            rest = list(monomial)
            rest.remove(factor)
            new = (factor[0], _raised(factor[1], axis, 1))
            _add(total, tuple(sorted((*rest, new))), times(ast.Constant(float(times_there)), value))
    return total


def _add(total: Polynomial, monomial: Monomial, value: ast.expr) -> None:
    if len(monomial) > MAX_DEGREE:
        raise Refused(f"is of degree {len(monomial)} in the unknowns or more, and {MAX_DEGREE} is the most")
    total[monomial] = plus(total[monomial], value) if monomial in total else value
    if len(total) > MAX_TERMS:
        raise Refused(f"has more than {MAX_TERMS} products of unknowns when multiplied out")


def _raised(orders: Orders, axis: int, by: int) -> Orders:
    if sum(orders) + by > MAX_ORDER:
        raise Refused(f"has derivatives of order {sum(orders) + by}, and {MAX_ORDER} is the most")
    a, b, c = (order + by * (number == axis) for number, order in enumerate(orders))
    return a, b, c


def _cleaned(terms: Sum) -> Sum:
    """Without what is the number 0."""
    parts = {
        orders: {monomial: value for monomial, value in part.items() if number(value) != 0.0}
        for orders, part in terms.items()
    }
    return {orders: part for orders, part in parts.items() if part}
