"""The shards of a job as a grid of cells: finished, under way, waiting."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from pdemill.addresses import Place
from pdemill.service.stores import manifest_names
from pdemill.store.layout import Shard

MOST_CELLS = 512
"""Of a split; where there are more shards, a cell stands for several."""

type State = Literal["finished", "running", "waiting", "partly"]


@dataclass(frozen=True)
class Cell:
    """One shard, or a run of them; ``partly``: some are finished."""

    name: str
    state: State


@dataclass(frozen=True)
class SplitGrid:
    """The cells of one split, and how many of its shards are finished."""

    split: str
    samples: int
    shards: int
    finished: int
    each: int
    cells: tuple[Cell, ...]


def finished_names(store: Place) -> frozenset[str]:
    """The shards that have a manifest."""
    return frozenset(name for name in manifest_names(store) if "-" in name)


def grids(shards: Iterable[Shard], finished: Collection[str], running: Collection[str]) -> list[SplitGrid]:
    """A grid per split, in the order of the spec."""
    splits: dict[str, list[Shard]] = {}
    for shard in shards:
        splits.setdefault(shard.split, []).append(shard)
    return [_grid(split, members, finished, running) for split, members in splits.items()]


def _grid(split: str, shards: list[Shard], finished: Collection[str], running: Collection[str]) -> SplitGrid:
    each = -(-len(shards) // MOST_CELLS)
    cells = [_cell(shards[begin : begin + each], finished, running) for begin in range(0, len(shards), each)]
    done = sum(shard.name in finished for shard in shards)
    return SplitGrid(split, shards[-1].stop, len(shards), done, each, tuple(cells))


def _cell(shards: list[Shard], finished: Collection[str], running: Collection[str]) -> Cell:
    done = sum(shard.name in finished for shard in shards)
    name = shards[0].name if len(shards) == 1 else f"{shards[0].name} to {shards[-1].name}"
    if done == len(shards):
        return Cell(name, "finished")
    if any(shard.name in running for shard in shards):
        return Cell(name, "running")
    return Cell(name, "partly" if done else "waiting")
