"""Samples on meshes as images: values on a grid over the domain, with a mask and the distance to the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from operator import index as as_index
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.errors import IncompleteStore, StoreError
from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.distances import signed_distance
from pdemill.reader.grounds import of_regions
from pdemill.reader.indexing import Numbers, number_of, numbers_of
from pdemill.reader.locating import Places, locate
from pdemill.reader.normaliser import Normaliser, normaliser
from pdemill.store.moments import Moments
from pdemill.store.root import is_pointwise

REGION, MASK, DISTANCE = "region", "mask", "signed_distance"
"""Channels of x that come last: 0, or 1 + the number of the inclusion that a place is in, where no other channel tells;
1 in the domain, 0 outside; the distance to its boundary, negative outside."""
MOST = 4096
"""Cells of the grid along an axis, and the root of how many there are in all."""
ROUND = ("disk", "star")


class Resampled:
    """Samples of a store of triangle meshes, or tetrahedra, on a grid: ``data[i]``, ``data[a:b]``, ``data[[3, 1, 7]]``.

    An item has ``x`` [Cin + 2, nx, ny] and ``y`` [Cout, nx, ny], in space [.., nx, ny, nz], at the centres of nx by ny
    (by nz) equal cells of a box: values of the elements where these are, 0 outside of the domain, and as the last
    channels of x a ``mask``, 1 in the domain and 0 outside, and ``signed_distance``, that to the boundary in units of
    length, negative outside. P1 and P2
    functions are evaluated within their cells: nothing is smoothed. Fields of ``regions`` have the value of the cell.
    Where inclusions move and no such field is among the channels, ``region`` comes before the mask: the cell's own.
    ``box``: its lower and its upper corner, by default that around the domain, the same for all samples; where outlines
    are drawn, a square half as large again as the median one. Raises StoreError for a store without such a mesh,
    ValueError for a grid that is none, and where a sample reaches beyond the default box.
    """

    def __init__(self, data: Dataset, resample: Sequence[int], box: Sequence[Sequence[float]] | None = None) -> None:
        self.data, self.shape, self._given_box = data, _shape(resample), box
        shared = {} if is_pointwise(data.attributes) else data.shared()
        if "cells" not in shared or data.in_time:
            raise StoreError(f"{shown(data.store)} cannot be resampled: it holds no triangles and no tetrahedra")
        self._axes = int(shared["points"].shape[1])
        if len(self.shape) != self._axes:
            raise ValueError(f"resample={self.shape} has {len(self.shape)} axes, and the mesh {self._axes}")
        self._mesh = shared
        self._own = "points" in data.stored
        self.lower, self.upper = self._framed() if box is None else _box(box, self._axes)

    def __repr__(self) -> str:
        return f"{self.data!r} on {' x '.join(map(str, self.shape))} cells"

    def __len__(self) -> int:
        return len(self.data)

    def __reduce__(self) -> tuple[Any, ...]:
        return Resampled, (self.data, self.shape, self._given_box)

    def __getitem__(self, index: SupportsIndex | Numbers) -> Sample:
        if isinstance(index, SupportsIndex) and not getattr(index, "ndim", 0):
            place = number_of(as_index(index), len(self), "sample")
            return self._on_grid(self.data[place], place)
        numbers = numbers_of(index, len(self), "sample")
        if not len(numbers):
            channels = len(self.channels), len(self.solution_channels)
            return {key: np.empty((0, n, *self.shape), np.float32) for key, n in zip("xy", channels, strict=True)}
        return {k: np.stack(v) for k, v in _columns(self.__getitems__(numbers.tolist())).items()}

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        places = numbers_of(indices, len(self), "sample").tolist()
        samples = self.data.__getitems__(places)
        return [self._on_grid(one, place) for one, place in zip(samples, places, strict=True)]

    @property
    def numbers(self) -> NDArray[np.intp]:
        """The numbers of its samples in the split."""
        return self.data.numbers

    @property
    def channels(self) -> tuple[str, ...]:
        """Names along the channel axis of x."""
        return (*self.data.channels, *([REGION] if self._tells_regions else []), MASK, DISTANCE)

    @property
    def solution_channels(self) -> tuple[str, ...]:
        """Names along the channel axis of y."""
        return self.data.solution_channels

    def coordinates(self) -> tuple[NDArray[np.float64], ...]:
        """The centres of the cells along x and y, and z in space."""
        return tuple(
            low + (np.arange(n) + 0.5) * (high - low) / n
            for n, low, high in zip(self.shape, self.lower, self.upper, strict=True)
        )

    @cached_property
    def _centres(self) -> NDArray[np.float64]:
        return np.stack(np.meshgrid(*self.coordinates(), indexing="ij"), axis=-1).reshape(-1, self._axes)

    def _framed(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        points = self._mesh["points"]
        if self._own and self.data.attributes["spec"]["problem"]["domain"]["shape"] in ROUND:
            size = 1.5 * float(np.hypot(*points.T).max())
            return (-size, -size), (size, size)
        return tuple(points.min(axis=0).tolist()), tuple(points.max(axis=0).tolist())

    def _on_grid(self, sample: Sample, place: int) -> Sample:
        own = sample["points"].astype(np.float64) if self._own else None
        if own is not None and self._given_box is None:
            size = 1e-6 * (np.array(self.upper) - self.lower)
            if (own < self.lower - size).any() or (own > self.upper + size).any():
                told = f"sample {self.numbers[place]} reaches beyond the box {self.lower} to {self.upper}"
                raise ValueError(f"{told}: give resample_box, its corners")
        found, distance = self._shared if own is None else self._located(own)
        mask = (found.cell >= 0).astype(np.float64)
        x = found.of(sample["x"])
        for number in self._of_regions:
            x[number] = self._regional(found, sample["x"][number])
        if self._tells_regions:
            x = np.concatenate([x, (self._mesh["cell_regions"][found.cell] * mask)[None]])
        x = np.concatenate([x, mask[None], distance[None]])
        fields = {"x": x, "y": found.of(sample["y"])}
        return {name: v.reshape(len(v), *self.shape).astype(np.float32) for name, v in fields.items()}

    @cached_property
    def _shared(self) -> tuple[Places, NDArray[np.float64]]:
        return self._located(self._mesh["points"])

    def _located(self, points: NDArray[np.float64]) -> tuple[Places, NDArray[np.float64]]:
        found = locate(points, self._mesh["cells"], self._centres)
        return found, signed_distance(points, self._mesh["facets"], self._centres, found.cell >= 0)

    @cached_property
    def _of_regions(self) -> list[int]:
        """The input channels that have a value in each region."""
        return of_regions(self.data)

    @cached_property
    def _tells_regions(self) -> bool:
        """Whether inclusions move from sample to sample, and no input channel says where they are."""
        return self._own and "cell_regions" in self._mesh and not self._of_regions

    @cached_property
    def _outer(self) -> NDArray[np.bool_]:
        """The nodes that are in no inclusion."""
        found = np.ones(len(self._mesh["points"]), dtype=bool)
        found[self._mesh["cells"][self._mesh["cell_regions"] > 0]] = False
        return found

    def _regional(self, found: Places, values: NDArray[Any]) -> NDArray[np.float64]:
        """The values of a field of regions: rims are of inclusions, so that cells without take other nodes alone."""
        corners = found.nodes[:, : self._axes + 1]
        plain = self._mesh["cell_regions"][found.cell] == 0
        weights = np.where(plain[:, None] & ~self._outer[corners], 0.0, np.maximum(found.inside, 0.0))
        total = weights.sum(axis=1)
        lone = (total == 0.0) & (found.cell >= 0)  # a cell, or its side, with nothing but rims
        made = (values[corners] * weights).sum(axis=1) / np.where(total > 0.0, total, 1.0)
        if lone.any():
            made[lone] = values[self._nearest_outer(found.cell[lone])]
        return np.asarray(np.where(found.cell >= 0, made, 0.0))

    def _nearest_outer(self, cells: NDArray[np.intp]) -> NDArray[np.intp]:
        """By cell the node outside of inclusions that is nearest to its centre, in the template."""
        points, outer = self._mesh["points"], np.flatnonzero(self._outer)
        centres = points[self._mesh["cells"][cells, : self._axes + 1]].mean(axis=1)
        return np.asarray(outer[((points[outer][None] - centres[:, None]) ** 2).sum(axis=2).argmin(axis=1)])

    def normaliser(self, key: Literal["x", "y"]) -> Normaliser:
        """The map that brings x or y to mean 0 and standard deviation 1 per channel within the domain, by the certified
        samples of the first split, which are read for it once; the mask and the distance count everywhere. Raises
        IncompleteStore while the store is not finished."""
        return self._normalisers[key]

    @cached_property
    def _normalisers(self) -> dict[str, Normaliser]:
        told = self.data.attributes
        if not told["complete"]:
            raise IncompleteStore(f"{shown(self.data.store)} has no statistics yet; they come with its last shard")
        first = next(iter(told["spec"]["splits"]))
        data = self if self.data.split == first and self.data.where is None else self._of_split(first)
        return {key: normaliser(values, self._axes) for key, values in _statistics(data).items()}

    def _of_split(self, split: str) -> Resampled:
        other = Dataset(self.data.store, split, self.data._api_key)
        return Resampled(other, self.shape, (self.lower, self.upper))


def _statistics(data: Resampled) -> dict[str, list[dict[str, Any]]]:
    """Mean and standard deviation of every channel over all certified samples of a split."""
    totals = {"x": [Moments()] * len(data.channels), "y": [Moments()] * len(data.solution_channels)}
    for shard in data.data.shards:
        for sample in data.__getitems__(data.data.certified(shard).tolist()):
            within = sample["x"][-2] > 0.0
            for key, moments in totals.items():
                for number, values in enumerate(sample[key]):
                    everywhere = key == "x" and number >= len(moments) - 2
                    counted = values.ravel() if everywhere else values[within]
                    moments[number] += Moments.of([counted] if counted.size else [])
    return {key: [one.summary() for one in moments] for key, moments in totals.items()}


def _columns(samples: Sequence[Sample]) -> dict[str, list[NDArray[Any]]]:
    return {key: [sample[key] for sample in samples] for key in samples[0]}


def _shape(given: Sequence[int]) -> tuple[int, ...]:
    try:
        shape = tuple(as_index(n) for n in given)
    except TypeError:
        shape = ()
    if len(shape) not in (2, 3) or not all(1 <= n <= MOST for n in shape) or prod(shape) > MOST**2:
        told = "the cells of a grid along x and y, such as (64, 64), and z in space"
        raise ValueError(f"resample is {told}, not {given!r:.60}")
    return shape


def _box(given: Sequence[Sequence[float]], axes: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        corners: NDArray[np.float64] = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        corners = np.zeros(0)
    if corners.shape != (2, axes) or not np.isfinite(corners).all() or not (corners[0] < corners[1]).all():
        raise ValueError(f"resample_box is the lower and the upper corner, such as {[[0] * axes, [1] * axes]}")
    return tuple(corners[0].tolist()), tuple(corners[1].tolist())
