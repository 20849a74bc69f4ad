"""One value in each region of a mesh: of its inclusions, and of all else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Limits

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.field import AnyField, Field, Function

if TYPE_CHECKING:
    from pdemill.spec.problem import Problem

DEFAULT, ALL = "default", "inclusions"
"""The values of what is in no inclusion, and of inclusions that are not named."""
Region = Annotated[str, Limits(pattern=r"^(default|inclusions|inclusion(0|[1-9][0-9]?))$")]


class Regions(Field):
    """A value of its own in each region of a mesh: ``values`` has those of ``inclusion0``, ``inclusion1``, ..., of
    ``inclusions`` for all that are not named, and of ``default``, all that is in none. Each is a number, a scalar or a
    field. The cells of a mesh are in one region each; nodes on the rim of an inclusion count as within it."""

    field: Literal["regions"]
    values: Annotated[dict[Region, AnyField], Limits(min_length=1, max_length=52)]
    smooth: ClassVar[bool] = False

    @property
    def is_random(self) -> bool:
        return any(value.is_random for value in self.values.values())

    @property
    def drawn_numbers(self) -> int | None:
        return self.numbers_of_parts()

    @property
    def jumps(self) -> bool:
        return True

    @property
    def in_time(self) -> bool:
        return any(value.in_time for value in self.values.values())

    def _of(self, number: int) -> str:
        """The name under which the value of a region is given."""
        own = f"inclusion{number - 1}" if number else DEFAULT
        return own if own in self.values or not number else ALL

    def realise(self, draw: Draw) -> Function:
        drawn = {name: value.realise(draw.at(name)) for name, value in self.values.items()}
        numbers = {
            f"{name}.{key}" if key else name: number
            for name, function in drawn.items()
            for key, number in function.parameters.items()
        }

        def evaluate(points: Points) -> Array:
            assert points.regions is not None
            found = np.empty(points.shape)
            for number in np.unique(points.regions).tolist():
                inside = points.regions == number
                found[inside] = np.broadcast_to(drawn[self._of(number)](points), points.shape)[inside]
            return found

        def features(points: Points) -> Array:
            return np.concatenate([function.features(points) for function in drawn.values()])

        return Function(evaluate, self.is_random, features, numbers)

    def bounds(self) -> tuple[float, float] | None:
        found = [value.bounds() for value in self.values.values()]
        known = [pair for pair in found if pair is not None]
        if len(known) < len(found):
            return None
        return min(low for low, _ in known), max(high for _, high in known)

    def parts(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        for name, value in self.values.items():
            yield ("values", name), value

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        return None

    def misfit(self, problem: Problem, splits: Mapping[str, int]) -> tuple[str, str] | None:
        count = problem.inclusions
        if not count:
            return "field", "tells values of inclusions, and this domain has none: see problem.domain.inclusions"
        known = {DEFAULT, *map(self._of, range(count + 1))}
        for name in self.values:
            if name not in known:
                return (
                    "values",
                    f"has a value of {name}, and there is no cell for it: the domain has {count} inclusions",
                )
        for number in range(count + 1):
            if self._of(number) not in self.values:
                return "values", f"has no value of {f'inclusion{number - 1}' if number else DEFAULT}"
        return None
