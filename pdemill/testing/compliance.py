"""Checks that a part is what it says, for the tests of whoever writes one. The installed solvers do the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pdemill.engine import engine

type Places = Mapping[str, Sequence[Mapping[str, Any]]]
"""By the name of a discretiser: the keys of a problem that put it on the unit square, on three grids, each with cells
half as large as the one before; one entry is enough for values at points."""


class ComplianceError(AssertionError):
    """A part is not what it says; the text says what is wrong and what to do."""


def check_family(name: str, /, *, places: Places | None = None, **keys: Any) -> None:
    """Solve the family called ``name`` on the unit square with every discretiser that takes it, against dense Chebyshev
    collocation.

    ``keys``: what its specs must have, smooth fields and a value for every term that it can have; without ``boundary``,
    sides of all kinds that the discretiser takes are tried. ``places``: where discretisers other than ``box``,
    ``elements`` and ``walks`` are to solve it.

    Every field and every term must be felt; the error must fall as the discretisation says; matrices must be
    symmetric, definite, constant and singular as declared; the equation must be the same on every grid; a sample must
    be solved to the same bits alone and in company.
    """
    engine.check_family(name, places or {}, keys)


def check_field(field: Any) -> None:
    """Draw a field, as a spec holds it, on grids and clouds in one to three dimensions.

    A draw must be one function on all of them and depend on seed, split and sample alone; ``bounds``, ``fixed_mean``
    and ``is_smooth`` must hold; features must have a total variance of about one; the field must survive being written
    to a spec and read again.
    """
    engine.check_field(field)


def check_method(name: str, /, **options: Any) -> None:
    """Solve small systems of all kinds that the method admits, against a dense solution.

    Every answer must be certified; systems that it does not admit must be refused with a path. A right-hand side of
    zeros gives zeros; a matrix that is not finite gives a failed result. Without state, the bits are the same alone
    and in a batch; a state that went in is not changed; recycling must not raise the iterations for one matrix.
    """
    engine.check_method(name, options)


def check_discretiser(name: str, *, places: Places | None = None) -> None:
    """Solve an equation that has every term the discretiser takes, and see that it refuses all others.

    ``places`` as for ``check_family``. Besides what ``check_family`` checks, for this equation: a term, a condition or
    a tensor that is not in ``takes`` is refused with a path; fields and unknowns are taken to each other without loss;
    a polynomial survives ``restrict``; the arrays of the grid are in the layout of a store.
    """
    engine.check_discretiser(name, places or {})
