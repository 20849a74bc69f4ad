"""The interface of a domain to walks: how far it is to the boundary, and where the boundary is met.

A shape is one file: a NamedTuple of arrays and numbers that compiled code sees, the compiled operations on it, and a
``Geometry`` for everything else. Kernels call the operations below; numba chooses the implementation by the type of
the NamedTuple, so that a kernel is written once and compiled once per shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.philox import FAST, Key, levels

type Elements = NDArray[np.int32]

MOST_DIMENSIONS = 20
MOST_PROPOSALS = 1000
"""Proposals per accepted point before a domain is taken to have no room inside its margin."""


def reach2(shape: Any, x: Any, y: Any) -> Any:
    """(radius, hint): a radius of a disk about an interior point that stays inside, and what ``touch2`` may want.

    The radius is the exact distance to the boundary wherever that is at most ``Geometry.largest_epsilon``.
    """
    raise NotImplementedError


def touch2(shape: Any, hint: Any, x: Any, y: Any) -> Any:
    """(x, y, element): the nearest point of the boundary, and the element of the boundary that it lies on."""
    raise NotImplementedError


def reach3(shape: Any, x: Any, y: Any, z: Any) -> Any:
    """``reach2`` in space: (radius, hint)."""
    raise NotImplementedError


def touch3(shape: Any, hint: Any, x: Any, y: Any, z: Any) -> Any:
    """``touch2`` in space: (x, y, z, element)."""
    raise NotImplementedError


def reach(shape: Any, x: Any) -> Any:
    """(radius, hint) at a point of any dimension, an array [d]."""
    raise NotImplementedError


def touch(shape: Any, hint: Any, x: Any) -> Any:
    """Move the array x [d] to the nearest point of the boundary; the element it lies on."""
    raise NotImplementedError


def implements[F: Callable[..., Any]](operation: Callable[..., Any], shape: type) -> Callable[[F], F]:
    """Register a function as the compiled ``operation`` of a shape's NamedTuple.

    It is inlined, because passing a tuple of many arrays costs as much as a step of a walk. It stands in the file of
    the NamedTuple, or in one that this imports: by those a kernel on disk is known to be still valid.
    """

    def register(function: F) -> F:
        @overload(operation, jit_options={"fastmath": FAST, "forceinline": True}, strict=False)
        def _choose(kind: Any, *_: Any) -> Callable[..., Any] | None:
            return function if getattr(kind, "instance_class", None) is shape else None

        return function

    return register


class Geometry(ABC):
    """A bounded domain with a boundary made of named sides.

    The boundary is a list of elements (edges, triangles, faces), the numbers that kernels emit; every element belongs
    to one side.
    """

    dimension: int
    sides: tuple[str, ...]
    """Names of the sides, in order."""
    shape: Any
    """The NamedTuple that compiled operations take."""
    lower: Array
    """Lower corner of the bounding box, [d]."""
    extent: Array
    """Lengths of the bounding box, [d]."""
    volume: float
    """Area in two dimensions."""
    convex: bool = False
    """Whether it is known to be convex, and every side of it ends walks."""
    largest_epsilon: float = np.inf
    """The thickest shell about the boundary that walks may stop in."""

    @property
    @abstractmethod
    def diameter(self) -> float:
        """The greatest distance between two points of the domain, or a slightly larger number."""

    @abstractmethod
    def measure(self, side: str) -> float:
        """Length in two dimensions, area in three, of a side."""

    @abstractmethod
    def distance(self, points: ArrayLike) -> Array:
        """Signed distance of points [n, d] to the boundary, [n]: positive inside, negative outside, 0 on it."""

    @abstractmethod
    def boundary(self, count: int) -> tuple[Array, NDArray[np.intp]]:
        """About ``count`` points spread evenly over the boundary, the same at every call.

        Returns positions [m, d] and their sides' numbers [m]; m = count, except that each face of a box beyond two
        dimensions has at least one.
        """

    def side_of(self, element: ArrayLike) -> NDArray[np.intp]:
        """The numbers in ``sides`` of elements; -1 (a walk that was cut short) stays -1."""
        return np.asarray(element, np.intp)

    def propose(self, uniforms: Array) -> Array:
        """Points [n, d], uniform in a set that contains the domain, from numbers [n, d] in (0, 1)."""
        return np.asarray(self.lower + self.extent * uniforms)

    def interior(self, count: int, key: Key, stream: int = 0, margin: float = 0.0) -> Array:
        """Points [count, d] uniform in the part of the domain further than ``margin`` from the boundary.

        The points are a function of key and stream; asking for more of them keeps the first ones. Refuses a margin
        that leaves no room.
        """
        found: list[Array] = []
        kept, tried = 0, 0
        while kept < count:
            batch = max(256, 2 * (count - kept))
            points = self.propose(levels(key, tried, batch, self.dimension, stream=stream))
            points = points[self.distance(points) > margin]
            found.append(points)
            kept, tried = kept + len(points), tried + batch
            if tried > MOST_PROPOSALS * (kept + 256):
                raise SolverError(
                    f"hardly any point of the domain is further than {margin:g} from its boundary: make epsilon smaller"
                )
        return np.concatenate([np.empty((0, self.dimension)), *found])[:count]

    @cached_property
    def somewhere(self) -> Array:
        """One point inside, [1, d]."""
        return self.interior(1, (0, 0))

    def checked(self, points: ArrayLike) -> Array:
        """Points as a float64 array [n, d] that owns its numbers; refuses another shape."""
        array = np.array(points, np.float64, order="C", ndmin=2)
        if array.ndim != 2 or array.shape[1] != self.dimension:
            raise SolverError(f"points need the shape [n, {self.dimension}], not {list(array.shape)}")
        return array

    def side_number(self, side: str) -> int:
        """The place of a side in ``sides``; refuses a name that is none."""
        if side not in self.sides:
            raise SolverError(f"there is no side {side!r}; the sides are {', '.join(self.sides)}")
        return self.sides.index(side)
