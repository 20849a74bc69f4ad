"""What fixes the level of unknowns that a form and its sides determine but for constants, in a spec."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from pdemill.errors import Path
from pdemill.spec.model import Model, Number, as_tuple, refusal, refuse


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

    def fit(self, path: Path, dimension: int, vector: bool) -> None:
        """Refuse what does not fit an unknown."""
        key, levels = "value" if self.mean is None else "mean", self.levels
        given = self.value if self.mean is None else self.mean
        if vector != isinstance(given, tuple) or len(levels) != (dimension if vector else 1):
            entries = f"needs {dimension} entries in brackets, null where it is free"
            raise refuse((*path, key), entries if vector else "needs a number", None)
        if all(level is None for level in levels):
            raise refuse((*path, key), "fixes nothing: leave it out", None)
        if self.at is not None and len(self.at) != dimension:
            raise refuse((*path, "at"), f"needs {dimension} entries", None)
