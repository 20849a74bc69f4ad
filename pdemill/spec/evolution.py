"""The base of families in time: an equation for u_t, and where it begins."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

from pydantic import model_validator

from pdemill.spec.field import AnyField
from pdemill.spec.model import refuse
from pdemill.spec.problem import Problem, families
from pdemill.spec.time import Time


def is_in_time(problem: Mapping[str, Any]) -> bool:
    """Whether a problem, not validated yet, names a family in time."""
    family = problem.get("family")
    return isinstance(family, str) and family in families and issubclass(families[family], Evolution)


class Evolution(Problem):
    """Base of families in time: u_t plus the terms of the family = f, u = ``initial`` at the start.

    A subclass is one file: fields of the equation and ``terms``, which hand on ``drawn("initial")``. ``dimensions`` are
    those in which the equation stands; ``balanced`` names the fields whose mean over the box must be 0; ``sided`` tells
    whether it is one on boxes with sides too, where coefficients may vary; ``second_order``, whether it is for u_tt.
    """

    initial: AnyField
    time: Time
    evolves: ClassVar[bool] = True
    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 3)
    balanced: ClassVar[tuple[str, ...]] = ()
    sided: ClassVar[bool] = False
    second_order: ClassVar[bool] = False
    implicit: ClassVar[bool] = False
    """Whether its laws are implicit in every step."""

    @property
    def singular(self) -> bool:
        return False

    @property
    def system_size(self) -> int:
        """That of one stage of one unknown."""
        return prod(self.cells)

    @property
    def initial_names(self) -> tuple[str, ...]:
        """The channels of inputs that hold the initial state."""
        return ("initial",)

    @property
    def times(self) -> tuple[float, ...]:
        """The stored times."""
        return self.time.stored

    @model_validator(mode="after")
    def _stands(self) -> Evolution:
        if self.dimension not in self.dimensions:
            known = " or ".join(map(str, self.dimensions))
            raise refuse(
                ("resolution",), f"{self.family} is an equation in {known} dimensions, not in {self.dimension}"
            )
        for name in self.balanced:
            for value in self.values(name):
                if (mean := value.fixed_mean()) is not None and mean != 0.0:
                    raise refuse((name,), f"has the mean {mean:g}, and that of {self.family} must be 0", None)
        return self
