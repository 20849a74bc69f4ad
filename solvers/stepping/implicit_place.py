"""Where equations in time with a coefficient that depends on u are stepped through."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from pdemill.solvers.stepping.place import BoxInTimePlace
from pdemill.spec.properties import Properties


class ImplicitPlace(BoxInTimePlace):
    """A box of 1, 2 or 3 axes, divided into equal cells; the solution is stored at their centres. Where no side is
    named all are periodic; where some are, u = 0 on the others."""

    @cached_property
    def properties(self) -> Properties:
        return replace(super().properties, definite=False, constant=False, compact=False, separable=False)

    @cached_property
    def preconditioned(self) -> Properties:
        return replace(self.properties, symmetric=True, definite=True, compact=True)
