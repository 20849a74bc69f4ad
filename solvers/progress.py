"""How far a shard is, while it is solved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One more sample is through."""

    done: int
    iterations: int
    failed: bool


class Counts:
    """Adds up the progress of a shard."""

    def __init__(self) -> None:
        self.numbers = {"done": 0, "failed": 0, "iterations": 0}

    def __call__(self, progress: Progress) -> None:
        self.numbers["done"] = progress.done
        self.numbers["failed"] += progress.failed
        self.numbers["iterations"] += progress.iterations
