"""Rows of a user's own array: sample i takes row i."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limits
from scipy.interpolate import RegularGridInterpolator

from pdemill.arrays import UserArray, find, order
from pdemill.draws import Draw
from pdemill.errors import ArrayError
from pdemill.points import Array, Points, TensorPoints
from pdemill.spec.array_file import without_file
from pdemill.spec.field import Field, Function
from pdemill.spec.model import as_tuple, refuse

if TYPE_CHECKING:
    from pdemill.spec.problem import Problem

COARSE = 4
"""Blocks per axis whose means are the features of a row."""
MOST_SCALED = 64
"""Rows that tell how features are scaled."""

Rows = Annotated[tuple[int, int], BeforeValidator(as_tuple)]


class OwnArray(Field):
    """Row i of an array [rows, *space] for sample i of a split; with several splits ``rows`` gives each its own, as
    ``rows: {train: [0, 800], test: [800, 1000]}``.

    The values belong to equal cells of the domain (``points: cells``), to nodes from end to end (``nodes``), or to
    nodes of a periodic domain (``periodic``). Where those are not the points of the job's grid, ``interpolate`` says
    how to go over: ``linear``, ``nearest``, or ``spectral`` from periodic points. Finer grids, as those of estimates,
    take linear interpolation where nothing is said, spectral from periodic points; so the datum of the equation is that
    function. Beyond the outermost values the nearest one holds.

    ``shuffle``: a seed, by which the rows of a split are taken in another order.
    A spec names the array by the id of its content, as ``array``; the command line and Python also take ``file``.
    """

    field: Literal["array"]
    array: Annotated[str, Limits(pattern="^[0-9a-f]{64}$")]
    rows: dict[str, Rows] | None = Limits(default=None, max_length=100)
    points: Literal["cells", "nodes", "periodic"] = "cells"
    interpolate: Literal["linear", "nearest", "spectral"] | None = None
    shuffle: Annotated[int, Limits(ge=0, lt=2**63)] | None = Limits(default=None, exclude_if=lambda seed: seed is None)
    seeded: ClassVar[bool] = False
    smooth: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, value: Any) -> Any:
        return without_file(value)

    @model_validator(mode="after")
    def _fits_itself(self) -> OwnArray:
        shape = self._array.facts.shape
        for split, (begin, end) in (self.rows or {}).items():
            if not 0 <= begin < end <= shape[0]:
                raise refuse(
                    ("rows", split), f"should be [first, behind the last] of the {shape[0]} rows", (begin, end)
                )
        if self.interpolate == "spectral" and self.points != "periodic":
            raise refuse(("interpolate",), "spectral is from points: periodic", self.interpolate)
        return self

    @cached_property
    def _array(self) -> UserArray:
        try:
            return find(self.array)
        except ArrayError as error:
            raise refuse(("array",), str(error), self.array) from None

    @property
    def array_id(self) -> str:
        return self.array

    @property
    def cells(self) -> tuple[int, ...] | None:
        own = self.points == "cells" and self.interpolate in (None, "nearest")
        return self._array.facts.shape[1:] if own else None

    def nearest(self) -> OwnArray:
        return self.model_copy(update={"interpolate": "nearest"}) if self.interpolate is None else self

    def bounds(self) -> tuple[float, float] | None:
        """Those of the array; a trigonometric polynomial goes beyond them."""
        return None if self._spectral else (self._array.facts.low, self._array.facts.high)

    def extreme(self) -> str:
        return f"row {self._array.facts.low_row} of the array"

    def objection(self, dimension: int, axes: tuple[str, ...]) -> str | None:
        given = len(self._array.facts.shape) - 1
        if given != dimension:
            return f"has {given} axes of space, and this is in {dimension} dimensions"
        return None

    def misfit(self, problem: Problem, splits: Mapping[str, int]) -> tuple[str, str] | None:
        here, by = "x".join(map(str, problem.cells)), problem.discretisation
        if self.interpolate is None and (self._array.facts.shape[1:], self.points) != (problem.cells, by.points):
            own = "x".join(map(str, self._array.facts.shape[1:]))
            told = f"the job on {here} {by.points}" if by.points else f"{by.name} has no grid"
            return "interpolate", f"is needed: the array is on {own} {self.points}, {told}"
        if self.interpolate == "spectral" and not by.points:
            return "interpolate", f"cannot be spectral: {by.name} has no grid"
        for split, samples in splits.items():
            if self.rows is None and len(splits) > 1:
                return "rows", f"is needed where there are several splits: which rows {', '.join(splits)} take"
            if self.rows is not None and split not in self.rows:
                return "rows", f"says nothing of the split {split}"
            begin, end = self._range(split)
            if samples > end - begin:
                return "rows", f"has {end - begin} rows for the {samples} samples of {split}"
        return None

    def _range(self, split: str) -> tuple[int, int]:
        return (0, self._array.facts.shape[0]) if self.rows is None else self.rows[split]

    @property
    def jumps(self) -> bool:
        return self.interpolate in (None, "nearest")

    def realise(self, draw: Draw) -> Function:
        number = self.row_of(draw.split, draw.sample)

        def evaluate(points: Points) -> Array:
            return self._on(points, self._array.row(number))

        def features(points: Points) -> Array:
            middle, width = self._scale
            return np.asarray((_coarse(self._array.row(number)) - middle) / width)

        return Function(evaluate, True, features, {"row": float(number)})

    def row_of(self, split: str, sample: int) -> int:
        """The row that a sample of a split takes."""
        begin, end = self._range(split)
        if sample >= end - begin:
            raise ArrayError(f"sample {sample} of {split} has no row: there are {end - begin}")
        return begin + int(self._order(end - begin)[sample])

    def _order(self, rows: int) -> Sequence[int] | NDArray[np.intp]:
        """The numbers of rows in the order in which samples take them."""
        if self.shuffle is None:
            return range(rows)
        if rows not in self._orders:
            self._orders[rows] = order(rows, self.shuffle)
        return self._orders[rows]

    @cached_property
    def _orders(self) -> dict[int, NDArray[np.intp]]:
        return {}

    @cached_property
    def _scale(self) -> tuple[Array, float]:
        """The mean of features over some rows, and the width that gives them a total variance of about one."""
        count = self._array.facts.shape[0]
        numbers = np.unique(np.linspace(0, count - 1, min(count, MOST_SCALED)).astype(int))
        found = np.array([_coarse(self._array.row(number)) for number in numbers])
        return found.mean(axis=0), float(np.sqrt(found.var(axis=0).sum())) or 1.0

    def _on(self, points: Points, row: Array) -> Array:
        if isinstance(points, TensorPoints):
            units = [points.unit(axis) for axis in range(row.ndim)]
            if all(map(_same, units, map(self._places, row.shape))):
                return row
            if self._spectral and all(map(_equidistant, units)):
                for axis, unit in enumerate(units):
                    row = _on_lattice(row, axis, unit)
                return row
        places = [np.broadcast_to(points.fraction(name), points.shape) for name in points.free]
        return _anywhere(row, places) if self._spectral else self._interpolated(row, np.stack(places, axis=-1))

    @property
    def _spectral(self) -> bool:
        return self.interpolate == "spectral" or (self.interpolate is None and self.points == "periodic")

    def _places(self, n: int) -> Array:
        """Unit coordinates of the values along an axis."""
        if self.points == "nodes":
            return np.linspace(0.0, 1.0, n)
        return (np.arange(n) + (0.5 if self.points == "cells" else 0.0)) / n

    def _interpolated(self, row: Array, places: Array) -> Array:
        own = [self._places(n) for n in row.shape]
        if self.points == "periodic":
            row = np.pad(row, [(0, 1)] * row.ndim, mode="wrap")
            own = [np.append(line, 1.0) for line in own]
            places = places % 1.0
        lower, upper = (np.array([line[end] for line in own]) for end in (0, -1))
        method = "nearest" if self.interpolate == "nearest" else "linear"
        return np.asarray(RegularGridInterpolator(own, row, method=method)(np.clip(places, lower, upper)))


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0.0, atol=1e-12)


def _equidistant(places: Array) -> bool:
    m = len(places)
    return _same(places, places[0] + np.arange(m) / m)


def _on_lattice(row: Array, axis: int, places: Array) -> Array:
    """Values at ``places``, a period in equal steps, of the trigonometric polynomial through periodic values along an
    axis; the mode of half the points is taken as a cosine."""
    modes, k = _modes(np.moveaxis(row, axis, -1))
    m = len(places)
    every = -(-len(k) // m)
    wide = np.zeros((*modes.shape[:-1], every * m), complex)
    wide[..., k] = modes * np.exp(2j * np.pi * k * places[0])
    return np.asarray(np.moveaxis(np.fft.ifft(wide)[..., ::every].real * (every * m), -1, axis))


def _anywhere(row: Array, places: list[Array]) -> Array:
    """The same at any places, one array of unit coordinates for each axis."""
    total = np.asarray(row, complex)[None]
    for place in places:  # of the axes that are left, the first
        modes, k = _modes(np.moveaxis(total, 1, -1))
        waves = np.exp(2j * np.pi * k * place.reshape(-1, 1))
        total = np.einsum("pk,p...k->p...", waves, np.broadcast_to(modes, (len(waves), *modes.shape[1:])))
    return np.asarray(total.real.reshape(places[0].shape))


def _modes(values: NDArray[Any]) -> tuple[NDArray[np.complex128], NDArray[np.intp]]:
    """Coefficients of exp(2 pi i k s) along the last axis, and k."""
    n = values.shape[-1]
    modes, k = np.fft.fft(values) / n, np.fft.fftfreq(n, 1.0 / n).astype(np.intp)
    if n % 2 == 0:
        modes[..., n // 2] *= 0.5
        modes, k = np.concatenate([modes, modes[..., n // 2, None]], axis=-1), np.append(k, n // 2)
    return modes, k


def _coarse(row: Array) -> Array:
    """Means over a few blocks along every axis, in one list."""
    for axis in range(row.ndim):
        ends = np.linspace(0, row.shape[axis], min(COARSE, row.shape[axis]) + 1).astype(int)[:-1]
        counts = np.diff(np.append(ends, row.shape[axis])).reshape([-1 if a == axis else 1 for a in range(row.ndim)])
        row = np.add.reduceat(row, ends, axis=axis) / counts
    return np.asarray(row.ravel())
