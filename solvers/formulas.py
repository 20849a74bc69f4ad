"""Formulas as text: read, checked node by node, and evaluated; nothing is ever handed to Python's evaluator."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from pdemill.points import AXES, FAR_AXES
from pdemill.quiet import quiet
from pdemill.spec.model import refusal

MAX_LENGTH, MAX_NODES, MAX_POWER, MAX_SCALARS = 1000, 200, 64, 100
MAX_NUMBER = 1e100

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: np.divide, ast.Pow: np.power,
}  # fmt: skip
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    **{name: (1, getattr(np, name)) for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "abs", "sign")},
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "atan2": (2, np.arctan2),
}
CONSTANTS = {"pi": np.pi, "e": np.e}
COORDINATES = (*AXES, *FAR_AXES)
TIME = "t"
"""The coordinate of time, where formulas know one and give its name to nothing else."""


def parsed(text: str) -> ast.expr:
    """The formula that a text holds, not checked yet."""
    try:
        with quiet(SyntaxWarning):
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused("is not a formula that can be read") from None


def names_in(tree: ast.expr) -> set[str]:
    """The names that a formula uses, those of functions among them."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


class Refused(ValueError):
    """What is wrong with a formula."""


def check(
    tree: ast.expr, names: Iterable[str], operators: Mapping[str, tuple[int, ...]] = MappingProxyType({})
) -> None:
    """Raise Refused where a formula is anything but operators, functions, numbers and these names; ``operators``: more
    that may be called, with so many arguments."""
    names = set(names)
    known = {name: (count,) for name, (count, _) in FUNCTIONS.items()} | dict(operators)
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise Refused(f"has more than {MAX_NODES} parts")
    for node in nodes:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if abs(value) > MAX_NUMBER:
                    raise Refused("has a number above 1e100")
            case ast.Name(id=name):
                if name not in names and name not in known:
                    raise Refused(f"has the unknown name {name!r}; give it a value under 'where'")
            case ast.BinOp(op=op):
                if type(op) not in BINARY:
                    raise Refused("may use + - * / ** only")
                if isinstance(op, ast.Pow) and not _small_power(node.right):
                    raise Refused(f"may raise to a number between -{MAX_POWER} and {MAX_POWER} only, such as x**(1/2)")
            case ast.UnaryOp(op=unary):
                if type(unary) not in UNARY:
                    raise Refused("may use + and - as signs only")
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in known:
                if len(args) not in known[name]:
                    wanted = " or ".join(map(str, known[name]))
                    raise Refused(f"calls {name} with {len(args)} arguments instead of {wanted}")
            case ast.Load() | ast.operator() | ast.unaryop():
                pass
            case _:
                raise Refused(f"may not contain {ast.unparse(node)[:40]!r}")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in known and id(node) not in called:
            raise Refused(f"uses the function {node.id} without arguments")


def _small_power(node: ast.expr) -> bool:
    """Whether an exponent is made of numbers alone, and its value is small."""
    for part in ast.walk(node):
        match part:
            case ast.Constant(value=int() | float() as value) if abs(value) <= MAX_NUMBER:
                pass
            case ast.Name(id=name) if name in CONSTANTS:
                pass
            case ast.BinOp(op=op) if type(op) in BINARY:
                pass
            case ast.UnaryOp(op=unary) if type(unary) in UNARY:
                pass
            case ast.Load() | ast.operator() | ast.unaryop():
                pass
            case _:
                return False
    with np.errstate(all="ignore"):
        return bool(abs(value_of(node, CONSTANTS)) <= MAX_POWER)


def value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a checked formula."""
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=unary, operand=operand):
            return UNARY[type(unary)](value_of(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return BINARY[type(op)](value_of(left, names), value_of(right, names))
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name][1](*[value_of(arg, names) for arg in args])
    raise refusal("is not a formula that can be read")
