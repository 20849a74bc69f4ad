"""Domains that need no mesh: round ones, stars, closed surfaces. Their measures may be drawn for every sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdemill.points import MOST_AXES
from pdemill.spec.domain import Box, Coordinate, Polygon
from pdemill.spec.field import AnyScalar, Scalar, positive
from pdemill.spec.model import AsNumber, Model, as_tuple, refusal, refuse

MOST_VERTICES = 200_000
MOST_HARMONICS = 50
LEAST_LENGTH = 1e-50


def _sized(value: Scalar) -> Scalar:
    low, high = value.bounds() or (1.0, 1.0)
    if low < LEAST_LENGTH or high > 1 / LEAST_LENGTH:
        raise refusal(f"should be between {LEAST_LENGTH:g} and {1 / LEAST_LENGTH:g}")
    return value


Length = Annotated[AnyScalar, AfterValidator(positive), AfterValidator(_sized)]


class Shape(Model):
    """Base of these domains. ``radius`` and its like are scalars: a number, or drawn for every sample."""

    def scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        """Every scalar with its path below the domain."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Scalar):
                yield (name,), value

    @property
    def is_random(self) -> bool:
        """Whether two samples can live on different domains."""
        return any(scalar.is_random for _, scalar in self.scalars())

    def side_names(self) -> tuple[str, ...]:
        return ("boundary",)

    @property
    def axes(self) -> int:
        """Number of space dimensions."""
        return 2

    def excludes(self, point: tuple[float, ...]) -> bool:
        """Whether a point is known to be outside, where nothing of the domain is drawn."""
        return False


def fixed(scalar: Scalar) -> float:
    """The value of a scalar that is not drawn."""
    low, high = scalar.bounds() or (math.nan, math.nan)
    return low if low == high else math.nan


class Disk(Shape):
    """|x| < radius in the plane; side ``boundary``."""

    shape: Literal["disk"] = "disk"
    radius: Length = Field(default=1.0, validate_default=True)

    def excludes(self, point: tuple[float, ...]) -> bool:
        return math.hypot(*point) >= fixed(self.radius)


class Ball(Shape):
    """|x| < radius in ``dimension`` axes, 3 by default, up to 20; side ``boundary``."""

    shape: Literal["ball"] = "ball"
    radius: Length = Field(default=1.0, validate_default=True)
    dimension: Annotated[int, Field(ge=2, le=MOST_AXES)] = 3

    @property
    def axes(self) -> int:
        return self.dimension

    def excludes(self, point: tuple[float, ...]) -> bool:
        return math.hypot(*point) >= fixed(self.radius)


class Hollow(Shape):
    """Between two radii; sides ``inner`` and ``outer``."""

    inner: Length = Field(default=0.5, validate_default=True)
    outer: Length = Field(default=1.0, validate_default=True)

    @model_validator(mode="after")
    def _ordered(self) -> Hollow:
        low, high = self.inner.bounds(), self.outer.bounds()
        if low is not None and high is not None and low[1] >= high[0]:
            message = f"can reach {low[1]:g}, but the outer radius can be as small as {high[0]:g}"
            raise refuse(("inner",), message, None)
        return self

    def side_names(self) -> tuple[str, ...]:
        return "inner", "outer"

    def excludes(self, point: tuple[float, ...]) -> bool:
        radius = math.hypot(*point)
        return radius <= fixed(self.inner) or radius >= fixed(self.outer)


class Annulus(Hollow):
    """inner < |x| < outer in the plane; sides ``inner`` and ``outer``."""

    shape: Literal["annulus"] = "annulus"


class Shell(Hollow):
    """inner < |x| < outer in space; sides ``inner`` and ``outer``."""

    shape: Literal["shell"] = "shell"

    @property
    def axes(self) -> int:
        return 3


class Harmonic(Model):
    """``cosine`` cos(m t) + ``sine`` sin(m t) with m = ``order``."""

    order: Annotated[int, Field(ge=1, le=500)]
    cosine: AnyScalar = Field(default=0.0, validate_default=True)
    sine: AnyScalar = Field(default=0.0, validate_default=True)


class Star(Shape):
    """r(t) < radius (1 + sum of ``harmonics``), t the polar angle, as a polygon of ``edges`` edges.

    Side ``boundary``. A draw whose radius reaches zero is a failed sample.
    """

    shape: Literal["star"] = "star"
    radius: Length = Field(default=1.0, validate_default=True)
    harmonics: Annotated[
        tuple[Harmonic, ...], Field(min_length=1, max_length=MOST_HARMONICS), BeforeValidator(as_tuple)
    ]
    edges: Annotated[int, Field(ge=16, le=20_000)] = 1000

    def scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        yield from super().scalars()
        for number, harmonic in enumerate(self.harmonics):
            yield ("harmonics", number, "cosine"), harmonic.cosine
            yield ("harmonics", number, "sine"), harmonic.sine

    @model_validator(mode="after")
    def _positive(self) -> Star:
        if not self.is_random:
            least = min(self._radius(2 * math.pi * edge / self.edges) for edge in range(self.edges))
            if least <= 0:
                raise refuse(
                    ("harmonics",), f"make the radius {least:g} in some direction; it must stay positive", None
                )
        return self

    def _radius(self, angle: float) -> float:
        waves = (
            fixed(h.cosine) * math.cos(h.order * angle) + fixed(h.sine) * math.sin(h.order * angle)
            for h in self.harmonics
        )
        return fixed(self.radius) * (1 + sum(waves))

    def excludes(self, point: tuple[float, ...]) -> bool:
        return math.hypot(*point) >= self._radius(math.atan2(point[1], point[0]))


class Blob(Model):
    """An icosphere of 20 * 4^subdivisions triangles with smooth bumps: radius 1 + amplitude * a trigonometric sum."""

    subdivisions: Annotated[int, Field(ge=0, le=6)] = 4
    amplitude: Annotated[float, Field(ge=0, le=0.5), AsNumber] = 0.25


Vertex = Annotated[tuple[Coordinate, Coordinate, Coordinate], BeforeValidator(as_tuple)]
Index = Annotated[int, Field(ge=0)]
Corners = Annotated[tuple[Index, Index, Index], BeforeValidator(as_tuple)]


class Surface(Shape):
    """The inside of a closed triangle mesh; side ``boundary``.

    Either ``vertices`` and ``triangles`` (corners anticlockwise from outside), or ``blob``. In a spec file,
    ``file: NAME.obj`` or ``NAME.stl`` stands for vertices and triangles; it is read when the spec is.
    """

    shape: Literal["mesh"] = "mesh"
    vertices: Annotated[tuple[Vertex, ...], Field(max_length=MOST_VERTICES), BeforeValidator(as_tuple)] = ()
    triangles: Annotated[tuple[Corners, ...], Field(max_length=2 * MOST_VERTICES), BeforeValidator(as_tuple)] = ()
    blob: Blob | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_file(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "file" in value:
            message = "is read before a spec is sent or checked: give vertices and triangles here"
            raise refuse(("file",), message, value["file"])
        return value

    @model_validator(mode="after")
    def _one_surface(self) -> Surface:
        if (self.blob is None) != bool(self.vertices and self.triangles):
            raise refuse((), "needs either vertices and triangles (or a file), or blob", None)
        for number, corners in enumerate(self.triangles):
            if max(corners) >= len(self.vertices):
                message = f"has the vertex {max(corners)}, but vertices are numbered 0 to {len(self.vertices) - 1}"
                raise refuse(("triangles", number), message, corners)
        return self

    @property
    def axes(self) -> int:
        return 3


SHAPES = (Disk, Ball, Annulus, Shell, Star, Surface)
type Domain = Box | Polygon | Disk | Ball | Annulus | Shell | Star | Surface
