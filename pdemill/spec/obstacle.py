"""The base of obstacles: what is cut out of a box. Each is one class that registers itself under its shape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple, get_args

import numpy as np
from pydantic import BeforeValidator, Field

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.spec.condition import Condition
from pdemill.spec.domain import Box
from pdemill.spec.field import AnyScalar, Function, Scalar
from pdemill.spec.field import Field as AField
from pdemill.spec.model import Model, as_tuple
from pdemill.spec.registry import Registry, Slot
from pdemill.spec.shapes import Harmonic
from pdemill.spec.terms import NOWHERE

MOST = 50
"""Obstacles of a domain; one of them may be many that are scattered."""


class Obstacle(Model):
    """Base of what is cut out of a box. A subclass is one file with its keys and one method, ``realise``."""

    shape: str

    @property
    def of_grid(self) -> bool:
        """Whether it is given on a grid, whose cells it keeps or cuts as wholes."""
        return False

    @abstractmethod
    def realise(self, draw: Draw, lengths: tuple[float, ...]) -> Function:
        """Its level in a box with these lengths, negative inside the obstacle; may raise where it is evaluated."""

    def slots(self) -> Iterator[tuple[tuple[str | int, ...], AField]]:
        """The fields and scalars that it is made of, with their paths below it."""
        yield from _fields_in(self)

    @property
    def is_random(self) -> bool:
        """Whether two samples can have different ones."""
        return any(value.is_random for _, value in self.slots())

    def objection(self, dimension: int) -> tuple[tuple[str | int, ...], str] | None:
        """What does not fit ``dimension`` axes, by its path below the obstacle; None where all does."""
        return None

    def on_faces(self, lengths: tuple[float, ...], cells: tuple[int, ...]) -> bool:
        """Whether its boundary is known to run along the faces of the cells of a grid."""
        return False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        names = get_args(cls.model_fields["shape"].annotation)
        if names:
            obstacles.add(names[0], cls)


def _fields_in(part: Any) -> Iterator[tuple[tuple[str | int, ...], AField]]:
    if isinstance(part, AField):
        yield (), part
    elif isinstance(part, Model):
        for name in type(part).model_fields:
            for path, value in _fields_in(getattr(part, name)):
                yield (name, *path), value
    elif isinstance(part, tuple):
        for number, entry in enumerate(part):
            for path, value in _fields_in(entry):
                yield (number, *path), value


obstacles: Registry[Obstacle] = Registry("obstacle", "shape")
AnyObstacle = Annotated[Obstacle, Slot(obstacles, Obstacle, "Obstacle")]


class Outline(NamedTuple):
    """One draw of a shape around its centre. ``level``: negative inside, of offsets from the centre along each axis;
    ``reach``: nothing of it is further from the centre; ``parameters``: its drawn numbers by name."""

    level: Callable[[tuple[Array, ...]], Array]
    reach: float
    parameters: dict[str, float]


class Rim(NamedTuple):
    """One draw of a closed curve around a centre: its ``radius`` by polar angles, and the ``mean`` of that."""

    radius: Callable[[Array], Array]
    mean: float


class Shape(Obstacle):
    """Base of the shapes that have a place: ``centre``, one number per axis, by default the middle of the box."""

    centre: Annotated[tuple[AnyScalar, ...], BeforeValidator(as_tuple)] | None = None

    @abstractmethod
    def outline(self, draw: Draw) -> Outline:
        """One draw of it, wherever it is; may raise."""

    def rim(self, draw: Draw) -> Rim | None:
        """One draw of its boundary by polar angles; None of shapes that are not told so."""
        return None

    def axes(self, dimension: int) -> str | None:
        """Why it is no shape of so many axes; None where it is one."""
        return None

    def objection(self, dimension: int) -> tuple[tuple[str | int, ...], str] | None:
        if complaint := self.axes(dimension):
            return ("shape",), complaint
        if self.centre is not None and len(self.centre) != dimension:
            return ("centre",), f"has {len(self.centre)} entries, but resolution has {dimension} axes"
        return None

    def realise(self, draw: Draw, lengths: tuple[float, ...]) -> Function:
        drawn = {f"centre_{axis}": drawn_number(scalar, draw.at("centre").at(axis)) for axis, scalar in self._centre()}
        middle = tuple(drawn.get(f"centre_{axis}", 0.5 * length) for axis, length in enumerate(lengths))
        outline = self.outline(draw)
        free = {f"centre_{axis}": drawn[f"centre_{axis}"] for axis, scalar in self._centre() if scalar.is_random}

        def evaluate(points: Points) -> Array:
            return outline.level(offsets(points, middle))

        return Function(evaluate, self.is_random, parameters=free | outline.parameters)

    def _centre(self) -> Iterator[tuple[int, Scalar]]:
        yield from enumerate(self.centre or ())


def drawn_number(scalar: Scalar, draw: Draw) -> float:
    """The value of a scalar in one sample."""
    return float(scalar.realise(draw)(NOWHERE))


def waves(harmonics: Sequence[Harmonic], draw: Draw) -> Callable[..., Array]:
    """One draw of the sum of harmonics, by angle; ``start``: what is added first."""
    drawn = []
    for number, wave in enumerate(harmonics):
        own = draw.at("harmonics").at(number)
        parts = drawn_number(wave.cosine, own.at("cosine")), drawn_number(wave.sine, own.at("sine"))
        drawn.append((wave.order, *parts))

    def total(angle: Array, start: float = 0.0) -> Array:
        found = np.full_like(angle, start)
        for order, cosine, sine in drawn:
            found += cosine * np.cos(order * angle) + sine * np.sin(order * angle)
        return found

    return total


def wavy(radius: Scalar, harmonics: Sequence[Harmonic], draw: Draw) -> Rim:
    """One draw of radius (1 + sum of harmonics)."""
    size, total = drawn_number(radius, draw.at("radius")), waves(harmonics, draw)
    return Rim(lambda angle: size * total(angle, 1.0), size)


def offsets(points: Points, centre: tuple[float, ...]) -> tuple[Array, ...]:
    """How far points are from a centre, along each axis."""
    return tuple(points.coordinates[name] - x for name, x in zip(points.free, centre, strict=True))


class BoxWithout(Box):
    """The box [0, L_x] x [0, L_y] x ... without obstacles; ``lengths`` are its sides, one per axis (default 1).

    ``without``: what is cut out of it. A cell whose centre lies inside an obstacle is cut: u is 0 there and means
    nothing. What holds on obstacles is said by ``boundary: {obstacles: ...}``: no flux (by default), or u = g.
    """

    without: Annotated[tuple[AnyObstacle, ...], Field(max_length=MOST), BeforeValidator(as_tuple)] = Field(
        default=(), exclude_if=lambda obstacles: not obstacles
    )


def objection_on(condition: Condition) -> str | None:
    """Why a condition cannot hold on obstacles; None where it can."""
    flux = condition.flux
    if condition.kind() == "dirichlet" or (condition.kind() == "neumann" and flux and flux.bounds() == (0.0, 0.0)):
        return None
    return (
        "should be {dirichlet: g} or {neumann: 0}: the faces between cells that are kept and cut are no measure of the "
        "area of an obstacle, so that no flux can be given through it"
    )
