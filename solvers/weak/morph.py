"""The map that carries a template mesh to the shapes of a sample: closed form, smooth, exact on the curves.

The template has the curves r0(t) whose measures are at their medians; a sample has r(t), about another centre c. With
s and t the polar coordinates seen from the centre c0, and e = (cos t, sin t), a point x goes to

    on the curve     c + r(t) e
    inside of it     c + (x - c0) (m + b(s / r0(t)) (r(t) / r0(t) - m)),   m the ratio of the mean radii,
    outside          x + w(q) (c - c0 + (r(t) - r0(t)) e),   q = (s - r0(t)) / (S(t) - r0(t))

with b(p) = 1 - (1 - p^2)^3, so that the map is smooth at the centre, and w going from 1 at the curve to 0 at the edge S
of the room that the curve has: up to the walls of a box, in a smooth norm, where it is alone, else a circle that keeps
away from others. The outline moves all that is not in such a room, as the inside of a curve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import combinations
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.weak.mesh import SimplexMesh
from pdemill.solvers.weak.shapes import Curve, Drawn, Shapes
from pdemill.spec.field import Field, Scalar
from pdemill.spec.problem import Problem

ANGLES = 720
"""Directions in which the least radius of a curve is looked for."""
THIN = 0.05
"""Least quality of a cell: 1 of equal sides, 0 without area."""
EDGE = 0.4
"""The share of a room in which the motion fades to 0 smoothly."""
NORM = 8
"""The power of the norm that stands for the walls of a box."""
CLOSE = 1.05
"""How much more room than its own radius a curve needs."""


@dataclass(frozen=True, eq=False)
class Room:
    """What may move about a curve: less than ``half`` [2, 2] from its centre, towards the low and high end of each
    axis, in the norm of power ``power``."""

    half: Array
    power: int

    def reach(self, offset: Array) -> Array:
        """How far it goes from the centre in the directions of offsets [n, 2]."""
        size = np.where(offset < 0.0, self.half[:, 0], self.half[:, 1])
        distance = np.hypot(offset[:, 0], offset[:, 1])
        parts = np.abs(offset) / size
        most = np.where(distance > 0.0, parts.max(axis=1), 1.0)
        norm = most * ((parts / most[:, None]) ** self.power).sum(axis=1) ** (1.0 / self.power)
        return np.asarray(np.where(distance > 0.0, distance / np.where(norm > 0.0, norm, 1.0), self.half.min()))


type FieldBox = tuple[tuple[float, ...], tuple[float, ...]]


class Carrier[T](ABC):
    """What carries a template mesh to the shapes of samples, of type T. ``moves``: whether shapes differ between
    samples; ``box``: lower corner and lengths of the box in which fields are drawn, that of all samples."""

    def __init__(self, moves: bool, box: FieldBox) -> None:
        self.moves, self.box = moves, box

    @abstractmethod
    def drawn(self, draw: Draw) -> T:
        """The shapes of a sample; raises InvalidSample where there are none."""

    @abstractmethod
    def check_within(self, curves: T) -> None:
        """Raise InvalidSample for shapes beyond the box in which fields are drawn."""

    @abstractmethod
    def snapped(self, mesh: SimplexMesh) -> SimplexMesh:
        """The template with the nodes on its curves where they belong: the middles of edges that were cut."""

    @abstractmethod
    def _placed(self, mesh: SimplexMesh, curves: T) -> Array:
        """Where the points of the template are."""

    def moved(self, mesh: SimplexMesh, curves: T) -> SimplexMesh:
        """A mesh of the template at the shapes of a sample; raises InvalidSample where it folds, or where cells are too
        thin."""
        moved = mesh.with_points(self._placed(mesh, curves))
        ratio = moved.signed_volumes / mesh.signed_volumes
        if not (least := float(ratio.min())) > 0.0:
            raise InvalidSample(
                f"the mesh folds where it is carried to this sample's shapes (least ratio of areas {least:.2g}): draw "
                "them nearer to each other"
            )
        worst = float(quality(moved).min())
        if worst < THIN:
            raise InvalidSample(
                f"a cell is too thin where the mesh is carried to this sample's shapes (quality {worst:.2g}, least "
                f"{THIN:g}): draw them nearer to each other"
            )
        return moved


class Morph(Carrier[Drawn]):
    """The curves of a domain on one template."""

    def __init__(self, domain: Shapes, lengths: tuple[float, ...] | None) -> None:
        self._domain, self.own = domain, domain.median
        super().__init__(domain.moves, ((0.0,) * len(lengths), lengths) if lengths is not None else self._around())
        self._holes = len(domain.without)
        self._places: WeakKeyDictionary[SimplexMesh, list[NDArray[np.intp]]] = WeakKeyDictionary()
        self.rooms = tuple(self._room(number, lengths) for number in range(len(self.own.inner)))
        for room, curve in zip(self.rooms, self.own.inner, strict=True):
            angle = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)
            if (room.reach(curve.at(angle) - curve.centre) < CLOSE * curve.radius(angle)).any():
                raise SolverError(
                    "a hole or an inclusion meets another one, or the outline, where all measures are at their medians"
                )

    def _around(self) -> FieldBox:
        """A square about an outline, the same in all samples: half as large again as the template."""
        outline = self.own.outline
        assert outline is not None
        size = 1.5 * float(outline.radius(np.linspace(0.0, 2.0 * np.pi, ANGLES)).max())
        return (-size, -size), (2.0 * size, 2.0 * size)

    def _room(self, number: int, lengths: tuple[float, ...] | None) -> Room:
        own, outline, angle = self.own.inner[number], self.own.outline, np.linspace(0.0, 2.0 * np.pi, ANGLES)
        largest = float(own.radius(angle).max())
        gaps = [
            (float(np.linalg.norm(own.centre - other.centre)) - largest - float(other.radius(angle).max())) / 2.0
            for place, other in enumerate(self.own.inner)
            if place != number
        ]
        if outline is not None:
            gaps.append(float(outline.radius(angle).min() - np.linalg.norm(own.centre)) - largest)
        if lengths is not None:
            walls = np.stack([own.centre, np.array(lengths[:2]) - own.centre], axis=1)
            if not gaps:
                return Room(np.maximum(walls, 1e-6 * largest), NORM)
            gaps.append(float(walls.min()) - largest)
        return Room(np.full((2, 2), max(largest + min(gaps), 1e-6 * largest)), 2)

    def drawn(self, draw: Draw) -> Drawn:
        found = self._domain.drawn(draw.at("domain"))
        angle = np.linspace(0.0, 2.0 * np.pi, ANGLES, endpoint=False)
        for curve in found.curves:
            if not curve.is_near:
                raise InvalidSample("the measures of a shape are too large to be computed with")
            least = float(curve.radius(angle).min())
            if not least > 0.0:
                raise InvalidSample(f"the radius of a shape falls to {least:g}, and has to be positive everywhere")
        return found

    def check_within(self, curves: Drawn) -> None:
        if curves.outline is None:
            return
        lower, lengths = np.array(self.box)
        places = (curves.outline.at(np.linspace(0.0, 2.0 * np.pi, ANGLES, endpoint=False)) - lower) / lengths
        if places.min() < 0.0 or places.max() > 1.0:
            raise InvalidSample(
                "its outline goes beyond the square in which fields are drawn, half as large again as the outline "
                "whose measures are all at their medians: draw them nearer to each other"
            )

    def snapped(self, mesh: SimplexMesh) -> SimplexMesh:
        return mesh.with_points(self._placed(mesh, self.own))

    def _placed(self, mesh: SimplexMesh, curves: Drawn) -> Array:
        points, places = mesh.points[:, :2], self._places.get(mesh)
        if places is None:
            places = self._places[mesh] = on_curves(mesh, self._holes, len(self.own.inner))
        shift = np.zeros_like(points)
        if self.own.outline is not None and curves.outline is not None:
            shift = _inside(points, self.own.outline, curves.outline)
        for own, drawn, room in zip(self.own.inner, curves.inner, self.rooms, strict=True):
            offset = points - own.centre
            angle = np.arctan2(offset[:, 1], offset[:, 0])
            distance, radius = np.hypot(offset[:, 0], offset[:, 1]), own.radius(angle)
            weight = fading((distance - radius) / (room.reach(offset) - radius))
            outer = drawn.at(angle) - own.at(angle)
            within = distance < radius
            outer[within] = _inside(points[within], own, drawn)
            shift = weight[:, None] * outer + (1.0 - weight[:, None]) * shift
        found = points + shift
        pairs = list(zip(self.own.inner, curves.inner, strict=True))
        if self.own.outline is not None and curves.outline is not None:
            pairs.append((self.own.outline, curves.outline))
        for (own, drawn), place in zip(pairs, places, strict=False):
            offset = points[place] - own.centre
            found[place] = drawn.at(np.arctan2(offset[:, 1], offset[:, 0]))
        return np.concatenate([found, mesh.points[:, 2:]], axis=1)


def draws_in_space(problem: Problem) -> bool:
    """Whether a field is drawn, and not numbers alone, from which others are made."""
    values = [value for _, value in problem.slots()] + [value for _, _, value in problem.side_slots()]
    return any(map(_is_drawn_in_space, values))


def _is_drawn_in_space(value: Field) -> bool:
    parts = [part for _, part in value.parts()]
    return any(map(_is_drawn_in_space, parts)) if parts else value.is_random and not isinstance(value, Scalar)


def _inside(points: Array, own: Curve, drawn: Curve) -> Array:
    """How points inside a curve move."""
    offset = points - own.centre
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    radius = own.radius(angle)
    ratio, mean = drawn.radius(angle) / radius, drawn.mean / own.mean
    level = np.minimum(np.hypot(offset[:, 0], offset[:, 1]) / radius, 1.0)
    scale = mean + (1.0 - (1.0 - level**2) ** 3) * (ratio - mean)
    return np.asarray(drawn.centre + offset * scale[:, None] - points)


def fading(place: Array) -> Array:
    """1 up to 0, 0 from 1 on: straight, and a parabola over the last EDGE."""
    slope, left = 1.0 / (1.0 - EDGE / 2.0), np.clip(1.0 - place, 0.0, 1.0)
    return np.asarray(np.where(left < EDGE, slope * left**2 / (2.0 * EDGE), 1.0 - slope * (1.0 - left)))


def quality(mesh: SimplexMesh) -> Array:
    """1 where all sides of a cell are equal: 4 sqrt(3) area, or 12 (3 volume)^(2/3), over the sum of their squares. Liu
    and Joe 1994, "Relationship between tetrahedron shape measures", BIT 34."""
    corners = mesh.points[mesh.cells]
    sides = sum(((corners[:, i] - corners[:, j]) ** 2).sum(axis=1) for i, j in combinations(range(corners.shape[1]), 2))
    if mesh.dimension == 2:
        return np.asarray(4.0 * np.sqrt(3.0) * mesh.volumes / sides)
    return np.asarray(12.0 * (3.0 * mesh.volumes) ** (2.0 / 3.0) / sides)


def on_curves(mesh: SimplexMesh, holes: int, inner: int) -> list[NDArray[np.intp]]:
    """The points on every curve: holes, inclusions, and the outline where that is one."""
    names = mesh.side_names
    found = [np.unique(mesh.facets[mesh.sides == names.index(f"hole{k}")]).astype(np.intp) for k in range(holes)]
    if inner > holes:
        assert mesh.regions is not None
        own = mesh.cell_edges
        least, most = np.full(len(mesh.edges), np.iinfo(np.int32).max), np.zeros(len(mesh.edges), int)
        for column in own.T:
            np.minimum.at(least, column, mesh.regions)
            np.maximum.at(most, column, mesh.regions)
        for number in range(1, inner - holes + 1):
            found.append(np.unique(mesh.edges[(least < most) & (most == number)]).astype(np.intp))
    if "boundary" in names:
        found.append(np.unique(mesh.facets[mesh.sides == names.index("boundary")]).astype(np.intp))
    return found
