"""Reports of a run: a tally while it works, a summary at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tally:
    """Where a run stands: samples through (finished shards of earlier runs included), failures, iterations."""

    total: int
    done: int = 0
    failed: int = 0
    solved: int = 0
    iterations: int = 0
    restarts: int = 0


type Watcher = Callable[[Tally], None]


@dataclass(frozen=True)
class Failure:
    """A sample without a certified solution."""

    split: str
    sample: int
    reason: str


@dataclass(frozen=True)
class Summary:
    """How a run ended. ``ok`` is what the exit status says: every sample is certified, of those that were this run's
    part. ``total``: these samples; ``left``: those of them in shards that were not begun, where the run ended early;
    ``elsewhere``: samples of shards that other runs have not finished yet. ``lengthened``: samples that were gone on
    with from another store; ``from_start``: why none was, where that was asked for. ``grown``: whether the store had
    smaller splits, or fewer; then ``shards_kept`` of it stayed, and ``samples_again`` were solved again."""

    store: str
    total: int
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    lengthened: int = 0
    from_start: str = ""
    grown: bool = False
    shards_kept: int = 0
    samples_again: int = 0
    left: int = 0
    elsewhere: int = 0

    @property
    def ok(self) -> bool:
        return not self.failures and not self.left


@dataclass(frozen=True)
class Repair:
    """What was found wrong with a store, how many of its ``shards`` were solved again, and how that ended."""

    faults: tuple[str, ...]
    solved: int
    shards: int
    summary: Summary

    def __str__(self) -> str:
        if not self.faults:
            return f"all {self.shards} shards are as they were certified"
        return f"damage in {len(self.faults)} place(s); {self.solved} of {self.shards} shards solved again"


@dataclass(frozen=True)
class Merged:
    """How many shards were copied into a ``store``, of how many samples it is, and how many of these are missing."""

    store: str
    copied: int
    total: int
    missing: int

    def __str__(self) -> str:
        left = f"; {self.missing} of them are in none of these: 'pdemill generate' solves them" if self.missing else ""
        return f"{self.copied} shards copied, {self.total} samples{left}"
