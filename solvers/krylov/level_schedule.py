"""The order in which the rows of a triangular matrix are solved for, and how their entries lie.

Row by row, a processor waits for one unknown before it can begin with the next. Rows of one level need none of each
other (Anderson and Saad 1989, Int. J. High Speed Computing 1(1)), and are solved for side by side. Vectors are numbered
level by level: on a grid, whose levels are its diagonals, the neighbours of consecutive rows are consecutive then, and
one instruction does several rows. The sums of a row are those of the natural order, and have the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

Words = NDArray[np.uint32]

LEAST = 8
"""Rows of the shortest run that is taken several rows at a time."""

GROUP = 512
"""Rows between which runs are sought where none needs another: what they read stays in the cache."""


class Schedule(NamedTuple):
    """Rows of a sparse matrix, in runs of rows with equally many entries that need none of each other.

    ``runs`` [g, 4]: first and past the last place in ``rows``, the entries per row, and whether the rows of the run,
    and the columns of its entries of each number, are consecutive. ``rows`` and ``columns``: in vectors numbered by
    levels, and ``natural`` rows and ``neighbours`` in those of natural order. ``places`` of the entries in the values
    of the pattern. Entry k of all rows of a run is side by side.
    """

    runs: Words
    rows: Words
    columns: Words
    natural: Words
    neighbours: Words
    places: Words

    @property
    def aligned(self) -> int:
        """The rows in runs of consecutive ones."""
        first, stop, _, consecutive = self.runs.astype(np.int64).T
        return int(((stop - first) * consecutive).sum())


@compiled()
def levels(
    first: NDArray[np.int32], stop: NDArray[np.int32], indices: NDArray[np.int32], lower: bool
) -> NDArray[np.int64]:
    """The level of each row: one more than the highest of those that it needs. The entries of row i are from
    ``first[i]`` to before ``stop[i]``."""
    n = len(first)
    level = np.zeros(n, np.int64)
    for k in range(n):
        i = k if lower else n - 1 - k
        for p in range(first[i], stop[i]):
            level[i] = max(level[i], level[indices[p]] + 1)
    return level


def schedules(
    indptr: NDArray[np.int32], indices: NDArray[np.int32], diagonal: NDArray[np.int32],
    rest: tuple[Words, Words] | None = None,
) -> tuple[Words, Schedule, Schedule, Schedule | None]:  # fmt: skip
    """The order of vectors, empty where that is the natural one, and schedules of the entries before the diagonal, of
    those after it, and of those of another matrix, indptr and indices, whose rows need nothing. ``diagonal``: where it
    is in the values."""
    before, after = (indptr[:-1], diagonal), (diagonal + np.int32(1), indptr[1:])
    below, above = levels(*before, indices, True), levels(*after, indices, False)
    natural = np.arange(len(diagonal), dtype=np.uint32)
    order = np.argsort(below, kind="stable").astype(np.uint32)
    lower, upper = schedule(*before, indices, below, order), schedule(*after, indices, above, order)
    if lower.aligned + upper.aligned < len(diagonal):
        order = natural
        lower, upper = schedule(*before, indices, below, order), schedule(*after, indices, above, order)
    other = None
    if rest is not None:
        groups = np.empty(len(order), np.int64)
        groups[order] = natural // GROUP
        other = schedule(rest[0][:-1], rest[0][1:], rest[1], groups, order)
    return order[:0] if order is natural else order, lower, upper, other


def schedule(
    first: NDArray[np.integer], stop: NDArray[np.integer], indices: NDArray[np.integer],
    level: NDArray[np.int64], order: Words,
) -> Schedule:  # fmt: skip
    """Of the entries from ``first[i]`` to before ``stop[i]`` of each row, for vectors whose entry j is row
    ``order[j]``; level by level."""
    number = np.empty_like(order)
    number[order] = np.arange(len(order), dtype=np.uint32)
    starts, counts, columns = first.astype(np.int64), (stop - first).astype(np.int64), indices.astype(np.int64)
    sequence = order[np.argsort(level[order], kind="stable")].astype(np.int64)
    natural, runs = _runs(starts, counts, columns, level, number.astype(np.int64), sequence)
    places = _places(runs, natural, starts, counts.sum())
    neighbours = indices[places].astype(np.uint32)
    return Schedule(runs, number[natural], number[neighbours], natural, neighbours, places)


@compiled()
def _runs(
    starts: NDArray[np.int64], counts: NDArray[np.int64], indices: NDArray[np.int64],
    level: NDArray[np.int64], number: NDArray[np.int64], sequence: NDArray[np.int64],
) -> tuple[Words, Words]:  # fmt: skip
    """Rows in the order in which they are solved for, and their runs: of each level first those of consecutive rows,
    then the rest by length."""
    n = len(sequence)
    natural, runs, left = np.zeros(n, np.uint32), np.zeros((n, 4), np.uint32), np.zeros(n, np.int64)
    at, g, i = 0, 0, 0
    while i < n:
        rest, here = 0, level[sequence[i]]
        while i < n and level[sequence[i]] == here:
            j = i + 1
            while (
                j < n
                and level[sequence[j]] == here
                and _follows(sequence[j - 1], sequence[j], starts, counts, indices, number)
            ):
                j += 1
            if j - i >= LEAST:
                natural[at : at + j - i] = sequence[i:j]
                runs[g, 0], runs[g, 1], runs[g, 2], runs[g, 3] = at, at + j - i, counts[sequence[i]], 1
                at, g = at + j - i, g + 1
            else:
                left[rest : rest + j - i] = sequence[i:j]
                rest += j - i
            i = j
        some = left[:rest]
        some = some[np.argsort(counts[some], kind="mergesort")]
        for m in range(rest):
            if m == 0 or counts[some[m]] != counts[some[m - 1]]:
                runs[g, 0], runs[g, 2] = at, counts[some[m]]
                g += 1
            natural[at] = some[m]
            at += 1
            runs[g - 1, 1] = at
    return natural, runs[:g].copy()


@compiled()
def _follows(
    one: int, other: int, starts: NDArray[np.int64], counts: NDArray[np.int64], indices: NDArray[np.int64],
    number: NDArray[np.int64],
) -> bool:  # fmt: skip
    """Whether a row and its columns are those after another row and its columns."""
    if number[other] != number[one] + 1 or counts[other] != counts[one]:
        return False
    k, here, there = 0, starts[one], starts[other]
    while k < counts[one] and number[indices[there + k]] == number[indices[here + k]] + 1:
        k += 1
    return bool(k == counts[one])


@compiled()
def _places(runs: Words, natural: Words, starts: NDArray[np.int64], count: int) -> Words:
    """Where the entries of the rows are, run by run, and in a run entry by entry."""
    places, q = np.zeros(count, np.uint32), 0
    for first, past, length, _ in runs.astype(np.int64):
        for k in range(length):
            for m in range(first, past):
                places[q] = starts[natural[m]] + k
                q += 1
    return places


@compiled()
def fill(runs: Words, places: Words, natural: Words, values: Array, factor: Array, out: Array) -> None:
    """The entries in their order out of the values of the pattern; times the factor of their row, where there are
    factors."""
    q = 0
    for first, past, length, _ in runs.astype(np.int64):
        for _k in range(length):
            for m in range(first, past):
                out[q] = values[places[q]]
                if len(factor):
                    out[q] *= factor[natural[m]]
                q += 1


@compiled()
def by_rows(runs: Words, count: int) -> Words:
    """Which entries follow each other when the rows of each run are taken one after another."""
    places, q, p = np.zeros(count, np.uint32), 0, 0
    for first, past, length, _ in runs.astype(np.int64):
        for c in range(past - first):
            for k in range(length):
                places[q] = p + k * (past - first) + c
                q += 1
        p += length * (past - first)
    return places
