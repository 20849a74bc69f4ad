"""What fixes the level of unknowns that a form and its sides determine but for constants, in a spec."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from pdemill.spec.model import Model, Number, as_tuple, refusal


def _listed(value: Any) -> Any:
    return as_tuple(value) if isinstance(value, list | tuple) else value


Numbers = Annotated[
    Number | Annotated[tuple[Number | None, ...], Field(min_length=2, max_length=3)] | None, BeforeValidator(_listed)
]
Place = Annotated[
    Annotated[tuple[Number, ...], Field(min_length=2, max_length=3)] | None, BeforeValidator(_listed)
]  # fmt: skip


class Constraint(Model):
    """The level of an unknown that form and sides determine but for a constant: ``{mean: 0.0}`` over the domain, or
    ``{at: [0, 0], value: 0.0}``, its value at a point; for a vector one number per axis, null where a component is
    determined without it."""

    mean: Numbers = Field(default=None, exclude_if=lambda value: value is None)
    at: Place = Field(default=None, exclude_if=lambda value: value is None)
    value: Numbers = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Constraint:
        if (self.mean is None) == (self.at is None) or (self.at is None) != (self.value is None):
            raise refusal("should be {mean: 0.0} or {at: [0, 0], value: 0.0}")
        return self

    @property
    def levels(self) -> tuple[float | None, ...]:
        """The number of each component."""
        given = self.value if self.mean is None else self.mean
        return given if isinstance(given, tuple) else (given,)

    @property
    def of_vector(self) -> bool:
        """Whether it has one number per axis."""
        return isinstance(self.value if self.mean is None else self.mean, tuple)
