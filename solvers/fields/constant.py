"""A number that is the same in every sample."""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_serializer

from pdemill.draws import Draw
from pdemill.spec.field import Function, Scalar
from pdemill.spec.model import Number


class Constant(Scalar):
    """The value itself; in a spec just the number."""

    constant: Number
    random: ClassVar[bool] = False

    @model_serializer
    def _as_number(self) -> float:
        return self.constant

    def realise(self, draw: Draw) -> Function:
        return Function(lambda points: self.constant)

    def bounds(self) -> tuple[float, float]:
        return self.constant, self.constant

    def fixed_mean(self) -> float:
        return self.constant
