"""What sensors see of samples: values at points, with noise; the same for a sample in any order, batch or process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index as as_index
from typing import Any, Literal, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import shown
from pdemill.draws import Draw
from pdemill.errors import IncompleteStore, StoreError
from pdemill.reader.dataset import FIELDS, Dataset, Sample
from pdemill.reader.grounds import ground_of
from pdemill.reader.indexing import Numbers, number_of, numbers_of
from pdemill.reader.normaliser import Normaliser

KEYS = {"points", "random", "of", "interpolate", "seed"}
MOST = 1_000_000
"""Sensors of a sample."""


@dataclass(frozen=True)
class Sensors:
    """Where values are seen: at ``points`` [P, d], the same for all samples, or at so many ``random`` ones of each
    sample, uniform in the box or on the mesh; ``of``: x or y; ``interpolate``: linear or nearest."""

    points: tuple[tuple[float, ...], ...] | None
    random: int
    of: str
    interpolate: str
    seed: int

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Sensors:
        """Raises ValueError."""
        if not isinstance(given, Mapping):
            raise ValueError(f'sensors are told by keys, such as {{"random": 32}}, not {given!r:.60}')
        if strange := given.keys() - KEYS:
            raise ValueError(f"sensors have no {min(strange)}: they have {', '.join(sorted(KEYS))}")
        if ("points" in given) == ("random" in given):
            raise ValueError("sensors are at given points, or at so many random ones: give one of points and random")
        try:
            points = np.asarray(given.get("points", [[0.0]]), float)
        except (TypeError, ValueError):
            points = np.empty(0)
        if points.ndim != 2 or not points.size or not np.isfinite(points).all():
            raise ValueError("the points of sensors are a list of places, such as [[0.5, 0.25], [0.1, 0.9]]")
        try:
            count, seed = (as_index(given.get(name, least)) for name, least in (("random", 1), ("seed", 0)))
        except TypeError:
            raise ValueError("random, so many sensors, and their seed are integers") from None
        if not 1 <= max(count, len(points)) <= MOST or count < 1 or not 0 <= seed < 2**63:
            raise ValueError(f"there are 1 to {MOST:,} sensors, and their seed is a number from 0 to 2^63 - 1")
        of, how = given.get("of", "y"), given.get("interpolate", "linear")
        if of not in FIELDS or how not in ("linear", "nearest"):
            raise ValueError("sensors are of x or y, and interpolate is linear or nearest")
        there = tuple(map(tuple, points.tolist())) if "points" in given else None
        return cls(there, count, of, how, seed)


class Observed:
    """Samples with what sensors see of them: ``data[i]``, ``data[a:b]``, ``data[[3, 1, 7]]``.

    An item has besides x and y ``sensors`` [P, d], where they are, and ``observed`` [C, P], or [C, t, P] of
    trajectories: values of y, or of x, at these places, linear between the points of the grid (beyond the outermost
    cell centres, to the walls, as between the last two), periodic where the box is, or the nearest one. On meshes they
    are those of the elements, in which P1 and P2 functions are evaluated, and NaN where a place is outside the domain
    of a sample with a mesh of its own. ``noise``: a multiple of the standard deviation of each channel over the first
    split, by which normal numbers are added. Places and noise are drawn by (seed, split, number of the sample). Raises
    StoreError for a store of neither a mesh nor a grid that all samples share, IncompleteStore for noise while there
    are no statistics, ValueError for places outside the box, or the mesh of all samples.
    """

    def __init__(self, data: Dataset, sensors: Mapping[str, Any], noise: float = 0.0) -> None:
        self.data, self.sensors = data, Sensors.parse(sensors)
        self._given = dict(sensors)
        self.noise = float(noise) if isinstance(noise, SupportsFloat) else np.nan
        if not 0.0 <= self.noise < np.inf:
            raise ValueError(f"noise is a number from 0, not {noise!r}")
        self._ground = ground_of(data, self.sensors.of, self.sensors.interpolate)
        if self.sensors.points is not None:
            self._ground.check(np.array(self.sensors.points))
        if self.noise:
            _ = self._deviations

    def __repr__(self) -> str:
        return f"{self.data!r} with {self._count} sensors of {self.sensors.of}, noise {self.noise:g}"

    def __len__(self) -> int:
        return len(self.data)

    def __reduce__(self) -> tuple[Any, ...]:
        return Observed, (self.data, self._given, self.noise)

    def __getitem__(self, index: SupportsIndex | Numbers) -> Sample:
        if isinstance(index, SupportsIndex) and not getattr(index, "ndim", 0):
            place = number_of(as_index(index), len(self), "sample")
            return self._seen(self.data[place], int(self.data.numbers[place]))
        numbers = numbers_of(index, len(self), "sample")
        return _stacked(self.__getitems__(numbers.tolist())) if len(numbers) else self._none()

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        places = numbers_of(indices, len(self), "sample")
        numbers = self.data.numbers[places].tolist()
        return [self._seen(one, n) for one, n in zip(self.data.__getitems__(places.tolist()), numbers, strict=True)]

    @property
    def numbers(self) -> NDArray[np.intp]:
        """The numbers of its samples in the split."""
        return self.data.numbers

    @property
    def channels(self) -> tuple[str, ...]:
        """Names along the channel axis of x."""
        return self.data.channels

    @property
    def solution_channels(self) -> tuple[str, ...]:
        """Names along the channel axis of y, and of what is seen of it."""
        return self.data.solution_channels

    def normaliser(self, key: Literal["x", "y"]) -> Normaliser:
        """The normaliser of the store."""
        return self.data.normaliser(key)

    def _none(self) -> Sample:
        """A batch of no samples."""
        batch, (count, axes) = self.data[[]], (self._count, self._ground.axes)
        channels = batch[self.sensors.of].shape[1 : -self._ground.trailing]
        return {**batch, "sensors": np.empty((0, count, axes), np.float32),
                "observed": np.empty((0, *channels, count), np.float32)}  # fmt: skip

    @property
    def _count(self) -> int:
        return self.sensors.random if self.sensors.points is None else len(self.sensors.points)

    def places(self, number: int) -> NDArray[np.float64]:
        """Where the sensors of a sample of the split are, [P, d]."""
        if not self._ground.moves or self.sensors.points is not None:
            return self._places({}, number)
        return self._places(self.data[int(np.searchsorted(self.data.numbers, number))], number)

    def _places(self, sample: Sample, number: int) -> NDArray[np.float64]:
        if self.sensors.points is not None:
            return np.array(self.sensors.points)
        return self._ground.random(sample, self._draw(number, "places"), self.sensors.random)

    def _draw(self, number: int, name: str) -> Draw:
        split = self.data.split.partition("@")[0]  # at all fidelities a sample is seen at the same places
        return Draw(self.sensors.seed, split, number, f"sensors/{name}")

    def _seen(self, sample: Sample, number: int) -> Sample:
        places = self._places(sample, number)
        values = self._ground.at(sample, sample[self.sensors.of].astype(np.float64), places)
        if self.noise:
            drawn = self._draw(number, "noise").normal(values.size).reshape(values.shape)
            values = values + self.noise * self._deviations.reshape(-1, *[1] * (values.ndim - 1)) * drawn
        return {**sample, "sensors": places.astype(np.float32), "observed": values.astype(np.float32)}

    @cached_property
    def _deviations(self) -> NDArray[np.float64]:
        """The standard deviation of each channel; 0 where it is constant."""
        told, key = self.data.attributes, self.sensors.of
        if not told["complete"]:
            raise IncompleteStore(f"{shown(self.data.store)} has no statistics yet, by which noise is scaled")
        channels = self.data.channels if key == "x" else self.data.solution_channels
        found = [told["stats"][f"{FIELDS[key]}/{channel}"] for channel in channels]
        if any(not channel["count"] for channel in found):
            raise StoreError(f"{shown(self.data.store)} has no statistics: its first split has no certified sample")
        return np.array([channel["std"] for channel in found])


def _stacked(samples: Sequence[Sample]) -> Sample:
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
