"""Right-hand sides as they are written, from values at points: for checks, nothing is taken apart."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import AXES, Array
from pdemill.solvers.formulas import BINARY, UNARY, value_of
from pdemill.solvers.symbolic.equations import EquationsFunction, evaluated

type Complex = NDArray[np.complex128]


def finer_for(drawn: EquationsFunction) -> int:
    """How many times the points of a grid with the 2/3 rule resolve all products: an even number."""
    return 2 if drawn.split.degree <= 3 else 4


def written_linear(drawn: EquationsFunction, waves: Sequence[Array]) -> Complex:
    """The linear terms of every unknown in itself, [unknowns, *shape of the waves]."""
    total = np.zeros((len(drawn.trees), *np.shape(waves[0])), np.complex128)
    for term in drawn.split.linear:
        if term.target == term.source:
            parts = [(1j * wave) ** order for wave, order in zip(waves, term.orders, strict=False)]
            total[term.target] += evaluated(term.coefficient, drawn.names) * np.prod(parts, axis=0)
    return total


def written_rates(drawn: EquationsFunction, fields: Sequence[Array], lengths: Sequence[float]) -> list[Array]:
    """The right-hand sides of all unknowns where their ``fields`` [*shape] have so many points that products are
    resolved."""
    unknowns = dict(zip(drawn.split.unknowns, fields, strict=True))
    shape = fields[0].shape

    def of(node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name) if name in unknowns:
                return unknowns[name]
            case ast.UnaryOp(op=sign, operand=operand):
                return UNARY[type(sign)](of(operand))
            case ast.BinOp(left=left, op=op, right=right):
                return BINARY[type(op)](of(left), of(right))
            case ast.Call(func=ast.Name(id="d"), args=[inner, ast.Name(id=axis), *order]):
                return slope(of(inner), AXES.index(axis), int(value_of(order[0], {})) if order else 1)
            case ast.Call(func=ast.Name(id="lap"), args=[inner]):
                value = of(inner)
                return sum(slope(value, axis, 2) for axis in range(len(shape)))
        return value_of(node, drawn.names)

    def slope(values: Any, axis: int, order: int) -> Any:
        """The derivative of a field along an axis."""
        if not np.ndim(values):
            return 0.0
        points = shape[axis]
        waves = (2j * np.pi / lengths[axis] * np.rint(np.fft.fftfreq(points, 1.0 / points))) ** order
        turned = np.moveaxis(np.fft.fft(values, axis=axis), axis, -1) * waves
        return np.fft.ifft(np.moveaxis(turned, -1, axis), axis=axis).real

    return [np.asarray(np.broadcast_to(of(tree), shape), np.float64) for tree in drawn.trees]
