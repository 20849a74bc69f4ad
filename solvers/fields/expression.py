"""A formula of the coordinates and of sampled scalars."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Limits
from pydantic import field_validator, model_validator

from pdemill.draws import Draw
from pdemill.points import AXES, FAR_AXES, MOST_AXES, Array, Points
from pdemill.quiet import quiet
from pdemill.spec.field import AnyScalar, Field, Function, Scalar
from pdemill.spec.model import refusal, refuse

MAX_LENGTH, MAX_NODES, MAX_POWER, MAX_SCALARS = 1000, 200, 64, 100
MAX_NUMBER = 1e100

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: np.divide, ast.Pow: np.power,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    **{name: (1, getattr(np, name)) for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "abs", "sign")},
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "atan2": (2, np.arctan2),
}
_CONSTANTS = {"pi": np.pi, "e": np.e}
_AXES = (*AXES, *FAR_AXES)


class Expression(Field):
    """A formula such as ``a * sin(pi * x) + 1`` with x, y, z (from four dimensions on x1, x2, ...), pi, e, and the
    scalars of ``where``.

    Operators + - * / **; functions sin cos tan exp log sqrt tanh abs sign min max atan2. The formula is
    parsed and walked node by node; nothing is ever handed to Python's evaluator.
    """

    field: Literal["expression"]
    formula: Annotated[str, Limits(min_length=1, max_length=MAX_LENGTH)]
    where: dict[str, AnyScalar] = Limits(default_factory=dict, max_length=MAX_SCALARS)
    most_axes: ClassVar[int] = MOST_AXES

    @field_validator("where")
    @classmethod
    def _names(cls, where: dict[str, Scalar]) -> dict[str, Scalar]:
        for name in where:
            if not name.isidentifier() or name in (*_AXES, *_CONSTANTS, *_FUNCTIONS):
                raise refuse((name,), "is not a free name", name)
        return where

    @model_validator(mode="after")
    def _parses(self) -> Expression:
        try:
            _check(self._tree, {*_AXES, *_CONSTANTS, *self.where})
        except _Refused as fault:
            raise refuse(("formula",), str(fault), self.formula) from None
        return self

    @cached_property
    def _tree(self) -> ast.expr:
        try:
            with quiet(SyntaxWarning):
                return ast.parse(self.formula.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _Refused("is not a formula that can be read") from None

    @property
    def is_random(self) -> bool:
        return any(scalar.is_random for scalar in self.where.values())

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        for name, scalar in self.where.items():
            yield ("where", name), scalar

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        used = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        missing = (used & set(_AXES)) - set(axes)
        return f"uses {', '.join(sorted(missing))}, but the domain has only {', '.join(axes)}" if missing else None

    @property
    def is_smooth(self) -> bool:
        kinks = ("abs", "sign", "min", "max")
        return not any(isinstance(node, ast.Name) and node.id in kinks for node in ast.walk(self._tree))

    def realise(self, draw: Draw) -> Function:
        drawn = {name: scalar.realise(draw.at(name)) for name, scalar in self.where.items()}
        parameters = {name: value for name, f in drawn.items() for value in f.parameters.values()}
        numbers: dict[str, Any] = dict(_CONSTANTS)

        def evaluate(points: Points) -> Array | float:
            names: Mapping[str, Any] = numbers | dict(points.coordinates) | {n: f(points) for n, f in drawn.items()}
            with np.errstate(all="ignore"):
                value = _value(self._tree, names)
            return np.asarray(np.broadcast_to(value, points.shape), dtype=float)

        def features(points: Points) -> Array:
            return np.concatenate([np.empty(0), *[f.features(points) for f in drawn.values()]])

        return Function(evaluate, self.is_random, features, parameters)


class _Refused(ValueError):
    pass


def _check(tree: ast.expr, names: set[str]) -> None:
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise _Refused(f"has more than {MAX_NODES} parts")
    for node in nodes:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if abs(value) > MAX_NUMBER:
                    raise _Refused("has a number above 1e100")
            case ast.Name(id=name):
                if name not in names and name not in _FUNCTIONS:
                    raise _Refused(f"has the unknown name {name!r}; give it a value under 'where'")
            case ast.BinOp(op=op):
                if type(op) not in _BINARY:
                    raise _Refused("may use + - * / ** only")
                if isinstance(op, ast.Pow) and not _small_power(node.right):
                    raise _Refused(f"may raise to a number between -{MAX_POWER} and {MAX_POWER} only, such as x**(1/2)")
            case ast.UnaryOp(op=unary):
                if type(unary) not in _UNARY:
                    raise _Refused("may use + and - as signs only")
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                if len(args) != _FUNCTIONS[name][0]:
                    raise _Refused(f"calls {name} with {len(args)} arguments instead of {_FUNCTIONS[name][0]}")
            case ast.Load() | ast.operator() | ast.unaryop():
                pass
            case _:
                raise _Refused(f"may not contain {ast.unparse(node)[:40]!r}")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in _FUNCTIONS and id(node) not in called:
            raise _Refused(f"uses the function {node.id} without arguments")


def _small_power(node: ast.expr) -> bool:
    """Whether an exponent is made of numbers alone, and its value is small."""
    for part in ast.walk(node):
        match part:
            case ast.Constant(value=int() | float() as value) if abs(value) <= MAX_NUMBER:
                pass
            case ast.Name(id=name) if name in _CONSTANTS:
                pass
            case ast.BinOp(op=op) if type(op) in _BINARY:
                pass
            case ast.UnaryOp(op=unary) if type(unary) in _UNARY:
                pass
            case ast.Load() | ast.operator() | ast.unaryop():
                pass
            case _:
                return False
    with np.errstate(all="ignore"):
        return bool(abs(_value(node, _CONSTANTS)) <= MAX_POWER)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=unary, operand=operand):
            return _UNARY[type(unary)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name][1](*[_value(arg, names) for arg in args])
    raise refusal("is not a formula that can be read")
