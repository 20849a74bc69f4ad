"""Fidelities of a spec: the same samples on another grid, or solved to another tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from pdemill.spec.model import Model, refusal
from pdemill.spec.split import merged

AT = "@"
"""Between a split and a fidelity in the name of a group of a store."""
MOST = 8


class Fidelity(Model):
    """What differs from the spec: ``resolution`` and ``order`` of its problem, as there, and keys of ``solver`` and
    ``certify``."""

    resolution: Any = Field(default=None, exclude_if=lambda value: value is None)
    order: Any = Field(default=None, exclude_if=lambda value: value is None)
    solver: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda value: not value)
    certify: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda value: not value)

    @model_validator(mode="after")
    def _says_something(self) -> Fidelity:
        if not self.model_dump():
            raise refusal("says nothing: give resolution, solver or certify")
        return self

    def applied(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """A spec, as a dictionary, at this fidelity."""
        own = {key: value for key in ("resolution", "order") if (value := getattr(self, key)) is not None}
        found = {key: value for key, value in spec.items() if key != "fidelities"}
        found["problem"] = {**spec["problem"], **own}
        for key in ("solver", "certify"):
            if told := getattr(self, key):
                found[key] = merged(spec.get(key, {}), told, (key,))
        return found
