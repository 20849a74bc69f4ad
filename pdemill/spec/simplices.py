"""A domain that is given as a mesh of triangles or tetrahedra."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from pdemill.spec.domain import Coordinate, SideName
from pdemill.spec.model import Model, as_tuple, refuse

MOST_POINTS, MOST_SIDES = 50_000, 50
FLAT = 1e-12
"""Of a cell whose volume is so small beside the cube of its longest edge, or the square."""
SAME = 1e-9
"""Distance, in units of the mesh or of an edge, within which points are at the same place."""
REST = "boundary"
"""The side of what no other side names."""
Index = Annotated[int, Field(ge=0, strict=True)]
Place = Annotated[tuple[Coordinate, ...], Field(min_length=2, max_length=3), BeforeValidator(as_tuple)]
Corners = Annotated[tuple[Index, ...], Field(min_length=3, max_length=4), BeforeValidator(as_tuple)]
Facet = Annotated[tuple[Index, ...], Field(min_length=2, max_length=3), BeforeValidator(as_tuple)]
type Ints = NDArray[np.int32]


class MeshDomain(Model):
    """A mesh: ``points`` [n, 2 or 3], ``cells``, the numbers of the 3 or 4 corners of each triangle or tetrahedron, and
    ``sides``, by name the facets of the boundary on them, as the numbers of 2 or 3 points each; what no side has is the
    side ``boundary``. In a spec file ``file: NAME.msh`` stands for all three; it is read when the spec is."""

    shape: Literal["mesh"] = "mesh"
    points: Annotated[tuple[Place, ...], Field(min_length=3, max_length=MOST_POINTS), BeforeValidator(as_tuple)]
    cells: Annotated[tuple[Corners, ...], Field(min_length=1, max_length=8 * MOST_POINTS), BeforeValidator(as_tuple)]
    sides: dict[SideName, Annotated[tuple[Facet, ...], Field(min_length=1), BeforeValidator(as_tuple)]] = Field(
        default_factory=dict, max_length=MOST_SIDES
    )
    ordered: ClassVar[tuple[str, ...]] = ("sides",)

    @model_validator(mode="before")
    @classmethod
    def _no_file(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "file" in value:
            message = "is read before a spec is sent or checked: give points, cells and sides here"
            raise refuse(("file",), message, value["file"])
        return value

    @model_validator(mode="after")
    def _is_a_mesh(self) -> MeshDomain:
        d = self.axes
        for name, width in (("points", d), ("cells", d + 1)):
            for number, entry in enumerate(getattr(self, name)):
                if len(entry) != width:
                    raise refuse((name, number), f"has {len(entry)} entries, and others lead to {width}", None)
                if name == "cells" and max(entry) >= len(self.points):
                    raise refuse((name, number), f"has the point {max(entry)}, and there are {len(self.points)}", None)
        points, cells = self._arrays
        if (left := np.setdiff1d(np.arange(len(points)), cells)).size:
            raise refuse(("points", int(left[0])), "belongs to no cell: leave it out", None)
        self._check_points(points)
        spans = points[cells[:, 1:]] - points[cells[:, :1]]
        flat = np.abs(np.linalg.det(spans)) <= FLAT * np.linalg.norm(spans, axis=2).max(axis=1) ** d
        if flat.any():
            raise refuse(("cells", int(np.flatnonzero(flat)[0])), "has no volume", None)
        _, counts = self._facets
        if counts.max() > 2:
            raise refuse(("cells",), "has a facet that more than two cells share", None)
        if (folded := self._folded()) is not None:
            told = f"lies on the same side of the facet {folded[1]} as a neighbour: the mesh is folded"
            raise refuse(("cells", folded[0]), told, None)
        self._check_meeting()
        self._check_sides()
        return self

    @staticmethod
    def _check_points(points: NDArray[np.float64]) -> None:
        """Refuse points at the same place: parts that only seem to hang together."""
        near = np.round((points - points.min(axis=0)) / (SAME * np.ptp(points, axis=0).max()))
        order = np.lexsort(near.T)
        twice = np.flatnonzero((near[order][1:] == near[order][:-1]).all(axis=1))
        if twice.size:
            one, other = sorted(order[twice[0] : twice[0] + 2].tolist())
            raise refuse(
                ("points", other), f"is where point {one} is: parts of the mesh do not hang together there", None
            )

    def _check_meeting(self) -> None:
        """Refuse facets of the boundary in which points of it lie or, in three dimensions, the centres of others: cells
        that meet without sharing a facet."""
        points, facets = self._arrays[0], self._facets[0][self._facets[1] == 1]
        corners, numbers = points[facets], np.unique(facets)
        centres = corners.mean(axis=1) if self.axes == 3 else points[:0]
        places = np.concatenate([points[numbers], centres])
        places = places[order := np.argsort(places[:, 0], kind="stable")]
        spans = corners[:, 1:] - corners[:, :1]
        inverses = np.linalg.pinv(spans.swapaxes(1, 2))
        sizes = np.linalg.norm(spans, axis=2).max(axis=1)
        lows = np.searchsorted(places[:, 0], corners[:, :, 0].min(axis=1) - SAME * sizes)
        highs = np.searchsorted(places[:, 0], corners[:, :, 0].max(axis=1) + SAME * sizes, side="right")
        for number, facet in enumerate(facets):
            there = slice(lows[number], highs[number])
            offset = places[there] - corners[number, 0]
            shares = offset @ inverses[number].T
            apart = np.linalg.norm(offset - shares @ spans[number], axis=1)
            every = np.concatenate([1.0 - shares.sum(axis=1, keepdims=True), shares], axis=1)
            inside = (apart < SAME * sizes[number]) & (every.min(axis=1) > -SAME) & (every.max(axis=1) < 1.0 - SAME)
            if (inside & (order[there] != len(numbers) + number)).any():
                kind, other = ("edge", "") if self.axes == 2 else ("facet", ", or another facet over it")
                told = f"have a point inside the {kind} {facet.tolist()}{other}: cells that meet there should share it"
                raise refuse(("cells",), told, None)

    def _check_sides(self) -> None:
        facets, counts = self._facets
        known, taken = {tuple(facet): count for facet, count in zip(facets.tolist(), counts, strict=True)}, set()
        for name, own in self.sides.items():
            if name in (REST, "default"):
                raise refuse(("sides", name), "is the name of what no side has: call it otherwise", None)
            for number, facet in enumerate(own):
                key = tuple(sorted(facet))
                if len(key) != self.axes or known.get(key) != 1:
                    raise refuse(("sides", name, number), "is no facet of the boundary", facet)
                if key in taken:
                    raise refuse(("sides", name, number), "is named twice", facet)
                taken.add(key)

    def __eq__(self, other: object) -> bool:
        """By what a spec says; arrays are kept beside."""
        return isinstance(other, MeshDomain) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.points, self.cells))

    @property
    def axes(self) -> int:
        return len(self.points[0])

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], Ints]:
        """Points, and cells of positive orientation."""
        points, cells = np.array(self.points), np.array(self.cells, dtype=np.int32)
        wrong = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]) < 0.0
        cells[wrong, -2:] = cells[wrong, -2:][:, ::-1]
        return points, cells

    @cached_property
    def _facets(self) -> tuple[Ints, NDArray[np.intp]]:
        """All facets, the numbers of each sorted, and how many cells have them."""
        _, cells = self._arrays
        ends = [np.sort(cells[:, list(pick)], axis=1) for pick in combinations(range(self.axes + 1), self.axes)]
        facets, counts = np.unique(np.concatenate(ends), axis=0, return_counts=True)
        return facets, counts

    def _folded(self) -> tuple[int, tuple[int, ...]] | None:
        """A cell that overlaps a neighbour, and the facet between them: both run through it in the same sense."""
        (_, cells), d = self._arrays, self.axes
        known: dict[tuple[int, ...], int] = {}
        for pick in combinations(range(d + 1), d):
            ends = cells[:, list(pick)].astype(np.int64)
            turns = np.prod([np.sign(ends[:, j] - ends[:, i]) for i, j in combinations(range(d), 2)], axis=0)
            turns = turns * (-1) ** (sum(range(d + 1)) - sum(pick))
            for cell, (facet, turn) in enumerate(zip(np.sort(ends, axis=1).tolist(), turns.tolist(), strict=True)):
                key = tuple(facet)
                if known.get(key, 0) == turn:
                    return cell, key
                known[key] = turn
        return None

    def side_names(self) -> tuple[str, ...]:
        _, counts = self._facets
        rest = int(np.count_nonzero(counts == 1)) > sum(map(len, self.sides.values()))
        return (*self.sides, REST) if rest else tuple(self.sides)

    def arrays(self) -> tuple[NDArray[np.float64], Ints, Ints, Ints]:
        """Points, cells, the facets of the boundary, and the number of the side of each."""
        points, cells = self._arrays
        facets, counts = self._facets
        outer = facets[counts == 1]
        number = {tuple(sorted(f)): i for i, own in enumerate(self.sides.values()) for f in own}
        sides = [number.get(tuple(facet), len(self.sides)) for facet in outer.tolist()]
        return points, cells, outer, np.array(sides, dtype=np.int32)

    @cached_property
    def volume(self) -> float:
        points, cells = self._arrays
        spans = points[cells[:, 1:]] - points[cells[:, :1]]
        return float(np.linalg.det(spans).sum() / (2.0 if self.axes == 2 else 6.0))

    def measure(self, side: str) -> float:
        """The length or area of a side."""
        points, _, facets, sides = self.arrays()
        corners = points[facets[sides == self.side_names().index(side)]]
        if self.axes == 2:
            return float(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1).sum())
        crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return float(np.linalg.norm(crossed, axis=1).sum() / 2.0)
