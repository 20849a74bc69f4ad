"""What designs by lists of values share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from pdemill.spec.design import Design, unknown
from pdemill.spec.field import Scalar
from pdemill.spec.model import Number, as_tuple

Values = Annotated[tuple[Number, ...], Field(min_length=1), BeforeValidator(as_tuple)]


class OfValues(Design):
    """Base of designs that give scalars their values.

    ``values``: a list for every scalar that it places, by its name in ``params``; the others are drawn as ever.
    """

    values: Annotated[dict[str, Values], Field(min_length=1)]

    def chosen(self, scalars: Mapping[str, Scalar]) -> tuple[str, ...]:
        return tuple(name for name in scalars if name in self.values)

    def misfit(self, scalars: Mapping[str, Scalar], samples: int) -> tuple[tuple[str | int, ...], str] | None:
        for name, values in self.values.items():
            if name not in scalars:
                return ("values", name), unknown(name, scalars)
            bounds = scalars[name].bounds()
            for number, value in enumerate(values):
                if bounds is not None and not bounds[0] <= value <= bounds[1]:
                    told = f"is not between {bounds[0]:g} and {bounds[1]:g}, as the problem has it"
                    return ("values", name, number), told
        return self.miscounted(samples)

    @abstractmethod
    def miscounted(self, samples: int) -> tuple[tuple[str | int, ...], str] | None:
        """The fault of so many samples; None where they are right."""

    def lists(self, chosen: Sequence[str]) -> list[tuple[float, ...]]:
        """The values of the chosen scalars, in their order."""
        return [self.values[name] for name in chosen]
