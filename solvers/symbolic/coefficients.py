"""Sums and products of formulas of scalars, numbers folded."""

from __future__ import annotations

import ast

ZERO, ONE = ast.Constant(0.0), ast.Constant(1.0)


def number(node: ast.expr) -> float | None:
    """The value of a formula that is a number."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
    return None


def plus(a: ast.expr, b: ast.expr) -> ast.expr:
    x, y = number(a), number(b)
    if x is not None and y is not None:
        return ast.Constant(x + y)
    if x == 0.0:
        return b
    return a if y == 0.0 else ast.BinOp(a, ast.Add(), b)


def times(a: ast.expr, b: ast.expr) -> ast.expr:
    x, y = number(a), number(b)
    if x is not None and y is not None:
        return ast.Constant(x * y)
    if x == 0.0 or y == 0.0:
        return ZERO
    if x == 1.0:
        return b
    if y == 1.0:
        return a
    if x == -1.0:
        return ast.UnaryOp(ast.USub(), b)
    return ast.UnaryOp(ast.USub(), a) if y == -1.0 else ast.BinOp(a, ast.Mult(), b)


def over(a: ast.expr, b: ast.expr) -> ast.expr:
    """a / b, which is not folded: where b is 0 shows when values are looked at."""
    return a if number(b) == 1.0 else ast.BinOp(a, ast.Div(), b)
