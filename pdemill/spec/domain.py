"""Where a problem lives: a box, or a polygon with holes."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdemill.points import MOST_AXES, axis_names
from pdemill.spec.model import AsNumber, Model, Positive, as_tuple, refusal, refuse

BOX_SIDES = (("left", "right"), ("bottom", "top"), ("back", "front"))
"""Names of the low and high side of the x, y and z axis."""


def box_sides(dimension: int) -> tuple[tuple[str, str], ...]:
    """Names of the low and high side of every axis; from four dimensions on x1_low, x1_high, x2_low, ..."""
    if dimension <= len(BOX_SIDES):
        return BOX_SIDES[:dimension]
    return tuple((f"{axis}_low", f"{axis}_high") for axis in axis_names(dimension))


class Box(Model):
    """The box [0, L_x] x [0, L_y] x ...; ``lengths`` are its sides, one per axis (default 1)."""

    shape: Literal["box"] = "box"
    lengths: Annotated[tuple[Positive, ...], Field(max_length=MOST_AXES), BeforeValidator(as_tuple)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_whole(cls, value: Any) -> Any:
        if isinstance(value, dict) and "without" in value and "without" not in cls.model_fields:
            message = "is for steady linear equations on box grids: nothing can be cut out of this box"
            raise refuse(("without",), message, value["without"])
        return value

    def side_names(self, dimension: int) -> tuple[str, ...]:
        return tuple(name for pair in box_sides(dimension) for name in pair)

    def excludes(self, point: tuple[float, ...]) -> bool:
        """Whether a point is outside or on the boundary."""
        sizes = self.sizes(len(point)).values()
        return not all(0 < x < size for x, size in zip(point, sizes, strict=True))

    def sizes(self, dimension: int) -> dict[str, float]:
        """The length of each axis, by name."""
        return dict(zip(axis_names(dimension), self.lengths or (1.0,) * dimension, strict=False))


MOST_CORNERS, MOST_HOLES = 1000, 50
Coordinate = Annotated[float, Field(ge=-1e100, le=1e100), AsNumber]
Corner = Annotated[tuple[Coordinate, Coordinate], BeforeValidator(as_tuple)]
SideName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
NEARLY_EQUAL, NEAR = 1e-9, 1e-3
"""Distances of corners in a row, in sizes of their loop: those refused, and those by which a loop may cross itself."""


def _opened(loop: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The loop without a last corner that repeats the first, as GeoJSON writes it."""
    if loop[0] != loop[-1]:
        return loop
    if len(loop) == 3:
        raise refusal("has no area: its last corner is the first again")
    return loop[:-1]


Loop = Annotated[
    tuple[Corner, ...],
    Field(min_length=3, max_length=MOST_CORNERS),
    BeforeValidator(as_tuple),
    AfterValidator(_opened),
]


class Polygon(Model):
    """A polygon with polygonal holes.

    ``outline`` and each hole list corners in order, in either direction. Edge i runs from corner i to
    corner i + 1 and is called ``edge{i}``, or as ``sides`` says; the rim of hole j is called ``hole{j}``. A last
    corner that repeats the first is dropped.
    """

    shape: Literal["polygon"] = "polygon"
    outline: Loop
    holes: Annotated[tuple[Loop, ...], Field(max_length=MOST_HOLES), BeforeValidator(as_tuple)] = ()
    sides: Annotated[tuple[SideName, ...], BeforeValidator(as_tuple)] | None = None

    @model_validator(mode="after")
    def _simple(self) -> Polygon:
        corners = len(self.outline) + sum(map(len, self.holes))
        if corners > MOST_CORNERS:
            raise refuse((), f"has {corners:,} corners; at most {MOST_CORNERS:,} are possible", None)
        for path, loop in [(("outline",), self.outline)] + [(("holes", j), h) for j, h in enumerate(self.holes)]:
            xs, ys = zip(*loop, strict=True)
            if abs(signed_area(loop)) <= 1e-12 * (max(xs) - min(xs)) * (max(ys) - min(ys)):
                raise refuse(path, "has no area", loop)
            crossing = _self_crossing(loop)
            if (near := _near_corners(loop, NEAR if crossing else NEARLY_EQUAL)) is not None:
                pair = f"corners {near} and {(near + 1) % len(loop)}"
                raise refuse(path, f"{pair} are equal, or nearly so: leave one of them out", loop)
            if crossing:
                raise refuse(path, f"crosses itself: edge {crossing[0]} meets edge {crossing[1]}", loop)
        for j, hole in enumerate(self.holes):
            if not all(_inside(corner, self.outline) for corner in hole) or _meet(hole, self.outline):
                raise refuse(("holes", j), "is not inside the outline", hole)
            for i, other in enumerate(self.holes[:j]):
                if _meet(hole, other) or _inside(hole[0], other) or _inside(other[0], hole):
                    raise refuse(("holes", j), f"overlaps hole {i}", hole)
        if self.sides is not None and len(self.sides) != len(self.outline):
            raise refuse(("sides",), f"needs {len(self.outline)} names, one per edge of the outline", self.sides)
        if self.sides is not None and any(re.fullmatch(r"hole\d+", side) for side in self.sides):
            raise refuse(("sides",), "hole0, hole1, ... are the names of the rims of holes", self.sides)
        if self.sides is not None and "default" in self.sides:
            raise refuse(("sides",), "default is no name: it stands for the sides without one", self.sides)
        return self

    def excludes(self, point: tuple[float, ...]) -> bool:
        """Whether a point is outside."""
        return not _inside(point, self.outline) or any(_inside(point, hole) for hole in self.holes)

    def edge_names(self) -> tuple[str, ...]:
        """The side that each edge of the outline belongs to."""
        return self.sides or tuple(f"edge{i}" for i in range(len(self.outline)))

    def side_names(self, dimension: int = 2) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.edge_names() + tuple(f"hole{j}" for j in range(len(self.holes)))))

    def bounding_box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Lower left corner and lengths of the smallest box around the outline."""
        xs, ys = zip(*self.outline, strict=True)
        return (min(xs), min(ys)), (max(xs) - min(xs), max(ys) - min(ys))


def signed_area(loop: tuple[tuple[float, float], ...]) -> float:
    """Area of a polygon, positive when its corners run anticlockwise (shoelace formula, seen from a corner)."""
    (x, y), *_ = loop
    seen = [(a - x, b - y) for a, b in loop]
    return 0.5 * sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(seen, seen[1:] + seen[:1], strict=True))


def _near_corners(loop: tuple[tuple[float, float], ...], share: float) -> int | None:
    """The first corner that is nearer to the next one than a share of the loop's size."""
    size = math.hypot(*(max(axis) - min(axis) for axis in zip(*loop, strict=True)))
    return next((i for i, (a, b) in enumerate(_edges(loop)) if math.dist(a, b) <= share * size), None)


def _turn(a: Any, b: Any, c: Any) -> float:
    return math.copysign(1.0, t) if (t := (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) else 0.0


def _between(a: Any, b: Any, p: Any) -> bool:
    return all(min(a[i], b[i]) <= p[i] <= max(a[i], b[i]) for i in (0, 1))


def _segments_meet(a: Any, b: Any, c: Any, d: Any) -> bool:
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    touching = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(t == 0 and _between(*points) for t, points in zip(turns, touching, strict=True))


def _edges(loop: Any) -> list[tuple[Any, Any]]:
    return list(zip(loop, loop[1:] + loop[:1], strict=True))


def _meet(one: Any, other: Any) -> bool:
    return any(_segments_meet(*e, *f) for e in _edges(one) for f in _edges(other))


def _self_crossing(loop: Any) -> tuple[int, int] | None:
    edges = _edges(loop)
    for i in range(len(edges)):
        for j in range(i + 2, len(edges)):
            if (i, j) != (0, len(edges) - 1) and _segments_meet(*edges[i], *edges[j]):
                return i, j
    return None


def _inside(point: Any, loop: Any) -> bool:
    crossings = 0
    for (x0, y0), (x1, y1) in _edges(loop):
        if (y0 > point[1]) != (y1 > point[1]) and point[0] < x0 + (point[1] - y0) * (x1 - x0) / (y1 - y0):
            crossings += 1
    return crossings % 2 == 1


def choose_domain(value: Any, *shapes: type[Model]) -> Any:
    """The domain that ``value['shape']`` names, out of the shapes that are possible where it stands."""
    if type(value) in shapes:
        return value
    if isinstance(value, Box):  # of another place
        value = value.model_dump(mode="json", exclude_unset=True)
    names = {str(shape.model_fields["shape"].default): shape for shape in shapes}
    if not isinstance(value, dict):
        example = value if isinstance(value, str) and value in names else next(iter(names))
        raise refusal(f"should be an object with the key 'shape', such as {{shape: {example}}}")
    name = value.get("shape", "polygon" if "polygon" in names and "outline" in value else next(iter(names)))
    if not isinstance(name, str) or name not in names:
        message = f"{name!r} is not possible with these keys; choose {' or '.join(names)}"
        raise refuse(("shape",), message if "disk" in names else f"{message}, or ask for points", name)
    return names[name].model_validate(value)
