"""A weak form as a spec holds it: read, checked, and described for whoever compiles it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pdemill.errors import Path
from pdemill.solvers.weak.checking import AXES, MOST_DEGREE, OWN, Checker, Integral, Names
from pdemill.solvers.weak.kinds import NONLINEAR, Kind
from pdemill.solvers.weak.language import DERIVATIVES, PLAIN
from pdemill.solvers.weak.reading import Node, Refused, read

LANGUAGE = 1
"""Raised when the same description comes to mean something else."""


class Misread(ValueError):
    """What is wrong with a form, and where in a spec."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


@dataclass(frozen=True)
class Unknown:
    """``order`` 1 or 2 of its elements, ``components`` of a vector, 0 for a scalar, and its ``test`` function."""

    name: str
    order: int
    components: int
    test: str


@dataclass(frozen=True)
class Coefficient:
    """``where`` its values are: ``constant``, one per sample; ``nodes``, of elements of the order ``order``; or
    ``cells``, one in each. ``components`` of a vector, 0 for a scalar. ``drawn``: the name of its draws, where that is
    another one."""

    name: str
    where: str
    order: int
    components: int
    drawn: str = ""


@dataclass(frozen=True)
class Reaction:
    """The form of a solution with a test function that is ``scale`` at the nodes of a ``side``, in the component
    ``channel``, and 0 at all others: what holds the values that are given there."""

    side: str
    channel: str
    scale: float


@dataclass(frozen=True)
class WeakForm:
    """R(u; v) = 0 for all v, of unknowns on simplices of a dimension: ``text``, and what it is made of. ``degree`` of
    the quadrature, where the spec says it. ``outputs``: integrals of a solution as text, and reactions, by name. Raises
    Misread."""

    dimension: int
    sides: tuple[str, ...]
    unknowns: tuple[Unknown, ...]
    coefficients: tuple[Coefficient, ...]
    definitions: Mapping[str, str]
    text: str
    degree: int | None = None
    outputs: Mapping[str, str | Reaction] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the components of the unknowns."""
        named = ((one, AXES[: one.components] if one.components else ("",)) for one in self.unknowns)
        return tuple(f"{one.name}_{axis}" if axis else one.name for one, axes in named for axis in axes)

    @cached_property
    def names(self) -> Names:
        kinds: dict[str, Kind] = {}
        for one in self.unknowns:
            shape = (one.components,) if one.components else ()
            self._free(kinds, one.name, ("unknowns", one.name))
            kinds[one.name] = Kind(shape, trial=1, degree=one.order, used=frozenset({one.name}))
        for one in self.unknowns:
            shape = (one.components,) if one.components else ()
            self._free(kinds, one.test, ("unknowns", one.name, "test"))
            kinds[one.test] = Kind(shape, test=1, degree=one.order, tests=frozenset({one.test}))
        for known in self.coefficients:
            shape = (known.components,) if known.components else ()
            self._free(kinds, known.name, ("coefficients", known.name))
            degree = known.order if known.where == "nodes" else 0
            mine = frozenset({known.name})
            kinds[known.name] = Kind(
                shape, degree=degree, free=mine, steps=mine if known.where == "cells" else mine - mine
            )
        return Names(self.dimension, self.sides, kinds, {one.test: one.name for one in self.unknowns})

    @staticmethod
    def _free(kinds: Mapping[str, Kind], name: str, path: Path) -> None:
        if name in OWN or name in PLAIN or name in kinds:
            raise Misread(path, f"the name {name} stands for something else already: call it otherwise")

    @cached_property
    def _read(self) -> tuple[dict[str, Node], tuple[Integral, ...], dict[str, tuple[Integral, ...]]]:
        checker, nodes = Checker(self.names), dict[str, Node]()
        for name, tree in self._defined():
            self._free({**self.names.kinds, **self.names.defined}, name, ("definitions", name))  # type: ignore[dict-item]
            try:
                nodes[name] = tree
                self.names.defined[name] = checker.any(nodes[name])
            except Refused as fault:
                raise Misread(("definitions", name), str(fault)) from None
        found = self._integrals(checker, self.text, ("form",))
        texts = {name: text for name, text in self.outputs.items() if isinstance(text, str)}
        outputs = {name: self._integrals(checker, text, ("outputs", name)) for name, text in texts.items()}
        return nodes, found, outputs

    def _defined(self) -> Iterator[tuple[str, Node]]:
        """Definitions as trees, each after those that it uses, else in their order."""
        left, words = dict[str, Node](), dict[str, frozenset[str]]()
        for name, text in self.definitions.items():
            try:
                left[name] = read(text)
            except Refused as fault:
                raise Misread(("definitions", name), str(fault)) from None
            words[name] = left[name].names & self.definitions.keys()
        while left:
            ready = next((one for one in left if not words[one] & left.keys()), None)
            if ready is None:
                raise Misread(("definitions", next(iter(left))), "is defined by itself, or by what is defined by it")
            yield ready, left.pop(ready)

    def _integrals(self, checker: Checker, text: str, path: Path) -> tuple[Integral, ...]:
        try:
            tree = read(text)
            found = checker.any(tree)
            if isinstance(found, Kind):
                raise Refused("has no integral: every term needs its measure, *dx or *ds('side')", tree.at)
            for one in found:
                self._check(one, path[0] == "outputs")
        except Refused as fault:
            raise Misread(path, str(fault)) from None
        return found

    def _check(self, one: Integral, output: bool) -> None:
        at = one.integrand.at
        if output and one.kind.test:
            raise Refused("holds a test function, and outputs are numbers: only the form has tests", at)
        if not output and one.kind.test != 1:
            tests = " or ".join(unknown.test for unknown in self.unknowns)
            what = "a term without a test function" if one.kind.test == 0 else "what is not linear in the tests"
            raise Refused(f"integrates {what}: every term holds one of them ({tests}), once", at)
        if self.degree is None and one.kind.degree > MOST_DEGREE:
            told = f"{one.kind.degree:,}" if one.kind.degree < 10**6 else "more than 1,000,000"
            raise Refused(
                f"has an integrand whose quadrature needs degree {told} by estimate, and {MOST_DEGREE} is the most: "
                "lower its powers, or set 'degree' to integrate it less exactly",
                at,
            )

    @cached_property
    def output_sides(self) -> dict[str, frozenset[str]]:
        """The sides that each output is of."""
        texts = {name: frozenset(one.side for one in found if one.side) for name, found in self._read[2].items()}
        return texts | {name: frozenset([one.side]) for name, one in self.outputs.items() if isinstance(one, Reaction)}

    @cached_property
    def integrals(self) -> tuple[Integral, ...]:
        return self._read[1]

    def check(self) -> None:
        """Raise Misread where it is no form of its unknowns."""
        used = frozenset[str]().union(*(one.kind.used for one in self.integrals))
        tests = frozenset[str]().union(*(one.kind.tests for one in self.integrals))
        for one in self.unknowns:
            for name, there in ((one.name, used), (one.test, tests)):
                if name not in there:
                    raise Misread(("form",), f"does not hold {name}: the unknown {one.name} is not determined by it")
        every = (*self.integrals, *(one for found in self._read[2].values() for one in found))
        known = frozenset[str]().union(*(one.kind.free | one.kind.bound for one in every))
        for coefficient in self.coefficients:
            if coefficient.name not in known:
                raise Misread(("coefficients", coefficient.name), f"the form does not hold {coefficient.name}")

    @cached_property
    def linear(self) -> bool:
        """Whether its derivative with respect to the unknowns does not depend on them."""
        return all(one.kind.trial <= 1 for one in self.integrals)

    @cached_property
    def mirrored(self) -> bool:
        """Whether unknowns and tests are differentiated equally often in every term of both, as those of a symmetric
        form are."""
        unknowns = frozenset(one.name for one in self.unknowns)
        tests = frozenset(one.test for one in self.unknowns)
        both = (one.integrand for one in self.integrals if one.kind.trial)
        return all(self._derivatives(one, unknowns) == self._derivatives(one, tests) for one in both)

    @cached_property
    def reactive(self) -> bool:
        """Whether some term holds an unknown that is not differentiated."""
        unknowns = frozenset(one.name for one in self.unknowns)
        return any(0 in self._derivatives(one.integrand, unknowns) for one in self.integrals)

    def _derivatives(self, node: Node, names: frozenset[str], order: int = 0) -> frozenset[int]:
        """How often names are differentiated in a part, and in the definitions that it uses."""
        if node.kind == "name":
            if node.word in self._read[0]:
                return self._derivatives(self._read[0][node.word], names, order)
            return frozenset([order]) if node.word in names else frozenset()
        order += node.kind == "call" and node.word in DERIVATIVES
        return frozenset().union(*(self._derivatives(part, names, order) for part in node.parts))

    @cached_property
    def reduced(self) -> bool:
        """Whether a part of it is integrated by the centres of cells, whatever its degree."""
        return any(one.central for one in self.integrals)

    @cached_property
    def in_operator(self) -> frozenset[str]:
        """The coefficients that its derivative may depend on."""
        parts = [one.kind for one in self.integrals if one.kind.trial]
        found = frozenset[str]().union(*(kind.bound for kind in parts))
        of_derivatives = [one.kind for one in self.integrals if one.along or one.kind.trial >= NONLINEAR]
        return found.union(*(kind.free | kind.bound for kind in of_derivatives))

    def described(self) -> str:
        """All that compiled code depends on, as one JSON text."""
        nodes, integrals, outputs = self._read
        asked = {"outputs": [[self._described(one) for one in found] for found in outputs.values()]} if outputs else {}
        return json.dumps(
            {
                **asked,
                "language": LANGUAGE,
                "dimension": self.dimension,
                "unknowns": [[one.name, one.order, one.components, one.test] for one in self.unknowns],
                "coefficients": [[one.name, one.where, one.order, one.components] for one in self.coefficients],
                "definitions": [
                    [name, _plain(node)] for name, node in nodes.items()
                    if isinstance(self.names.defined[name], Kind)
                ],
                "integrals": [self._described(one) for one in integrals],
            },
            separators=(",", ":"),
        )  # fmt: skip

    def _described(self, one: Integral) -> list[Any]:
        degree = min(one.kind.degree, MOST_DEGREE) if self.degree is None or one.central else self.degree
        side = self.sides.index(one.side) if one.side else -1
        return [one.measure, side, degree, _plain(one.integrand), one.along, one.negative]


def _plain(node: Node) -> list[Any]:
    """A part as lists: its kind, its word or number, its parts."""
    word: str | float = float(node.value) if node.kind == "number" else node.word
    return [node.kind, word, [_plain(part) for part in node.parts]]
