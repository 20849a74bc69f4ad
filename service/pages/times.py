"""The stored times of a trajectory, for the slider of its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import Place
from pdemill.service.problems import Refusal
from pdemill.store.groups import group_at
from pdemill.store.root import in_time, read_attributes


@dataclass(frozen=True)
class Film:
    """A trajectory at one ``frame`` of its stored times; those after ``last`` are beyond ``until``."""

    frame: int
    last: int
    until: str
    times: tuple[str, ...]

    @property
    def words(self) -> str:
        """The time that is shown, and whether the trajectory is right there."""
        beyond = f", beyond valid_until = {self.until}: not certified" if self.frame > self.last else ""
        return f"t = {self.times[self.frame]}{beyond}"

    @property
    def valid_share(self) -> float:
        """Percent of the slider's way that are valid."""
        return round(100 * max(0, self.last) / max(1, len(self.times) - 1), 2)


def stored_times(store: Place) -> NDArray[np.float64] | None:
    """The times at which all trajectories of a store are known; None for what has no time."""
    if not in_time(read_attributes(store)):
        return None
    found: Any = group_at(store)["t"]
    return np.asarray(found[...], dtype=np.float64)


def film(store: Place, split: str, sample: int, times: NDArray[np.float64], frame: int | None = None) -> Film:
    """A certified trajectory at a stored time, by default the last one that is valid. Raises Refusal."""
    if frame is not None and frame >= len(times):
        raise Refusal(404, f"there are the stored times 0 to {len(times) - 1}")
    group: Any = group_at(store)[split]
    until = float(group["valid_until"][sample])
    last = int(np.flatnonzero(times <= until).max(initial=-1))
    shown = max(0, last) if frame is None else frame
    return Film(shown, last, f"{until:g}", tuple(f"{time:g}" for time in times.tolist()))
