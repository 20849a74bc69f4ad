"""The one rule of timing, the same for pdemill and for what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from time import process_time

from pdemill.points import Array
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import System

RULE = (
    "Process CPU time of one thread. All solvers get the same assembled systems. After solves that do not count, they "
    "take turns for several rounds, each round beginning with another one; a figure is the median of the rounds, "
    "divided by the number of systems. The residual of every answer is recomputed outside the time, and a solver that "
    "missed the tolerance has no time."
)


@dataclass(frozen=True)
class Answer:
    """A solution, and the iterations it took."""

    value: Array
    iterations: int = 0


type Contestant = Callable[[Sequence[System]], list[Answer]]
"""Solves systems on one pattern, in the order given."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds per system of every round, mean iterations, and how many systems missed the tolerance."""

    rounds: tuple[float, ...]
    iterations: float
    missed: int

    @property
    def milliseconds(self) -> float:
        """The figure that counts; NaN where a system was not solved."""
        return float("nan") if self.missed else median(self.rounds)

    def facts(self) -> dict[str, float | int]:
        """The record that a report keeps."""
        return {
            "milliseconds": self.milliseconds,
            "least": min(self.rounds),
            "most": max(self.rounds),
            "iterations": self.iterations,
            "missed": self.missed,
        }


def race(
    contestants: Mapping[str, Contestant], systems: Sequence[System], rtol: float, rounds: int, warm: int = 1
) -> dict[str, Measured]:
    """Let all solve the systems to ``rtol``; first the first ``warm`` systems, which does not count."""
    names = list(contestants)
    for solve in contestants.values():
        solve(systems[:warm])
    spent: dict[str, list[float]] = {name: [] for name in names}
    missed, iterations = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    for turn in range(rounds):
        first = turn % len(names) if names else 0
        for name in names[first:] + names[:first]:
            begin = process_time()
            answers = contestants[name](systems)
            spent[name].append(1e3 * (process_time() - begin) / len(systems))
            pairs = zip(systems, answers, strict=True)
            missed[name] = max(missed[name], sum(not relative_residual(s, a.value) <= rtol for s, a in pairs))
            iterations[name] = fmean(answer.iterations for answer in answers)
    return {name: Measured(tuple(spent[name]), iterations[name], missed[name]) for name in names}
