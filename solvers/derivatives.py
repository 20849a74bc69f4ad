"""Derivatives of formulas, by the rules of calculus; what comes out is a formula again.

Where the derivatives from the left and from the right differ (abs, min, max at their kinks) it is the mean of the two,
an element of Clarke's generalised derivative (Clarke 1983, "Optimization and nonsmooth analysis"); that of sign is 0.
"""

from __future__ import annotations

import ast

from pdemill.solvers.formulas import Refused, parsed

PARTIAL: dict[type[ast.operator] | str, tuple[str, ...]] = {
    ast.Add: ("1", "1"), ast.Sub: ("1", "-1"), ast.Mult: ("b", "a"), ast.Div: ("1/b", "-a/b**2"),
    ast.Pow: ("b*a**(b - 1)", "0"),
    "sin": ("cos(a)",), "cos": ("-sin(a)",), "tan": ("1 + tan(a)**2",), "exp": ("exp(a)",), "log": ("1/a",),
    "sqrt": ("0.5/sqrt(a)",), "tanh": ("1 - tanh(a)**2",), "abs": ("sign(a)",), "sign": ("0",),
    "min": ("0.5 - 0.5*sign(a - b)", "0.5 + 0.5*sign(a - b)"),
    "max": ("0.5 + 0.5*sign(a - b)", "0.5 - 0.5*sign(a - b)"),
    "atan2": ("b/(a**2 + b**2)", "-a/(a**2 + b**2)"),
}  # fmt: skip
"""Derivatives of operators and functions by each of their arguments a, b; exponents are numbers."""
_TREES = {name: tuple(map(parsed, texts)) for name, texts in PARTIAL.items()}
_SQUARE, _ZERO = parsed("2*a"), ast.Constant(0.0)


def derivative(tree: ast.expr, name: str) -> ast.expr:
    """The derivative of a checked formula with respect to one of its names."""
    return _slope(tree, name) or _ZERO


def _slope(node: ast.expr, name: str) -> ast.expr | None:
    """The derivative; None where it is 0 everywhere."""
    match node:
        case ast.Constant():
            return None
        case ast.Name(id=other):
            return ast.Constant(1.0) if other == name else None
        case ast.UnaryOp(op=sign, operand=operand):
            inner = _slope(operand, name)
            return inner if inner is None or isinstance(sign, ast.UAdd) else ast.UnaryOp(ast.USub(), inner)
        case ast.BinOp(left=left, op=op, right=right):
            return _chained(type(op), [left, right], name)
        case ast.Call(func=ast.Name(id=function), args=args):
            return _chained(function, args, name)
    raise Refused("is not a formula that can be read")


def _chained(outer: type[ast.operator] | str, args: list[ast.expr], name: str) -> ast.expr | None:
    """The chain rule."""
    total: ast.expr | None = None
    for arg, partial in zip(args, _TREES[outer], strict=True):
        inner = _slope(arg, name)
        if inner is None or _is(partial, 0.0):
            continue
        if outer is ast.Pow and _is(args[1], 2.0):
            partial = _SQUARE
        term = _product(_filled(partial, dict(zip("ab", args, strict=False))), inner)
        total = term if total is None else ast.BinOp(total, ast.Add(), term)
    return total


def _product(one: ast.expr, other: ast.expr) -> ast.expr:
    if _is(one, 1.0):
        return other
    return one if _is(other, 1.0) else ast.BinOp(one, ast.Mult(), other)


def _is(node: ast.expr, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def _filled(partial: ast.expr, args: dict[str, ast.expr]) -> ast.expr:
    """A formula of a and b with arguments in their place."""
    match partial:
        case ast.Name(id=name):
            return args[name]
        case ast.UnaryOp(op=sign, operand=operand):
            return ast.UnaryOp(sign, _filled(operand, args))
        case ast.BinOp(left=left, op=op, right=right):
            return ast.BinOp(_filled(left, args), op, _filled(right, args))
        case ast.Call(func=function, args=inner):
            return ast.Call(function, [_filled(arg, args) for arg in inner], [])
    return partial
