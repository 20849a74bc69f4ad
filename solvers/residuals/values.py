"""Values on the cells of a batch, numbers or arrays, and the few functions of arrays that stencils are made with."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array

type Value = Any
"""A number, or an array [.., *space] of numpy or PyTorch that broadcasts over the batch; an axis of length 1 is one
along which nothing varies."""


class Ops(Protocol):
    """What numpy and PyTorch name differently. Axes are counted from the end: the last ones are those of space."""

    place: Hashable
    """What its arrays are: type and device."""

    def constant(self, values: Array) -> Any:
        """An array like those of the batch."""

    def where(self, condition: Any, yes: Value, no: Value) -> Any: ...

    def expm1(self, values: Any) -> Any: ...

    def roll(self, values: Any, axis: int) -> Any:
        """The values of the next cell, the first one's for the last."""

    def largest(self, values: Any, dimension: int) -> Any:
        """The largest over all cells of each sample, with axes of length 1."""

    def mean(self, values: Any, dimension: int) -> Any:
        """The mean over all cells of each sample, with axes of length 1."""

    def copy(self, values: Value, shape: tuple[int, ...]) -> Any:
        """A new array of that shape with these values in it."""


def _space(dimension: int) -> tuple[int, ...]:
    return tuple(range(-dimension, 0))


class NumpyOps:
    """Of numpy, in the given type."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self.place: Hashable = dtype.str

    def constant(self, values: Array) -> NDArray[Any]:
        return np.asarray(values, self._dtype)

    def where(self, condition: Any, yes: Value, no: Value) -> NDArray[Any]:
        return np.asarray(np.where(condition, yes, no), self._dtype)

    def expm1(self, values: Any) -> NDArray[Any]:
        return np.asarray(np.expm1(values))

    def roll(self, values: Any, axis: int) -> NDArray[Any]:
        return np.asarray(np.roll(values, -1, axis))

    def largest(self, values: Any, dimension: int) -> NDArray[Any]:
        return np.asarray(values.max(axis=_space(dimension), keepdims=True))

    def mean(self, values: Any, dimension: int) -> NDArray[Any]:
        return np.asarray(values.mean(axis=_space(dimension), keepdims=True))

    def copy(self, values: Value, shape: tuple[int, ...]) -> NDArray[Any]:
        made = np.empty(shape, self._dtype)
        made[...] = values
        return made


def along(values: Value, axis: int, part: slice) -> Value:
    """A part along one axis, counted from the end, of what varies along it; else the values themselves."""
    if not hasattr(values, "shape") or len(values.shape) < -axis or values.shape[axis] == 1:
        return values
    return values[(..., part, *(slice(None),) * (-axis - 1))]


def cells(array: Any, axis: int, part: slice) -> Any:
    """A view of a part of the cells along one axis, counted from the end."""
    return array[(..., part, *(slice(None),) * (-axis - 1))]


def is_number(value: Value) -> bool:
    """Whether it is one number for all cells of all samples."""
    return isinstance(value, int | float)
