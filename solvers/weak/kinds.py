"""What a part of a form is: its shape, how it depends on unknowns and tests, and the degree that a quadrature needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

NONLINEAR = 99
"""The degree in the unknowns of what is no polynomial of degree 1 or 2."""
HUGE = 10**6

type Shape = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """``shape`` of the value; ``trial`` and ``test``: degrees in the unknowns and in the test functions; ``degree`` in
    x, by estimate; ``size``: operations, those of definitions counted where they are used; ``free`` and ``bound``: the
    coefficients beside no unknown, and beside one; ``used``: the unknowns in it; ``number``: its value, where it is
    made of numbers alone; ``truth``: whether it is a condition; ``steps``: the coefficients in it that jump from cell
    to cell; ``derived``: how often an unknown, a test or a coefficient in it is differentiated; ``normal``: whether
    it holds the normal of a side."""

    shape: Shape = ()
    trial: int = 0
    test: int = 0
    degree: int = 0
    size: int = 1
    free: frozenset[str] = frozenset()
    bound: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    tests: frozenset[str] = frozenset()
    number: float | None = None
    truth: bool = False
    steps: frozenset[str] = frozenset()
    derived: int = 0
    normal: bool = False

    @property
    def constant(self) -> bool:
        """Whether neither unknowns nor tests are in it."""
        return self.trial == self.test == 0

    def shaped(self, shape: Shape, degree: int | None = None) -> Kind:
        """The same, linearly made into another shape."""
        return replace(self, shape=shape, degree=self.degree if degree is None else degree, size=self.size + 1,
                       number=None)  # fmt: skip


def _joined(one: Kind, other: Kind, shape: Shape, trial: int, test: int, degree: int) -> Kind:
    return Kind(
        shape, min(trial, NONLINEAR), min(test, NONLINEAR), min(degree, HUGE), one.size + other.size + 1,
        one.free | other.free, one.bound | other.bound, one.used | other.used, one.tests | other.tests,
        steps=one.steps | other.steps, derived=max(one.derived, other.derived),
        normal=one.normal or other.normal,
    )  # fmt: skip


def plus(one: Kind, other: Kind) -> Kind:
    """The kind of a sum of two of one shape. A sum of which one part alone has a test is linear in it for no test."""
    test = one.test if one.test == other.test else NONLINEAR
    return _joined(one, other, one.shape, max(one.trial, other.trial), test, max(one.degree, other.degree))


def times(one: Kind, other: Kind, shape: Shape) -> Kind:
    """The kind of a product, of whatever form."""
    made = _joined(one, other, shape, one.trial + other.trial, one.test + other.test, one.degree + other.degree)
    bound = made.bound
    if one.trial:
        bound |= other.free | other.bound
    if other.trial:
        bound |= one.free | one.bound
    return replace(made, bound=bound)


def function(one: Kind, degree: int, shape: Shape | None = None) -> Kind:
    """The kind of a function of a value that is not linear."""
    return replace(
        one, shape=one.shape if shape is None else shape, trial=NONLINEAR if one.trial else 0,
        test=NONLINEAR if one.test else 0, degree=min(degree, HUGE), size=one.size + 1, number=None,
        bound=one.bound | one.free if one.trial else one.bound,
    )  # fmt: skip
