"""Time in a spec: until when, and at which times the solution is stored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from pdemill.spec.model import AsNumber, Model, Positive, as_tuple, refuse

MOST_TIMES = 100_000
NotNegative = Annotated[float, Field(ge=0), AsNumber]


class Time(Model):
    """When the solution is stored: at ``intervals`` + 1 times from 0 to ``end`` (``{end: 1.0, intervals: 20}``), or at
    ``times``, which ascend (``{times: [0.1, 0.5]}``).

    ``warmup``: the equation runs so long before the time 0, and what is stored begins where it has come to."""

    end: Positive | None = None
    intervals: Annotated[int, Field(ge=1, lt=MOST_TIMES)] | None = None
    times: (
        Annotated[tuple[NotNegative, ...], Field(min_length=1, max_length=MOST_TIMES), BeforeValidator(as_tuple)] | None
    ) = Field(default=None, exclude_if=lambda times: times is None)
    warmup: NotNegative = Field(default=0.0, exclude_if=lambda warmup: warmup == 0.0)

    @model_validator(mode="after")
    def _one_way(self) -> Time:
        if self.times is None:
            if self.end is None:
                raise refuse(("end",), "is missing: give end and intervals, or times", None)
            if self.intervals is None:
                raise refuse(("intervals",), "is missing: the number of stored times after t = 0", None)
            return self
        for name in ("end", "intervals"):
            if getattr(self, name) is not None:
                raise refuse((name,), "give either end and intervals, or times", getattr(self, name))
        for number, (before, after) in enumerate(zip(self.times, self.times[1:], strict=False)):
            if not before < after:
                raise refuse(("times", number + 1), f"is not later than the time before it, {before:g}", after)
        if self.times[-1] == 0.0:
            raise refuse(("times",), "has no time after 0", self.times)
        return self

    @property
    def stored(self) -> tuple[float, ...]:
        """The times at which the solution is stored."""
        if self.times is not None:
            return self.times
        assert self.end is not None
        assert self.intervals is not None
        return tuple(self.end * i / self.intervals for i in range(self.intervals + 1))

    @property
    def first(self) -> float:
        """The first stored time after 0."""
        return next(t for t in self.stored if t > 0.0)

    @property
    def lengths(self) -> tuple[float, ...]:
        """From the time 0 to the first stored time after it, and from each of these to the next."""
        if self.times is None:
            assert self.end is not None
            assert self.intervals is not None
            return (self.end / self.intervals,) * self.intervals
        later = [t for t in self.times if t > 0.0]
        return tuple(b - a for a, b in zip([0.0, *later], later, strict=False))
