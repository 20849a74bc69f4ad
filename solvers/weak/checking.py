"""Forms, part by part: shapes fit, every integral is linear in the tests, and sizes and degrees are within limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from pdemill.solvers.weak.kinds import NONLINEAR, Kind, Shape, function, plus, times
from pdemill.solvers.weak.language import PLAIN, SHAPED
from pdemill.solvers.weak.reading import Node, Refused

MAX_SIZE, MAX_POWER, MOST_DEGREE = 10_000, 64, 20
AXES = ("x", "y", "z")
MEASURES = ("dx", "ds")
CENTRE = "centre"
"""What dx says for a quadrature by the centre of each cell."""
OWN = {"X", "n", "pi", "t", *AXES, *MEASURES, "dS"}
"""Names that mean something by themselves."""
UNKNOWN_NAME = "has the unknown name {!r}"


@dataclass(frozen=True)
class Integral:
    """The integral of ``integrand`` over the cells (``dx``), or (``ds``) over a side, or all of them where that is
    empty. ``along``: the unknown and the test of which it is a derivative in the direction of the test; ``central``:
    whether it is taken from the centre of each cell."""

    measure: str
    side: str
    integrand: Node
    kind: Kind
    along: tuple[str, str] | None = None
    negative: bool = False
    central: bool = False


@dataclass(frozen=True)
class Names:
    """What names stand for: kinds of unknowns, tests and coefficients; ``tests``: the unknown of each test."""

    dimension: int
    sides: tuple[str, ...]
    kinds: Mapping[str, Kind]
    tests: Mapping[str, str]
    defined: dict[str, Kind | tuple[Integral, ...]] = field(default_factory=dict)


class Checker:
    """Finds the kind of every part. Raises Refused."""

    def __init__(self, names: Names) -> None:
        self._names, self._d = names, names.dimension

    def value(self, node: Node) -> Kind:
        """The kind of a part that is no integral."""
        found = self.any(node)
        if not isinstance(found, Kind):
            raise Refused("has an integral where a value should be", node.at)
        return found

    def any(self, node: Node) -> Kind | tuple[Integral, ...]:
        """The kind of a part, or its integrals."""
        found = self._any(node)
        if isinstance(found, Kind) and found.size > MAX_SIZE:
            raise Refused(f"has more than {MAX_SIZE:,} operations, those of definitions counted", node.at)
        return found

    def _any(self, node: Node) -> Kind | tuple[Integral, ...]:
        match node.kind:
            case "number":
                return Kind(number=node.value)
            case "name":
                return self._name(node)
            case "sign":
                return self._signed(self.any(node.parts[0]), node.word == "-")
            case "+" | "-":
                return self._sum(node)
            case "*":
                return self._product(node)
            case "/" | "**":
                return (self._ratio if node.kind == "/" else self._power)(node, *map(self.value, node.parts))
            case "list":
                return self._listed(node)
            case "index":
                return self._entry(node)
            case "call":
                return self._call(node)
        raise Refused(f"has the text {node.word[:40]!r} where a value should be", node.at)

    @staticmethod
    def _signed(found: Kind | tuple[Integral, ...], minus: bool) -> Kind | tuple[Integral, ...]:
        if not minus:
            return found
        if isinstance(found, Kind):
            return replace(found, size=found.size + 1, number=None if found.number is None else -found.number)
        return tuple(replace(one, negative=not one.negative) for one in found)

    def _name(self, node: Node) -> Kind | tuple[Integral, ...]:
        name, d = node.word, self._d
        if name in self._names.kinds:
            return self._names.kinds[name]
        if name in self._names.defined:
            return self._names.defined[name]
        if name in AXES[:d]:
            return Kind(degree=1)
        if name in ("X", "n"):
            return Kind((d,), degree=1 if name == "X" else 0, normal=name == "n")
        if name == "pi":
            return Kind(number=3.141592653589793)
        if name in MEASURES:
            raise Refused(f"has {name} without an integrand: write expression*{name}", node.at)
        if name == "dS":
            raise Refused("has dS, an integral over inner facets, which is not possible yet", node.at)
        if name == "t":
            raise Refused("has t: steady equations know no time", node.at)
        hint = f"; {name} is a function: {name}(...)" if name in PLAIN else "; give it a value under 'coefficients'"
        raise Refused(UNKNOWN_NAME.format(name) + hint, node.at)

    def _sum(self, node: Node) -> Kind | tuple[Integral, ...]:
        left, right = (self.any(part) for part in node.parts)
        minus = node.kind == "-"
        if isinstance(left, Kind) != isinstance(right, Kind):
            raise Refused("adds a value to an integral: every term needs its measure, *dx or *ds('side')", node.at)
        if isinstance(left, Kind) and isinstance(right, Kind):
            if left.shape != right.shape:
                raise Refused(f"adds {_told(left.shape)} and {_told(right.shape)}", node.at)
            if left.number is not None and right.number is not None:
                return Kind(
                    number=left.number + (-right.number if minus else right.number), size=left.size + right.size
                )
            return plus(left, right)
        signed = self._signed(right, minus)
        assert isinstance(left, tuple)
        assert isinstance(signed, tuple)
        return left + signed

    def _product(self, node: Node) -> Kind | tuple[Integral, ...]:
        right = node.parts[1]
        if right.kind in ("name", "call") and right.word in (*MEASURES, "dS") and right.word not in self._names.kinds:
            return (self._integral(node.parts[0], right),)
        left, other = (self.value(part) for part in node.parts)
        shapes = left.shape, other.shape
        match len(left.shape), len(other.shape):
            case (0, _) | (_, 0):
                shape: Shape = left.shape or other.shape
            case (2, 1) | (2, 2) if left.shape[1] == other.shape[0]:
                shape = (left.shape[0], *other.shape[1:])
            case _:
                raise Refused(f"multiplies {_told(shapes[0])} by {_told(shapes[1])}: use inner, dot or outer", node.at)
        if left.number is not None and other.number is not None:
            return Kind(number=left.number * other.number, size=left.size + other.size)
        return times(left, other, shape)

    def _integral(self, integrand: Node, measure: Node) -> Integral:
        kind, side = self.value(integrand), ""
        if kind.shape:
            raise Refused(f"integrates {_told(kind.shape)}, and only numbers can be", measure.at)
        if measure.word == "dS":
            raise Refused("has dS, an integral over inner facets, which is not possible yet", measure.at)
        if measure.word == "dx" and kind.normal:
            raise Refused("integrates the normal n over the domain, and only sides have one", measure.at)
        if measure.kind == "call" and measure.word == "dx":
            if len(measure.parts) != 1 or measure.parts[0].word != CENTRE or measure.parts[0].kind != "text":
                raise Refused(f"may say dx or dx('{CENTRE}'), and may name a side in ds('side')", measure.at)
            return Integral(measure.word, side, integrand, replace(kind, degree=1), central=True)
        if measure.kind == "call":
            if measure.word != "ds" or len(measure.parts) != 1 or measure.parts[0].kind != "text":
                raise Refused("may name a side in ds('side') only", measure.at)
            side = measure.parts[0].word
            if side not in self._names.sides:
                raise Refused(f"has the side {side[:40]!r}; this domain has {', '.join(self._names.sides)}", measure.at)
        return Integral(measure.word, side, integrand, kind)

    def _ratio(self, node: Node, left: Kind, right: Kind) -> Kind:
        if right.shape:
            raise Refused(f"divides by {_told(right.shape)}", node.at)
        if right.number == 0.0:
            raise Refused("divides by 0", node.at)
        if left.number is not None and right.number is not None:
            return Kind(number=left.number / right.number, size=left.size + right.size)
        if right.constant:
            return times(left, right, left.shape)
        return times(left, function(right, right.degree), left.shape)

    def _power(self, node: Node, left: Kind, right: Kind) -> Kind:
        if left.shape or right.shape:
            raise Refused("raises what is no number, or to what is none", node.at)
        if right.number is None:
            if not right.constant:
                raise Refused("raises to an unknown: use exp and ln", node.at)
            return replace(function(times(left, right, ()), left.degree + 2), trial=NONLINEAR if left.trial else 0)
        if abs(right.number) > MAX_POWER:
            raise Refused(f"raises to {right.number:g}, and {MAX_POWER} is the most", node.at)
        if left.number is not None:
            try:
                value = left.number**right.number
            except ArithmeticError:
                value = inf
            if isinstance(value, complex) or not abs(value) < inf:
                raise Refused("is a power that is no finite number", node.at)
            return Kind(number=value, size=left.size + right.size)
        whole = right.number.is_integer() and right.number >= 0
        made = function(left, left.degree * int(right.number) if whole else left.degree + 2)
        if whole:
            made = replace(made, trial=min(NONLINEAR, left.trial * int(right.number)),
                           test=min(NONLINEAR, left.test * int(right.number)))  # fmt: skip
        return replace(made, size=left.size * max(1, int(abs(right.number))) if whole else left.size + 1)

    def _listed(self, node: Node) -> Kind:
        if not node.parts:
            raise Refused("has an empty list", node.at)
        entries = [self.value(part) for part in node.parts]
        total = entries[0]
        if len(total.shape) > 1:
            raise Refused("has a list of matrices", node.at)
        for part, entry in zip(node.parts, entries, strict=True):
            if entry.shape != total.shape:
                raise Refused("has a list whose entries differ in shape", part.at)
        for entry in entries[1:]:
            test = max(total.test, entry.test)
            total = replace(plus(total, entry), test=test)
        return replace(total, shape=(len(entries), *entries[0].shape), number=None)

    def _entry(self, node: Node) -> Kind:
        base, places = self.value(node.parts[0]), node.parts[1:]
        if not base.shape or len(places) > len(base.shape) or not places:
            raise Refused(f"takes an entry of {_told(base.shape)}", node.at)
        for place, most in zip(places, base.shape, strict=False):
            number = self.value(place).number
            if number is None or not number.is_integer() or not 0 <= number < most:
                raise Refused(f"takes an entry that is not there: they count from 0 to {most - 1}", place.at)
        return base.shaped(base.shape[len(places) :])

    def _call(self, node: Node) -> Kind | tuple[Integral, ...]:
        name = node.word
        if name in MEASURES:
            raise Refused(f"has {name}(...) without an integrand: write expression*{name}('side')", node.at)
        if name not in PLAIN:
            raise Refused(f"calls {name!r}, which is no function here; there are {', '.join(sorted(PLAIN))}", node.at)
        if len(node.parts) != PLAIN[name]:
            raise Refused(f"calls {name} with {len(node.parts)} arguments instead of {PLAIN[name]}", node.at)
        if name == "derivative":
            return self._derivative(node)
        kinds = [self.value(part) for part in node.parts]
        if name != "conditional" and any(kind.truth for kind in kinds):
            raise Refused(f"calls {name} with a condition, which only conditional takes", node.at)
        return SHAPED[name](node, self._d, kinds)

    def _derivative(self, node: Node) -> tuple[Integral, ...]:
        found = self.any(node.parts[0])
        if isinstance(found, Kind):
            raise Refused("should be derivative(energy*dx, unknown, test), of integrals", node.at)
        unknown, test = node.parts[1:]
        if test.kind != "name" or self._names.tests.get(test.word) != unknown.word or unknown.kind != "name":
            raise Refused("should name an unknown and its test: derivative(energy*dx, u, v)", node.at)
        made = []
        for one in found:
            if one.along or one.kind.test:
                raise Refused("takes the derivative of what has a test already", node.at)
            trial = one.kind.trial if one.kind.trial >= NONLINEAR else max(0, one.kind.trial - 1)
            kind = replace(one.kind, trial=trial, test=1, tests=frozenset({test.word}))
            made.append(replace(one, kind=kind, along=(unknown.word, test.word)))
        return tuple(made)


def _told(shape: Shape) -> str:
    match shape:
        case ():
            return "a number"
        case (length,):
            return f"a vector of {length}"
    return f"a matrix of {' x '.join(map(str, shape))}"
