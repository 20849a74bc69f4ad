"""Where a store was made, and so whether its bits or its values are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdemill.addresses import Place
from pdemill.errors import MissingExtra
from pdemill.solvers.agreement import agrees, same_bits
from pdemill.solvers.job import Job
from pdemill.solvers.opening import open_work, shared_arrays
from pdemill.store.layout import Shard
from pdemill.store.manifest import Manifest
from pdemill.store.origin import Origin
from pdemill.store.store import Store


class Origins:
    """What made a store and its shards, against what checks it here."""

    def __init__(self, attributes: Mapping[str, Any], here: Origin) -> None:
        self._begun, self._here = Origin.of(attributes), here
        self._others: dict[str, list[str]] = {}
        self._doubts: dict[str, None] = {}

    @property
    def elsewhere(self) -> bool:
        """Whether any shard so far was compared to rounding."""
        return bool(self._doubts)

    def noted(self, shard: Shard, manifest: Manifest) -> bool:
        """Note what made a shard; whether the same bits come out here."""
        made = manifest.made_with
        if made is not None and (difference := made.difference(self._begun, "the store")):
            self._others.setdefault(difference, []).append(shard.name)
        doubt = (made or self._begun).doubt(self._here)
        if doubt:
            self._doubts.setdefault(doubt)
        return not doubt

    def notes(self) -> tuple[str, ...]:
        """One line for each thing that there is to tell."""
        others = [
            f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: made with {difference}"
            for difference, names in self._others.items()
        ]
        return (*others, *(f"compared to rounding, not to the bit: {doubt}" for doubt in self._doubts))


def opened(root: Place, attributes: Mapping[str, Any]) -> tuple[Job, Store, tuple[str, ...]]:
    """The job and the store, and what of it cannot be checked. A mesh is made anew and must be the stored one; where
    other versions made it and this mesher makes another, or there is no mesher, the stored one is taken as it is."""
    try:
        job, making = open_work(root, anew=True)
    except MissingExtra as error:
        return *open_work(root), (f"the mesh ({error})",)
    if not Origin.of(attributes).doubt(making.here):
        return job, making, ()
    stored = shared_arrays(root) or {}
    made = {name: values for name, (_, values) in making.layout.shared.items()}
    there = [(values, made[name]) for name, values in stored.items() if name in made]
    if all(same_bits(values, mine) for values, mine in there):
        return job, making, ()
    alike = all(agrees(values, mine, to_the_bit=False) for values, mine in there)
    return *open_work(root), () if alike else ("the mesh (made elsewhere, this mesher makes another)",)
