"""The terms and the data on the sides of a batch, made of its input channels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from pdemill.draws import Draw
from pdemill.errors import FamilyError
from pdemill.points import AXES, Array, Points, TensorPoints
from pdemill.solvers.box_shaped import BoxShaped
from pdemill.solvers.residuals.values import Ops, Value
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.field import Field, Function


class OfBatch(NDArrayOperatorsMixin):
    """Values of a channel that keep being an array of their library under numpy's functions: what families make their
    terms with. On the way of gradients, and on the device, they stay where they are."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [one.values if isinstance(one, OfBatch) else one for one in inputs]
        if method != "__call__" or options:
            return NotImplemented
        if all(isinstance(one, np.ndarray | int | float) for one in plain):
            return OfBatch(ufunc(*plain))
        import torch  # late: whoever has no tensors needs no PyTorch

        function = getattr(torch, ufunc.__name__, None)
        if function is None:
            raise FamilyError(f"numpy.{ufunc.__name__}, which a family makes its terms with, has no like in PyTorch")
        plain = [torch.as_tensor(one).to(inputs_like(plain)) if isinstance(one, np.ndarray) else one for one in plain]
        return OfBatch(function(*plain))


def inputs_like(values: Sequence[Any]) -> Any:
    """The first of them that is no array of numpy and no number."""
    return next(one for one in values if not isinstance(one, np.ndarray | int | float))


@dataclass(frozen=True, eq=False)
class BatchTerms:
    """k and b per axis, c and f, and the data of each side by name, as values of cells and of sides."""

    diffusion: tuple[Value, ...]
    convection: tuple[Value, ...]
    reaction: Value
    source: Value
    sides: Mapping[str, Mapping[str, Value]]


class Grid:
    """The cells of a box problem, and what of it is the same in every sample; evaluated once."""

    def __init__(self, problem: BoxShaped, channels: Sequence[str]) -> None:
        self.problem, self.channels = problem, {name: number for number, name in enumerate(channels)}
        self.shape: tuple[int, ...] = problem.resolution
        self.lengths: tuple[float, ...] = problem.lengths
        self.spacing = tuple(length / n for length, n in zip(self.lengths, self.shape, strict=True))
        self.dimension = len(self.shape)
        centres = {
            name: np.asarray((np.arange(n) + 0.5) * h)
            for name, n, h in zip(AXES, self.shape, self.spacing, strict=False)
        }
        sizes = dict(zip(AXES, self.lengths, strict=False))
        self._points = TensorPoints(centres, sizes, centres=True)
        self._side_points: dict[str, Points] = {}
        for axis, pair in enumerate(BOX_SIDES[: self.dimension]):
            others = {name: x for name, x in centres.items() if name != AXES[axis]}
            for end, side in zip((0.0, self.lengths[axis]), pair, strict=True):
                self._side_points[side] = TensorPoints(others, sizes, {AXES[axis]: end}, centres=True)
        self._fixed: dict[tuple[str, ...], Array | float] = {}
        self._same: dict[tuple[str, ...], Array | float] = {}
        self._placed: dict[tuple[tuple[str, ...], Hashable], Any] = {}

    @property
    def volume(self) -> float:
        """Of a cell."""
        return float(np.prod(self.spacing))

    def terms(self, inputs: Any, ops: Ops) -> BatchTerms:
        """Those of a batch of inputs [n, C, .., *space]."""

        def drawn(name: str) -> tuple[Function, ...]:
            values = self.problem.values(name)
            if len(values) == 1:
                return (self._function(inputs, values[0], (name,), name, self._points),)
            names = self.problem.entry_names(name)
            return tuple(
                self._function(inputs, value, (name, str(place)), f"{name}_{names[place]}", self._points)
                for place, value in enumerate(values)
            )

        found = self.problem.stated(drawn)
        zero, points = self.problem.zero_terms, self._points

        def each(name: str, functions: Sequence[Function]) -> tuple[Value, ...]:
            return tuple(self._value((name, str(n)), partial(f, points), ops) for n, f in enumerate(functions))

        bare = found.reaction is None or "reaction" in zero
        drawn_source = any(path == ("source",) and value.is_random for path, value in self.problem.slots())
        balanced = "source" in self.channels and not drawn_source
        return BatchTerms(
            each("diffusion", found.diffusion),
            () if "convection" in zero else each("convection", found.convection),
            0.0 if bare or found.reaction is None else each("reaction", (found.reaction,))[0],
            inputs[:, self.channels["source"]] if balanced else each("source", (found.source,))[0],
            {side: self._data(side, inputs, ops) for side in self._side_points},
        )

    def _data(self, side: str, inputs: Any, ops: Ops) -> dict[str, Value]:
        """The data on a side, along whose axis they have the length 1."""
        axis = next(number for number, pair in enumerate(BOX_SIDES) if side in pair)
        found = {}
        for path, value in self.problem.conditions[side].data():
            name, points = path[-1], self._side_points[side]
            channel = f"{side}_{name}"
            if channel in self.channels:
                cut = (slice(None),) * (len(inputs.shape) - 1 - self.dimension + axis) + (slice(1),)
                found[name] = inputs[:, self.channels[channel]][cut]
                continue
            place = ("boundary", side, *path)
            found[name] = self._value(place, partial(self._across, value, place, points, axis), ops)
        return found

    def _function(self, inputs: Any, value: Field, path: tuple[str, ...], channel: str, points: Points) -> Function:
        if channel not in self.channels or not value.is_random:
            return Function(lambda where: self._known(value, path, points))
        values: Any = OfBatch(inputs[:, self.channels[channel]])
        return Function(lambda where: values)

    def _across(self, value: Field, path: tuple[str, ...], points: Points, axis: int) -> Array | float:
        """Values on a side, with an axis of length 1 across it."""
        known = self._known(value, path, points)
        return np.expand_dims(known, axis) if np.ndim(known) else known

    def _known(self, value: Field, path: tuple[str, ...], points: Points) -> Array | float:
        """Values of a field that is the same in every sample."""
        if path not in self._fixed:
            if value.is_random:
                raise FamilyError(f"{'.'.join(path)} is drawn, but is no input channel")
            self._fixed[path] = value.realise(Draw(0, "", 0))(points)
        return self._fixed[path]

    def _value(self, key: tuple[str, ...], make: Callable[[], Any], ops: Ops) -> Value:
        """A term or data of a side; what is the same in all batches is made once, and put where these are once."""
        if key not in self._same:
            values = make()
            if isinstance(values, OfBatch):
                return values.values
            self._same[key] = float(values) if np.ndim(values) == 0 else np.asarray(values, np.float64)
        same = self._same[key]
        if isinstance(same, float):
            return same
        if (place := (key, ops.place)) not in self._placed:
            self._placed[place] = ops.constant(same)
        return self._placed[place]
