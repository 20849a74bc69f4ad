"""The numbers that are drawn once per sample, by their names in ``params``: what designs place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from pdemill.draws import Draw, Place
from pdemill.kept import MASK
from pdemill.spec.field import Field, Function, Scalar
from pdemill.spec.parts import all_fields
from pdemill.spec.problem import Problem

ROOT = "problem"
"""What the draws of a problem's fields begin with."""


@dataclass(frozen=True)
class _Noting(Draw):
    """Draws that note which scalars ask where a design places them."""

    noted: list[tuple[str, Scalar]] = field(default_factory=list, compare=False)

    def at(self, name: str | int) -> Self:
        return type(self)(self.seed, self.split, self.sample, f"{self.name}/{name}", {}, self.noted)

    def place(self, scalar: object) -> Place | None:
        assert isinstance(scalar, Scalar)
        self.noted.append((self.name, scalar))
        return None


@dataclass(frozen=True)
class Placed:
    """A scalar, and the name of its draw."""

    scalar: Scalar
    draw: str


def scalars_of(problem: Problem) -> dict[str, Placed]:
    """The random scalars of a problem by their names in ``params``, in that order."""
    found: dict[str, Placed] = {}
    for channel, path, value in _realised(problem):
        if not value.is_random:
            continue
        draw = _Noting(0, "", 0).at(ROOT).at("/".join(path))
        function = value.realise(draw)
        for name, scalar in draw.noted:
            rest = [part for part in name[len(draw.name) :].split("/") if part]
            key = next((key for key in (".".join(rest), ".".join(rest[-1:])) if key in function.parameters), None)
            if key is not None:
                found[f"{channel}.{key}" if key else channel] = Placed(scalar, name)
    return found | dict(_of_obstacles(problem))


def _of_obstacles(problem: Problem) -> Iterator[tuple[str, Placed]]:
    """The random measures of obstacles, but for those of scattered ones."""
    draw = _Noting(0, "", 0).at(ROOT)
    levels = problem.obstacle_levels(draw)
    for number, (path, level) in enumerate(levels.items()):
        begin = f"{draw.at(path.replace('.', '/')).name}/"
        for name, scalar in draw.noted:
            key = name.removeprefix(begin).replace("/", "_")
            if name.startswith(begin) and key in level.parameters:
                yield f"{MASK}.{number}.{key}", Placed(scalar, name)


def unplaced(problem: Problem) -> str | None:
    """A random scalar of a problem that no design can place, in words; None where there is none."""
    known = {id(placed.scalar) for placed in scalars_of(problem).values()}
    for path, value in all_fields(problem):
        if isinstance(value, Scalar) and value.is_random and id(value) not in known:
            return ".".join(map(str, path))
    return None


def _realised(problem: Problem) -> Iterator[tuple[str, tuple[str, ...], Field]]:
    """The fields that a sample realises: the name of the channel, the path of the draw, the field."""
    asked: dict[str, None] = {}

    def drawn(name: str) -> tuple[Function, ...]:
        asked.setdefault(name)
        return tuple(
            value.realise(Draw(0, "", 0).at(ROOT).at("/".join(path))) for _, path, value in _entries(problem, name)
        )

    problem.stated(drawn)
    for name in asked:
        yield from _entries(problem, name)
    for side, path, value in problem.side_slots():
        yield f"{side}_{path[-1]}", ("boundary", side, *path), value
    for path, value in problem.measures():
        yield ".".join(path), path, value


def _entries(problem: Problem, name: str) -> Iterator[tuple[str, tuple[str, ...], Field]]:
    values = problem.values(name)
    if len(values) == 1:
        yield name, (name,), values[0]
        return
    for axis, (value, of) in enumerate(zip(values, problem.entry_names(name), strict=True)):
        yield f"{name}_{of}", (name, str(axis)), value
