"""The degree of a formula as a polynomial of some of its names."""

from __future__ import annotations

import ast
from collections.abc import Collection

from pdemill.solvers.formulas import CONSTANTS, COORDINATES, value_of


def degree(tree: ast.expr, names: Collection[str]) -> int | None:
    """That of a checked formula; None where it is no polynomial of these names with constant coefficients."""
    match tree:
        case ast.Constant():
            return 0
        case ast.Name(id=name):
            return None if name in COORDINATES else int(name in names)
        case ast.UnaryOp(operand=operand):
            return degree(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _of_two(op, degree(left, names), degree(right, names), right)
        case ast.Call(args=args):
            return 0 if all(degree(arg, names) == 0 for arg in args) else None
    return None


def _of_two(op: ast.operator, one: int | None, other: int | None, right: ast.expr) -> int | None:
    if one is None or other is None:
        return None
    match op:
        case ast.Add() | ast.Sub():
            return max(one, other)
        case ast.Mult():
            return one + other
        case ast.Div() if other == 0:
            return one
        case ast.Pow() if one == 0:
            return 0
        case ast.Pow():
            power = float(value_of(right, CONSTANTS))  # of numbers alone
            return one * int(power) if power >= 0.0 and power.is_integer() else None
    return None
