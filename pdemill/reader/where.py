"""Conditions on samples, such as ``error_estimate < 1e-3 and not flags.peclet``: read as text, never run as code."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import WhereError
from pdemill.quiet import quiet
from pdemill.store.flags import COLUMN as FLAGS
from pdemill.store.flags import Flags

MAX_PARTS, SHOWN = 200, 80
LARGEST = 1e300

type Column = NDArray[Any]
type Truth = NDArray[np.bool_]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}  # fmt: skip


class Where:
    """A condition on the ``columns`` of a split: numbers, comparisons (also ``0 < a < 1``), ``and``, ``or``, ``not``,
    parentheses; ``flags`` for any flag, ``flags.NAME`` for one. A comparison with NaN does not hold.

    Raises WhereError for what cannot be read, and for columns and flags that are not there.
    """

    def __init__(self, text: str, columns: Sequence[str], flags: Flags) -> None:
        self.text, self._known, self._flags = text, tuple(columns), flags
        self._used: set[str] = set()
        try:
            with quiet(SyntaxWarning):
                self._tree = ast.parse(text.strip(), mode="eval").body
            if sum(1 for _ in ast.walk(self._tree)) > MAX_PARTS:
                raise self._refusal(f"it has more than {MAX_PARTS} parts")
            self._check(self._tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            example = "error_estimate < 1e-3 and not flags"
            raise self._refusal(f"write a condition such as '{example}'") from None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return tuple(sorted(self._used))

    def holds(self, columns: Mapping[str, Column]) -> Truth:
        """Whether it holds, row by row."""
        rows = len(next(iter(columns.values())))
        return np.broadcast_to(self._truth(self._tree, columns), rows)

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=parts):
                for part in parts:
                    self._check(part)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                self._check(part)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
                for part in (left, *others):
                    self._check_number(part)
            case ast.Name(id=name):
                self._look_up(name)
                if name != FLAGS:
                    raise self._refusal(f"compare {name} with a number, as in '{name} < 1'")
            case ast.Attribute(value=ast.Name(id=name), attr=flag) if name == FLAGS:
                self._look_up(name)
                if flag not in self._flags.masks:
                    known = ", ".join(f"{FLAGS}.{other}" for other in self._flags.masks)
                    raise self._refusal(f"there is no flag {flag!r}; there are {known}")
            case _:
                raise self._refusal(f"{_shown(node)} is no condition")
        if not self._used and node is self._tree:
            raise self._refusal(f"it names no column; there are {', '.join(self._known)}")

    def _check_number(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if abs(value) > LARGEST:
                    raise self._refusal("it has a number above 1e300")
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=part):
                self._check_number(part)
            case ast.Name(id=name):
                self._look_up(name)
            case _:
                raise self._refusal(f"{_shown(node)} is neither a column nor a number")

    def _look_up(self, name: str) -> None:
        if name not in self._known:
            raise self._refusal(f"there is no column {name!r}; there are {', '.join(self._known)}")
        self._used.add(name)

    def _refusal(self, reason: str) -> WhereError:
        return WhereError(f"where {self.text[:SHOWN]!r}: {reason}")

    def _truth(self, node: ast.expr, columns: Mapping[str, Column]) -> Any:
        match node:
            case ast.BoolOp(op=op, values=parts):
                combined = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return combined.reduce(np.broadcast_arrays(*[self._truth(part, columns) for part in parts]))
            case ast.UnaryOp(operand=part):
                return ~self._truth(part, columns)
            case ast.Compare(left=left, ops=ops, comparators=others):
                values = [_number(part, columns) for part in (left, *others)]
                known = ~np.isnan(sum(values))
                for compared, one, other in zip(ops, values, values[1:], strict=False):
                    known = known & _COMPARISONS[type(compared)](one, other)
                return known
            case ast.Attribute(attr=flag):
                return (columns[FLAGS] & self._flags.masks[flag]) != 0
        return columns[FLAGS] != 0


def _number(node: ast.expr, columns: Mapping[str, Column]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            return np.float64(value)
        case ast.UnaryOp(op=op, operand=part):
            return -_number(part, columns) if isinstance(op, ast.USub) else _number(part, columns)
        case ast.Name(id=name):
            return columns[name].astype(np.float64)
    raise AssertionError(node)


def _shown(node: ast.expr) -> str:
    return repr(ast.unparse(node)[:40])
