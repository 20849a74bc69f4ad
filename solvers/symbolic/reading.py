"""A text such as ``u_t = -0.5*d(u**2, x) - d(u, x, 2)``, as a sum of derivatives of polynomials."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

from pdemill.points import AXES
from pdemill.solvers.formulas import CONSTANTS, COORDINATES, FUNCTIONS, TIME, Refused, check, parsed, value_of
from pdemill.solvers.symbolic import polynomials
from pdemill.solvers.symbolic.coefficients import ONE, over
from pdemill.solvers.symbolic.polynomials import MAX_DEGREE, MAX_ORDER, Sum, value_of_constant

OPERATORS = {"d": (2, 3), "lap": (1,)}
"""Differential operators, and how many arguments they have: d(expression, axis, order = 1), lap(expression)."""
LEFT = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]{0,30})_t\s*=(?!=)", re.ASCII)
TAKEN = {*COORDINATES, *CONSTANTS, *FUNCTIONS, *OPERATORS, TIME}


def sides(text: str) -> tuple[str, ast.expr]:
    """The unknown on the left of an equation, and what is on the right, not checked yet."""
    left = LEFT.match(text)
    if left is None:
        raise Refused("should begin with the unknown whose rate it gives, such as u_t = d(u, x, 2)")
    if left[1] in TAKEN:
        raise Refused(f"is for {left[1]}, which stands for something else: call the unknown otherwise")
    return left[1], parsed(text[left.end() :])


def check_right(tree: ast.expr, unknowns: Sequence[str], scalars: Collection[str]) -> None:
    """Raise Refused where a right-hand side is no safe formula of unknowns, scalars and axes."""
    axes = {*AXES, TIME}
    check(tree, {*CONSTANTS, *unknowns, *scalars, *axes}, OPERATORS)
    arguments = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="d"), args=[_, ast.Name(id=axis) as given, *order]):
                if axis not in AXES:
                    raise Refused(f"has a derivative with respect to {axis}, which is no axis: d(u, x), d(u, x, 2)")
                arguments.add(id(given))
                for entry in order:
                    if not (isinstance(entry, ast.Constant) and type(entry.value) is int and entry.value > 0):
                        raise Refused("has a derivative whose order is no whole number from 1 on: d(u, x, 2)")
                    if entry.value > MAX_ORDER:
                        raise Refused(f"has derivatives of order {entry.value}, and {MAX_ORDER} is the most")
            case ast.Call(func=ast.Name(id="d")):
                raise Refused("has a derivative with respect to no axis: write d(u, x) or d(u, x, 2)")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in axes and id(node) not in arguments:
            told = "what depends on space alone belongs in 'source'" if node.id in AXES else "an equation knows no time"
            raise Refused(f"depends on {node.id}: {told}")


def expanded(node: ast.expr, unknowns: Sequence[str], dimension: int) -> Sum:
    """A checked right-hand side, multiplied out. Raises Refused."""

    def of(part: ast.expr) -> Sum:
        match part:
            case ast.Name(id=name) if name in unknowns:
                return polynomials.unknown(unknowns.index(name))
            case ast.Constant() | ast.Name():
                return polynomials.constant(part)
            case ast.UnaryOp(op=sign, operand=operand):
                found = of(operand)
                return found if isinstance(sign, ast.UAdd) else polynomials.scaled(found, ast.Constant(-1.0))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return polynomials.added(of(left), of(right))
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return polynomials.added(of(left), polynomials.scaled(of(right), ast.Constant(-1.0)))
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return polynomials.multiplied(of(left), of(right))
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                divisor = value_of_constant(of(right))
                if divisor is None:
                    raise Refused("divides by an unknown: only polynomials of the unknowns are free of aliasing")
                return polynomials.scaled(of(left), over(ONE, divisor))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return _raised(of(left), right)
            case ast.Call(func=ast.Name(id="d"), args=[inner, ast.Name(id=axis), *order]):
                if axis not in AXES[:dimension]:
                    raise Refused(
                        f"has a derivative with respect to {axis}, and the box has {', '.join(AXES[:dimension])}"
                    )
                many = order[0].value if order and isinstance(order[0], ast.Constant) else 1
                assert isinstance(many, int)
                return polynomials.differentiated(of(inner), AXES.index(axis), many)
            case ast.Call(func=ast.Name(id="lap"), args=[inner]):
                under, total = of(inner), polynomials.constant(ast.Constant(0.0))
                for number in range(dimension):
                    total = polynomials.added(total, polynomials.differentiated(under, number, 2))
                return total
            case ast.Call(func=ast.Name(id=name) as function, args=args):
                values = [value_of_constant(of(arg)) for arg in args]
                if any(value is None for value in values):
                    raise Refused(f"has {name} of an unknown: only polynomials of the unknowns are free of aliasing")
                return polynomials.constant(ast.Call(function, [v for v in values if v is not None], []))
        raise Refused("is not a formula that can be read")

    return of(node)


def _raised(base: Sum, exponent: ast.expr) -> Sum:
    constant = value_of_constant(base)
    if constant is not None:
        return polynomials.constant(ast.BinOp(constant, ast.Pow(), exponent))
    number = float(value_of(exponent, CONSTANTS))
    if not (number.is_integer() and number >= 0.0):
        raise Refused(f"raises an unknown to {number:g}: only whole powers of unknowns are free of aliasing")
    if number > MAX_DEGREE:
        raise Refused(f"raises an unknown to {number:g}, and {MAX_DEGREE} is the most")
    return polynomials.power(base, int(number))
