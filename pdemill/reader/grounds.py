"""What the values of samples lie on, and how values elsewhere are made of them: grids of boxes, and meshes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import product
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.draws import Draw
from pdemill.errors import StoreError
from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.locating import Places, locate
from pdemill.spec.domain import BOX_SIDES
from pdemill.store.root import is_pointwise

type Array = NDArray[np.float64]


def ground_of(data: Dataset, of: str, interpolate: str) -> Ground:
    """That of a store; ``of``: x or y. Raises StoreError for a store whose samples cannot be evaluated elsewhere."""
    shared = {} if is_pointwise(data.attributes) else data.shared()
    if "cells" in shared:
        return Mesh(data, shared, of, interpolate)
    return Grid(data, shared, of, interpolate)


class Ground(ABC):
    """``axes`` of the space, ``trailing`` axes of the arrays that are places; ``moves``: whether every sample has its
    own."""

    axes: int
    trailing: int
    moves: bool = False

    @abstractmethod
    def check(self, places: Array) -> None:
        """Raise ValueError for places that no sample has."""

    @abstractmethod
    def random(self, sample: Sample, draw: Draw, count: int) -> Array:
        """So many places, uniform."""

    @abstractmethod
    def at(self, sample: Sample, values: Array, places: Array) -> Array:
        """Values [..., *space] of a sample at places [P, d]: [..., P]."""

    def _as_wide(self, places: Array, what: str) -> None:
        if places.shape[1] != self.axes:
            raise ValueError(f"the places of sensors have {places.shape[1]} coordinates, {what} {self.axes}")


class Grid(Ground):
    """A grid of a whole box that all samples share: linear between its points, or the nearest one."""

    def __init__(self, data: Dataset, grid: Mapping[str, NDArray[Any]], of: str, interpolate: str) -> None:
        problem = data.attributes["spec"]["problem"]
        domain = problem.get("domain") or {}
        whole = all(key in ("shape", "lengths") or not value for key, value in domain.items())
        if not whole or "points" in grid or "x" not in grid or problem.get("stretch") is not None:
            raise StoreError(f"{shown(data.store)} cannot be seen by sensors: its samples share no grid of a whole box")
        self._interpolate = interpolate
        self._nodes = [grid[axis] for axis in "xyz" if axis in grid]
        self.axes = self.trailing = len(self._nodes)
        self._lengths = np.array(domain.get("lengths") or [1.0] * self.axes, float)
        if data.reader("x" if of == "x" else "y").header.shape[-self.axes :] != tuple(map(len, self._nodes)):
            raise StoreError(f"{shown(data.store)} does not tell where the values of {of} are")
        boundary = data.attributes["boundary"]
        self._periodic = [
            _is_periodic(nodes, length) or any("periodic" in str(boundary.get(side)) for side in sides)
            for nodes, length, sides in zip(self._nodes, self._lengths, BOX_SIDES, strict=False)
        ]

    def check(self, places: Array) -> None:
        self._as_wide(places, "the box")
        outside = ((places < 0.0) | (places > self._lengths)).any(axis=1)
        if outside.any():
            number = int(np.flatnonzero(outside)[0])
            box = " x ".join(f"[0, {length:g}]" for length in self._lengths)
            raise ValueError(f"sensor {number} at {places[number].tolist()} is outside the box {box}")

    def random(self, sample: Sample, draw: Draw, count: int) -> Array:
        return np.asarray(draw.uniform(count * self.axes).reshape(count, -1) * self._lengths)

    def at(self, sample: Sample, values: Array, places: Array) -> Array:
        ways = [self._way(axis, places[:, axis]) for axis in range(self.axes)]
        total = np.zeros((*values.shape[: -len(ways)], len(places)))
        for corner in product((0, 1), repeat=len(ways)):
            weight = np.prod([way[1][side] for way, side in zip(ways, corner, strict=True)], axis=0)
            at: tuple[Any, ...] = (..., *(way[0][side] for way, side in zip(ways, corner, strict=True)))
            if weight.any():
                total += weight * values[at]
        return total

    def _way(self, axis: int, at: Array) -> tuple[list[NDArray[np.intp]], list[Array]]:
        """The two points of an axis by which a value is found, and their weights."""
        nodes, n = self._nodes[axis], len(self._nodes[axis])
        place = (at - nodes[0]) / (nodes[1] - nodes[0])
        below = np.floor(place).astype(np.intp)
        if not self._periodic[axis]:
            below = np.clip(below, 0, n - 2)
        upper = place - below
        if self._interpolate == "nearest":
            upper = (upper >= 0.5).astype(float)
        return [below % n, (below + 1) % n], [1.0 - upper, upper]


class Mesh(Ground):
    """A mesh of triangles or tetrahedra, of all samples or, with their ``points``, of each: values of its elements."""

    trailing = 1

    def __init__(self, data: Dataset, shared: Mapping[str, NDArray[Any]], of: str, interpolate: str) -> None:
        if interpolate != "linear":
            raise ValueError("on a mesh values are those of its elements: leave interpolate out")
        if of == "x" and (names := of_regions(data)):
            name = data.channels[names[0]]
            raise StoreError(f"{shown(data.store)} has {name} by cells: sensors see y, and resample gives {name}")
        self._cells = shared["cells"]
        self._template = np.asarray(shared["points"], np.float64)
        self.axes = int(self._template.shape[1])
        self.moves = "points" in data.stored
        self._found: tuple[Array, Places] | None = None

    def check(self, places: Array) -> None:
        self._as_wide(places, "the mesh")
        if self.moves:
            return
        outside = locate(self._template, self._cells, places).cell < 0
        if outside.any():
            number = int(np.flatnonzero(outside)[0])
            raise ValueError(f"sensor {number} at {places[number].tolist()} is outside the mesh")

    def _points(self, sample: Sample) -> Array:
        return sample["points"].astype(np.float64) if self.moves else self._template

    def random(self, sample: Sample, draw: Draw, count: int) -> Array:
        corners = self._points(sample)[self._cells[:, : self.axes + 1]]
        volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / factorial(self.axes)
        levels = draw.uniform(count * (self.axes + 1)).reshape(count, -1)
        upto = np.cumsum(volumes)
        cell = np.minimum(np.searchsorted(upto, levels[:, 0] * upto[-1], side="right"), len(upto) - 1)
        inside = np.diff(np.sort(levels[:, 1:], axis=1), axis=1, prepend=0.0, append=1.0)  # uniform in a simplex
        return np.asarray(np.einsum("pc,pcd->pd", inside, corners[cell]))

    def at(self, sample: Sample, values: Array, places: Array) -> Array:
        if self.moves or self._found is None or not np.array_equal(self._found[0], places):
            self._found = places, locate(self._points(sample), self._cells, places)
        _, found = self._found
        return np.where(found.cell >= 0, found.of(values), np.nan)


def of_regions(data: Dataset) -> list[int]:
    """The input channels that have a value in each region of a mesh."""
    problem = data.attributes["spec"]["problem"]
    found = set()
    for name, value in {**problem, **problem.get("coefficients", {})}.items():
        entries = value if isinstance(value, list) else [value]
        for axis, entry in zip("xyz", entries, strict=False):
            if isinstance(entry, Mapping) and entry.get("field") == "regions":
                found |= {name} if len(entries) == 1 else {f"{name}_{axis}"}
    return [number for number, name in enumerate(data.channels) if name in found]


def _is_periodic(nodes: NDArray[Any], length: float) -> bool:
    """Whether the points of an axis are those of a period, the first at 0 and none at its end."""
    return bool(abs(nodes[0]) < 1e-12 * length and nodes[-1] + 0.5 * (nodes[1] - nodes[0]) < length)
