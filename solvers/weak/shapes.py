"""Domains whose outline, holes and inclusions are closed curves, drawn for every sample."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Annotated, Any, Literal, NamedTuple, cast

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pdemill.draws import Draw, Place
from pdemill.points import Array
from pdemill.spec.domain import MOST_CORNERS, Box, Polygon
from pdemill.spec.field import Scalar
from pdemill.spec.model import Model, as_tuple, refuse
from pdemill.spec.obstacle import AnyObstacle, Rim, Shape, drawn_number, wavy
from pdemill.spec.shapes import MOST_HARMONICS, Harmonic, Length

MOST = 50
"""Holes and inclusions of a domain."""
FEWEST, FINE = 12, 4096
"""Edges that a curve is cut into, at least, and angles by which its length is measured."""
FAR = 1e100
"""The largest coordinate of a curve: squares of it are computed."""
Curves = Annotated[tuple[AnyObstacle, ...], Field(max_length=MOST), BeforeValidator(as_tuple)]


def _none() -> Any:
    return Field(default=(), exclude_if=lambda curves: not curves)


class Curve(NamedTuple):
    """centre + radius(t) (cos t, sin t)."""

    centre: Array
    radius: Any
    mean: float

    def at(self, angle: Array) -> Array:
        """Its points at polar angles [n], [n, 2]."""
        return np.asarray(self.centre + self.radius(angle)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))

    @property
    def is_near(self) -> bool:
        """Whether its measures can be computed with."""
        with np.errstate(over="ignore", invalid="ignore"):
            points = self.at(np.linspace(0.0, 2.0 * np.pi, FINE + 1))
            return bool((np.abs(points) < FAR).all())

    def corners(self, h: float) -> tuple[tuple[float, float], ...]:
        """Points on it, evenly far from each other, by about h at most."""
        angle = np.linspace(0.0, 2.0 * np.pi, FINE + 1)
        steps = np.linalg.norm(np.diff(self.at(angle), axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        length = float(along[-1])
        if length / h > MOST_CORNERS:
            message = f"cuts a curve of length {length:g} into more than {MOST_CORNERS:,} edges"
            raise refuse(("resolution", "h"), message, h)
        count = max(FEWEST, ceil(length / h))
        places = np.interp(np.arange(count) * length / count, along, angle)
        return tuple((float(x), float(y)) for x, y in self.at(places))


class Drawn(NamedTuple):
    """The curves of one sample."""

    outline: Curve | None
    inner: tuple[Curve, ...]

    @property
    def curves(self) -> tuple[Curve, ...]:
        """All of them."""
        return self.inner if self.outline is None else (*self.inner, self.outline)


class Median(Draw):
    """Draws in which every number is its median."""

    def place(self, scalar: object) -> Place:
        return Place(level=0.5)


class Shapes(Model):
    """What a domain of curves has besides its outline. ``without``: holes, whose rims are the sides ``hole0``,
    ``hole1``, ...; ``inclusions``: parts whose cells may have other coefficients. Both are disks and stars that do not
    meet."""

    without: Curves = _none()
    inclusions: Curves = _none()

    @property
    def inner(self) -> tuple[Shape, ...]:
        return cast(tuple[Shape, ...], (*self.without, *self.inclusions))

    @model_validator(mode="after")
    def _are_curves(self) -> Shapes:
        for key, shapes in (("without", self.without), ("inclusions", self.inclusions)):
            for number, shape in enumerate(shapes):
                if not isinstance(shape, Shape) or _rim(shape, _median()) is None:
                    raise refuse(
                        (key, number, "shape"), "is not possible on meshes: give a disk or a star", shape.shape
                    )
                if complaint := shape.objection(2):
                    raise refuse((key, number, *complaint[0]), complaint[1], None)
        return self

    def own_scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        """The scalars of the outline, with their paths below the domain."""
        yield from ()

    def scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        """Every scalar with its path below the domain."""
        yield from self.own_scalars()
        for key, shapes in (("without", self.without), ("inclusions", self.inclusions)):
            for number, shape in enumerate(shapes):
                for path, value in shape.slots():
                    assert isinstance(value, Scalar)
                    yield (key, number, *path), value

    @property
    def of_curves(self) -> bool:
        """Whether there is a curve at all."""
        return bool(self.inner)

    @property
    def moves(self) -> bool:
        """Whether curves differ between samples."""
        return any(scalar.is_random for _, scalar in self.scalars())

    @property
    def middle(self) -> tuple[float, float]:
        """Where holes and inclusions without a centre are."""
        return 0.0, 0.0

    def rim(self, draw: Draw) -> Rim | None:
        """One draw of the outline about 0; None where it is a box."""
        return None

    def drawn(self, draw: Draw) -> Drawn:
        """The curves of a sample; ``draw``: of its domain."""
        rim, inner = self.rim(draw), []
        for key, shapes in (("without", self.without), ("inclusions", self.inclusions)):
            for number, shape in enumerate(shapes):
                assert isinstance(shape, Shape)
                own = draw.at(key).at(number)
                places = shape.centre or ()
                centre = [drawn_number(x, own.at("centre").at(axis)) for axis, x in enumerate(places)] or self.middle
                found = _rim(shape, own)
                assert found is not None
                inner.append(Curve(np.array(centre), *found))
        return Drawn(None if rim is None else Curve(np.zeros(2), *rim), tuple(inner))

    @property
    def hole_names(self) -> tuple[str, ...]:
        """The sides that are rims of holes."""
        return tuple(f"hole{number}" for number in range(len(self.without)))

    @property
    def median(self) -> Drawn:
        """The curves whose measures are all at their medians: those of the template."""
        found = self.drawn(_median())
        if not all(curve.is_near for curve in found.curves):
            raise refuse(("domain",), "has a curve whose measures are too large to be computed with", None)
        return found

    def polygon(self, h: float, box: tuple[float, ...]) -> Polygon:
        """The template with curves in edges of about h; ``box``: the lengths of the outline where it is a box."""
        outline, holes = self.median.outline, self.median.inner[: len(self.without)]
        loops = tuple(hole.corners(h) for hole in holes)
        if outline is not None:
            corners = outline.corners(h)
            return Polygon(outline=corners, sides=("boundary",) * len(corners), holes=loops)
        (x, y, *_), names = box, ("bottom", "right", "top", "left")
        return Polygon(outline=((0.0, 0.0), (x, 0.0), (x, y), (0.0, y)), sides=names, holes=loops)

    def loops(self, h: float) -> tuple[tuple[tuple[float, float], ...], ...]:
        """The inclusions of the template in edges of about h."""
        return tuple(curve.corners(h) for curve in self.median.inner[len(self.without) :])


def _median() -> Median:
    return Median(0, "", 0, "problem/domain")


def _rim(shape: Shape, draw: Draw) -> Rim | None:
    """One draw of the boundary of a shape, whatever its measures are: `Curve.is_near` says whether they serve."""
    with np.errstate(over="ignore", invalid="ignore"):
        return shape.rim(draw)


class BoxOfShapes(Shapes, Box):
    """The box [0, L_x] x [0, L_y] x ...; ``lengths`` are its sides, one per axis (default 1). It may have holes
    (``without``) and ``inclusions``, disks and stars whose measures are numbers or drawn for every sample; in three
    dimensions they are columns along z, from end to end."""

    @property
    def middle(self) -> tuple[float, float]:
        x, y, *_ = self.lengths or (1.0, 1.0)
        return x / 2.0, y / 2.0


class _Round(Shapes):
    radius: Length = Field(default=1.0, validate_default=True)

    def own_scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        yield ("radius",), self.radius

    @property
    def of_curves(self) -> bool:
        return True

    def side_names(self) -> tuple[str, ...]:
        return ("boundary", *self.hole_names)


class DiskOfShapes(_Round):
    """|x| < radius in the plane, side ``boundary``, with holes (``without``) and ``inclusions``."""

    shape: Literal["disk"] = "disk"

    def rim(self, draw: Draw) -> Rim:
        return wavy(self.radius, (), draw)


class StarOfShapes(_Round):
    """r(t) < radius (1 + sum of ``harmonics``), t the polar angle, side ``boundary``, with holes (``without``) and
    ``inclusions``."""

    shape: Literal["star"] = "star"
    harmonics: Annotated[
        tuple[Harmonic, ...], Field(min_length=1, max_length=MOST_HARMONICS), BeforeValidator(as_tuple)
    ]

    def own_scalars(self) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
        yield from super().own_scalars()
        for number, harmonic in enumerate(self.harmonics):
            yield ("harmonics", number, "cosine"), harmonic.cosine
            yield ("harmonics", number, "sine"), harmonic.sine

    def rim(self, draw: Draw) -> Rim:
        return wavy(self.radius, self.harmonics, draw)
