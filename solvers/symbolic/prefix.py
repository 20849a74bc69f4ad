"""Equations in prefix notation, as words: u_t - F of ``u_t = F``, operators before what they act on.

The words are PROSE's (Sun et al. 2024, arXiv 2404.12355, felix-lyx/prose, encoders.py and generators.py): add, sub,
mul, div, neg, pow2, pow3, pow; u_0, ut_0, ux_0, uxx_0 and so on of unknown number 0; ``|`` between equations. What is
free of unknowns is one number: a whole one that is written so is one word, any other is a sign, three digits and an
exponent, 1.23e-4 being + N123 E-6.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdemill.numbers_as_words import NUMBERS
from pdemill.numbers_as_words import number_words as words_of
from pdemill.points import AXES
from pdemill.solvers.formulas import CONSTANTS
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.symbolic.equations import EquationsFunction, evaluated

BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
POWERS = {2: "pow2", 3: "pow3"}
ZERO = ast.Constant(0)

type Words = list[str]


def number_words(value: float) -> Words:
    """A number as three words. Raises InvalidSample where it is too large for them."""
    try:
        return words_of(value)
    except ValueError as error:
        raise InvalidSample(str(error)) from None


class Prefix:
    """The prefix form of equations, the same for all samples but for drawn numbers: one row of word numbers each."""

    def __init__(self, unknowns: Sequence[str], equations: EquationsFunction, dimension: int) -> None:
        self.unknowns, self.dimension = unknowns, dimension
        self.trees = tuple(_moved(tree, unknowns, dimension) for tree in equations.trees)
        found = self.words_of(equations.names)
        self.length = len(found)
        self.words = (*dict.fromkeys(word for word in found if word not in NUMBERS), *NUMBERS)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    def words_of(self, names: Mapping[str, float]) -> Words:
        """The words with these values of scalars and constants."""
        found: Words = []
        for number, tree in enumerate(self.trees):
            found += [*(["|"] if number else []), "sub", f"ut_{number}", *self._words(tree, names)]
        return found

    def row(self, equations: EquationsFunction) -> NDArray[np.int16]:
        """The numbers of the words of one sample. Raises InvalidSample."""
        return np.array([self._places[word] for word in self.words_of(equations.names)], np.int16)

    def _words(self, node: ast.expr, names: Mapping[str, float]) -> Words:
        match node:
            case ast.Constant(value=int(whole)):
                return [str(whole)]
            case _ if _free(node, self.unknowns):
                return number_words(evaluated(node, names))
            case ast.Name(id=name):
                return [f"u_{self.unknowns.index(name)}"]
            case ast.Call(func=ast.Name(id="d"), args=[ast.Name(id=name), *axes]):
                along = "".join(axis.id for axis in axes if isinstance(axis, ast.Name))
                return [f"u{along}_{self.unknowns.index(name)}"]
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return ["neg", *self._words(inner, names)]
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))) if power in POWERS:
                return [POWERS[power], *self._words(left, names)]
            case ast.BinOp(left=left, op=op, right=right):
                return [BINARY.get(type(op), "pow"), *self._words(left, names), *self._words(right, names)]
        raise AssertionError(ast.dump(node))


def _free(node: ast.expr, unknowns: Sequence[str]) -> bool:
    return not any(isinstance(part, ast.Name) and part.id in unknowns for part in ast.walk(node))


def _moved(node: ast.expr, unknowns: Sequence[str], dimension: int) -> ast.expr:
    """A right-hand side with derivatives of unknowns alone, each d(u, x, x, ...) with its axes one by one."""
    match node:
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _moved(inner, unknowns, dimension)
        case _ if _free(node, unknowns) or isinstance(node, ast.Name):
            return node
        case ast.UnaryOp(op=op, operand=inner):
            return ast.UnaryOp(op, _moved(inner, unknowns, dimension))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            power = round(evaluated(right, CONSTANTS))
            under = _moved(left, unknowns, dimension)
            return (
                ast.BinOp(under, ast.Pow(), ast.Constant(power)) if power > 1 else under if power else ast.Constant(1)
            )
        case ast.BinOp(left=left, op=op, right=right):
            return ast.BinOp(_moved(left, unknowns, dimension), op, _moved(right, unknowns, dimension))
        case ast.Call(func=ast.Name(id="d"), args=[inner, ast.Name(id=axis), *order]):
            found = _moved(inner, unknowns, dimension)
            many = order[0].value if order and isinstance(order[0], ast.Constant) else 1
            assert isinstance(many, int)
            for _ in range(many):
                found = _slope(found, axis, unknowns)
            return found
        case ast.Call(func=ast.Name(id="lap"), args=[inner]):
            under = _moved(inner, unknowns, dimension)
            total: ast.expr = ZERO
            for axis in AXES[:dimension]:
                total = _sum(total, ast.Add(), _slope(_slope(under, axis, unknowns), axis, unknowns))
            return total
    raise AssertionError(ast.dump(node))


def _slope(node: ast.expr, axis: str, unknowns: Sequence[str]) -> ast.expr:
    """The derivative of what ``_moved`` gives."""
    if _free(node, unknowns):
        return ZERO
    match node:
        case ast.Name():
            return ast.Call(ast.Name("d"), [node, ast.Name(axis)], [])
        case ast.Call(func=function, args=[inner, *axes]):
            names = sorted([*(one.id for one in axes if isinstance(one, ast.Name)), axis])
            return ast.Call(function, [inner, *map(ast.Name, names)], [])
        case ast.UnaryOp(op=op, operand=inner):
            return ast.UnaryOp(op, _slope(inner, axis, unknowns))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return _sum(_slope(left, axis, unknowns), op, _slope(right, axis, unknowns))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            one, two = _slope(left, axis, unknowns), _slope(right, axis, unknowns)
            return _sum(_product(one, right), ast.Add(), _product(left, two))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return ast.BinOp(_slope(left, axis, unknowns), ast.Div(), right)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            lower = left if power == 2 else ast.BinOp(left, ast.Pow(), ast.Constant(power - 1))
            return _product(ast.Constant(power), _product(lower, _slope(left, axis, unknowns)))
    raise AssertionError(ast.dump(node))


def _sum(left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
    if _is(right, 0):
        return left
    if _is(left, 0):
        return right if isinstance(op, ast.Add) else ast.UnaryOp(ast.USub(), right)
    return ast.BinOp(left, op, right)


def _product(left: ast.expr, right: ast.expr) -> ast.expr:
    if _is(left, 0) or _is(right, 0):
        return ZERO
    if _is(left, 1):
        return right
    return left if _is(right, 1) else ast.BinOp(left, ast.Mult(), right)


def _is(node: ast.expr, number: int) -> bool:
    return isinstance(node, ast.Constant) and node.value == number
