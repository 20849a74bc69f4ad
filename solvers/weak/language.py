"""The functions of forms: what they take, and what kind their value is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pdemill.solvers.weak.kinds import NONLINEAR, Kind, Shape, function, plus, times
from pdemill.solvers.weak.reading import Node, Refused

SMOOTH = ("exp", "ln", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "abs", "sign")
PLAIN: dict[str, int] = {
    **dict.fromkeys(SMOOTH, 1), "grad": 1, "nabla_grad": 1, "div": 1, "nabla_div": 1, "curl": 1, "sym": 1, "skew": 1,
    "dev": 1, "transpose": 1, "tr": 1, "det": 1, "inv": 1, "cofac": 1, "inner": 2, "dot": 2, "outer": 2, "cross": 2,
    "max_value": 2, "min_value": 2, "lt": 2, "gt": 2, "le": 2, "ge": 2, "conditional": 3, "Identity": 1,
    "derivative": 3,
}  # fmt: skip
"""Functions and how many arguments they have."""
type Rule = Callable[[Node, int, list[Kind]], Kind]


def _refused(node: Node, what: str) -> Refused:
    return Refused(f"calls {node.word} with {what}", node.at)


def _smooth(node: Node, d: int, kinds: list[Kind]) -> Kind:
    (a,) = kinds
    if a.shape:
        raise _refused(node, "what is no number")
    return function(a, a.degree if node.word in ("abs", "sign") else a.degree + 2)


def _differentiated(node: Node, a: Kind, shape: Shape) -> Kind:
    """The kind of a derivative in space, which is taken cell by cell: refused where it is not all of it."""
    if a.steps:
        name = min(a.steps)
        raise _refused(node, f"{name}, which has one value in each cell and no derivative: integrate by parts")
    if a.derived:
        raise _refused(node, "a derivative, and second ones jump between elements: integrate by parts")
    among = not a.constant or bool(a.free | a.bound)
    return replace(a.shaped(shape, max(0, a.degree - 1)), derived=int(among))


DERIVATIVES = frozenset({"grad", "nabla_grad", "div", "nabla_div", "curl"})
"""Functions that differentiate."""


def _gradient(node: Node, d: int, kinds: list[Kind]) -> Kind:
    (a,) = kinds
    if len(a.shape) > 1:
        raise _refused(node, "a matrix")
    return _differentiated(node, a, (*a.shape, d) if node.word == "grad" else (d, *a.shape))


def _divergence(node: Node, d: int, kinds: list[Kind]) -> Kind:
    (a,) = kinds
    axis = -1 if node.word == "div" else 0
    if not a.shape or a.shape[axis] != d:
        raise _refused(node, f"what is no vector or matrix of {d} along the axis")
    return _differentiated(node, a, a.shape[:-1] if node.word == "div" else a.shape[1:])


def _curl(node: Node, d: int, kinds: list[Kind]) -> Kind:
    (a,) = kinds
    if a.shape == (d,):
        return _differentiated(node, a, (3,) if d == 3 else ())
    if not a.shape and d == 2:
        return _differentiated(node, a, (2,))
    raise _refused(node, f"what is no vector of {d}")


def _square(node: Node, a: Kind) -> int:
    if len(a.shape) != 2 or a.shape[0] != a.shape[1] or a.shape[0] > 3:
        raise _refused(node, "what is no square matrix of 2 or 3 rows")
    return a.shape[0]


def _linear_square(node: Node, d: int, kinds: list[Kind]) -> Kind:
    (a,) = kinds
    if node.word == "transpose":
        if len(a.shape) != 2:
            raise _refused(node, "what is no matrix")
        return a.shaped(a.shape[::-1])
    _square(node, a)
    return a.shaped(() if node.word == "tr" else a.shape)


def _determinant(node: Node, d: int, kinds: list[Kind]) -> Kind:
    (a,) = kinds
    rows = _square(node, a)
    if node.word == "inv":
        return replace(function(a, (rows - 1) * a.degree + rows * a.degree), size=8 * a.size)
    return replace(function(a, rows * a.degree, () if node.word == "det" else a.shape), size=6 * a.size)


def _product(node: Node, d: int, kinds: list[Kind]) -> Kind:
    a, b = kinds
    match node.word:
        case "inner" if a.shape == b.shape:
            return times(a, b, ())
        case "dot" if a.shape and b.shape and a.shape[-1] == b.shape[0]:
            return times(a, b, a.shape[:-1] + b.shape[1:])
        case "outer" if len(a.shape) == len(b.shape) == 1:
            return times(a, b, a.shape + b.shape)
        case "cross" if a.shape == b.shape == (3,):
            return times(a, b, (3,))
    raise _refused(node, "values whose shapes do not fit")


def _numbers(node: Node, kinds: list[Kind]) -> None:
    if any(kind.shape or kind.truth for kind in kinds):
        raise _refused(node, "what is no number")


def _extreme(node: Node, d: int, kinds: list[Kind]) -> Kind:
    _numbers(node, kinds)
    return function(times(kinds[0], kinds[1], ()), max(kind.degree for kind in kinds) + 2)


def _compared(node: Node, d: int, kinds: list[Kind]) -> Kind:
    _numbers(node, kinds)
    return replace(function(times(kinds[0], kinds[1], ()), max(kind.degree for kind in kinds)), truth=True)


def _conditional(node: Node, d: int, kinds: list[Kind]) -> Kind:
    condition, a, b = kinds
    if not condition.truth:
        raise _refused(node, "no condition first: conditional(lt(a, b), c, d)")
    if condition.test:
        raise _refused(node, "a condition on a test function")
    if a.shape != b.shape or a.truth or b.truth:
        raise _refused(node, "values whose shapes differ")
    made = plus(a, b) if a.test == b.test or not (a.number == 0.0 or b.number == 0.0) else replace(
        plus(a, b), test=max(a.test, b.test))  # fmt: skip
    found = times(condition, made, a.shape)
    trial = NONLINEAR if condition.trial else made.trial
    return replace(found, degree=made.degree, trial=trial, test=made.test, number=None)


def _identity(node: Node, d: int, kinds: list[Kind]) -> Kind:
    number = kinds[0].number
    if number not in (2.0, 3.0):
        raise _refused(node, "what is neither 2 nor 3")
    return Kind((int(number), int(number)))


SHAPED: dict[str, Rule] = {
    **dict.fromkeys(SMOOTH, _smooth),
    **dict.fromkeys(("grad", "nabla_grad"), _gradient),
    **dict.fromkeys(("div", "nabla_div"), _divergence),
    "curl": _curl,
    **dict.fromkeys(("sym", "skew", "dev", "transpose", "tr"), _linear_square),
    **dict.fromkeys(("det", "inv", "cofac"), _determinant),
    **dict.fromkeys(("inner", "dot", "outer", "cross"), _product),
    **dict.fromkeys(("max_value", "min_value"), _extreme),
    **dict.fromkeys(("lt", "gt", "le", "ge"), _compared),
    "conditional": _conditional,
    "Identity": _identity,
}
"""By name: the rule for its value."""
