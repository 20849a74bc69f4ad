"""Vectors that grow in number, as rows of one array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdemill.points import Array


@dataclass
class _Room:
    """An array, and how many of its rows are taken."""

    array: Array
    taken: int = 0


class Rows:
    """Vectors of one length, at most so many. Rows that were there stay what they are when one is added, so that what
    held fewer of them still does; only where two are added to the same rows are these copied."""

    def __init__(self, most: int, length: int, room: _Room | None = None, count: int = 0) -> None:
        self._most, self._length, self.count = most, length, count
        self._room = room or _Room(np.empty((most, length)))

    @property
    def array(self) -> Array:
        """The rows [count, length]."""
        return self._room.array[: self.count]

    @property
    def full(self) -> bool:
        return self.count >= self._most

    def added(self, row: Array) -> Rows:
        """With one more."""
        room = self._room
        if room.taken != self.count:
            room = _Room(np.empty((self._most, self._length)), self.count)
            room.array[: self.count] = self.array
        room.array[self.count] = row
        room.taken += 1
        return Rows(self._most, self._length, room, self.count + 1)
