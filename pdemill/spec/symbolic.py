"""Equations as text and in prefix notation, made of their terms: operators before what they act on.

Words are PROSE's (Sun et al. 2024, arXiv 2404.12355) as far as it has them: add, sub, mul, neg, u_0, ut_0, ux_0, uxx_0;
``|`` between equations. Besides: utt_0; dx, dy, dz, the derivative of what follows, where coefficients depend on x;
``k(x)``, a function of space; a term that no such words say is its own name, an operator on its coefficients, joined by
``comma``, and the unknown: ``law reaction u_1`` is entry 1 of the law of all unknowns. ``{name}`` stands for a number
that is drawn for each sample, and is called so in ``params``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import combinations_with_replacement
from typing import Any

from pdemill.numbers_as_words import number_words
from pdemill.points import AXES, Points
from pdemill.spec.field import Field, Function, Scalar
from pdemill.spec.problem import Problem
from pdemill.spec.terms import NOWHERE, Terms

type Tree = tuple[Any, ...] | str | float
"""A word, a number, or an operator with its operands."""
OPAQUE = (
    "spectral_viscosity", "vorticity_advection", "passive_advection", "planetary", "deformation", "velocity_advection",
    "layered", "law", "diffusion_law", "potential", "oscillation", "storage",
)  # fmt: skip
"""Terms that are told by their names: their coefficients, and the unknown."""
SYMBOLS = {"add": " + ", "sub": " - ", "mul": "*", "comma": ", "}
OF_ALL = ("velocity_advection", "layered", "law", "oscillation")
"""Terms of all unknowns together, which stand with the first."""


@dataclass(frozen=True)
class Equation:
    """``text`` for people, ``prefix`` for networks; of equations that are texts of the spec, no prefix: stores keep it
    with every sample."""

    text: str
    prefix: tuple[str, ...] = ()

    def filled(self, numbers: Mapping[str, float]) -> tuple[str, ...]:
        """The prefix words with the drawn numbers of a sample."""
        found: list[str] = []
        for word in self.prefix:
            found += number_words(numbers[word[1:-1]]) if word.startswith("{") else [word]
        return tuple(found)


def equation_of(problem: Problem) -> Equation:
    """The equation of a problem."""
    if problem.written:
        where = problem.model_dump(mode="json").get("where", {})
        told = "; ".join(_listed(problem.model_dump(mode="json")["equations"]))
        return Equation(told + (f"; {', '.join(f'{k}: {v}' for k, v in where.items())}" if where else ""))
    entries = dict(_entries(problem))
    stated = [problem.stated(partial(_stand_ins, problem, value)) for value in (2.0, 3.0)]
    trees = [_tree(problem, terms, other, entries, number) for number, (terms, other) in enumerate(_each(*stated))]
    prefix = [word for number, tree in enumerate(trees) for word in (["|"] if number else []) + list(_words(tree))]
    laws = {name: value for name, value in problem.model_dump(mode="json").items() if _is_law(value)}
    notes = [f"{name}: {value['law']}" for name, value in laws.items()]
    return Equation("; ".join([*(f"{_text(tree)} = 0" for tree in trees), *notes]), tuple(prefix))


def _is_law(value: Any) -> bool:
    return isinstance(value, dict) and "law" in value


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _each(one: Terms, other: Terms) -> Iterator[tuple[Terms, Terms]]:
    """The terms of every unknown, twice."""
    yield one, other
    for first, second in zip(one.others, other.others, strict=True):
        yield (
            replace(first, **{term: getattr(one, term) for term in OF_ALL}),
            replace(second, **{term: getattr(other, term) for term in OF_ALL}),
        )


def _entries(problem: Problem) -> Iterator[tuple[str, Tree]]:
    """What every entry of every field is, by the origin of its stand-in: a number, a drawn number, a function."""
    for name in type(problem).model_fields:
        values = problem.values(name)
        if not all(isinstance(value, Field) for value in values):
            continue
        of = problem.entry_names(name) if len(values) > 1 else ("",) * len(values)
        for number, (value, entry) in enumerate(zip(values, of, strict=True)):
            called = f"{name}_{entry}" if entry else name
            yield f"{name}#{number}", _entry(called, value)


def _entry(called: str, value: Field) -> Tree:
    bounds = value.bounds()
    if bounds is not None and bounds[0] == bounds[1]:
        return float(bounds[0])
    if isinstance(value, Scalar):
        return f"{{{called}}}"
    return called if hasattr(value, "law") else f"{called}(x)"


def _stand_ins(problem: Problem, value: float, name: str) -> tuple[Function, ...]:
    """Functions of one value that know which entry of which field they are."""
    many = range(len(problem.values(name)))
    return tuple(Function(partial(_constant, value), origin=f"{name}#{number}") for number in many)


def _constant(value: float, points: Points) -> float:
    return value


def _coefficient(term: str, one: Function, two: Function, entries: Mapping[str, Tree]) -> Tree:
    """What a coefficient is: a number, a field, or a multiple of it; else the name of what it is made of."""
    name, _, number = one.origin.partition("#")
    field = entries[f"{name}#{number or 0}"] if name else 1.0
    if not one.of_space:
        return name or term
    try:
        low, high = float(one(NOWHERE)), float(two(NOWHERE))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return f"{term}({name})"
    if not name:
        return low if low == high else term
    for power in (1, 2):
        if low * 3.0**power == high * 2.0**power:
            multiple: Tree = low / 2.0**power
            for _ in range(power):
                multiple = _times(multiple, field)
            return multiple
    return f"{term}({name})"


def _tree(problem: Problem, terms: Terms, other: Terms, entries: Mapping[str, Tree], unknown: int) -> Tree:
    """The equation of one unknown, all on one side."""
    axes, parts = AXES[: problem.dimension], list[tuple[str, Tree]]()

    def of(term: str) -> list[Tree]:
        one, two = getattr(terms, term), getattr(other, term)
        pairs = zip(one, two, strict=True) if isinstance(one, tuple) else () if one is None else ((one, two),)
        return [_coefficient(term, a, b, entries) for a, b in pairs]

    if problem.evolves:
        parts.append(("add", f"u{'tt' if terms.speed is not None else 't'}_{unknown}"))
    if damping := of("damping"):
        parts.append(("add", _times(damping[0], f"ut_{unknown}")))
    speed = of("speed")
    diffusion = of("diffusion")
    for axis, k in zip(axes, diffusion * (len(axes) if len(diffusion) == 1 else 1), strict=True):
        flux: Tree = _under(k, f"u{axis}_{unknown}", axis, f"u{axis}{axis}_{unknown}")
        if terms.diffusion_law is not None:
            flux = f"d{axis}", _times(("diffusion_law", f"u_{unknown}"), _times(k, f"u{axis}_{unknown}"))
        parts.append(("sub", _times(_times(speed[0], speed[0]), flux) if speed else flux))
    for axis, b in zip(axes, of("convection"), strict=False):
        parts.append(("add", _times(b, f"u{axis}_{unknown}")))
    for axis, v in zip(axes, of("advection"), strict=False):
        parts.append(("add", _under(v, f"u_{unknown}", axis, f"u{axis}_{unknown}")))
    for c in of("reaction"):
        parts.append(("add", _times(c, f"u_{unknown}")))
    for s in of("self_advection"):
        parts += [("add", _times(s, ("mul", f"u_{unknown}", f"u{axis}_{unknown}"))) for axis in axes]
    for p in of("dispersion"):
        parts += [("add", _times(p, f"u{axis * 3}_{unknown}")) for axis in axes]
    for q in of("hyperdiffusion"):
        for one, two in combinations_with_replacement(axes, 2):
            twice: Tree = 1.0 if one == two else 2.0
            parts.append(("add", _times(q, _times(twice, f"u{one * 2}{two * 2}_{unknown}"))))
    for term in OPAQUE:
        if term != "diffusion_law" and (coefficients := of(term)):
            joined = reduce(lambda a, b: ("comma", a, b), coefficients)
            parts.append(("add", (term, joined, f"u_{unknown}")))
    parts += [("sub", f) for f in of("source")]
    return _sum([(sign, part) for sign, part in parts if part != 0.0])


def _under(k: Tree, first: str, axis: str, second: str) -> Tree:
    """d_axis (k first), which is k second where k does not depend on x."""
    varies = any("(" in word for word in _words(k))
    return (f"d{axis}", _times(k, first)) if varies else _times(k, second)


def _times(a: Tree, b: Tree) -> Tree:
    if a == 0.0 or b == 0.0:
        return 0.0
    if isinstance(a, float) and isinstance(b, float):
        return a * b
    return b if a == 1.0 else a if b == 1.0 else ("mul", a, b)


def _sum(parts: list[tuple[str, Tree]]) -> Tree:
    if not parts:
        return 0.0
    (sign, total), *rest = parts
    total = total if sign == "add" else ("neg", total)
    for sign, part in rest:
        total = (sign, total, part)
    return total


def _words(tree: Tree) -> Iterator[str]:
    if isinstance(tree, float):
        yield from number_words(tree)
    elif isinstance(tree, str):
        yield tree
    else:
        yield tree[0]
        for part in tree[1:]:
            yield from _words(part)


def _text(tree: Tree) -> str:
    if isinstance(tree, float):
        return f"{tree:g}" if tree >= 0 else f"({tree:g})"
    if isinstance(tree, str):
        return tree.strip("{}")
    head, *parts = tree
    told = [_text(part) for part in parts]
    if head == "mul":
        told = [f"({text})" if isinstance(p, tuple) and p[0] in ("add", "sub") else text
                for text, p in zip(told, parts, strict=True)]  # fmt: skip
    if head in SYMBOLS:
        return SYMBOLS[head].join(told)
    return f"-{told[0]}" if head == "neg" else f"{head}({', '.join(told)})"
