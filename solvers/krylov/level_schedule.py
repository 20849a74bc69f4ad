"""The order in which the rows of a triangular matrix are solved for.

Row by row, a processor waits for one unknown before it can begin with the next, and guesses the length of every row
wrongly. Rows of one level need none of each other (Anderson and Saad 1989, Int. J. High Speed Computing 1(1)); taken
level by level, and inside a level by length, the same sums run twice as fast and have the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.solvers.compiled import compiled

Words = NDArray[np.uint32]


class LevelSchedule(NamedTuple):
    """Rows in the order in which they are solved for, and their entries in that order.

    ``runs`` [g, 3]: first and past the last place in ``order``, and the entries per row; ``columns``, ``rows`` and
    ``places`` of the entries: in the vectors, and in the values of the pattern.
    """

    order: Words
    runs: Words
    columns: Words
    rows: Words
    places: Words


def level_schedule(
    indptr: NDArray[np.int32], indices: NDArray[np.int32], diagonal: NDArray[np.int32], lower: bool
) -> LevelSchedule:
    """Of the entries before the diagonal of each row, or of those after it. ``diagonal``: where it is in the values."""
    first, stop = (indptr[:-1], diagonal) if lower else (diagonal + np.int32(1), indptr[1:])
    return LevelSchedule(*_level_schedule(first, stop, indices, lower))


@compiled()
def _level_schedule(
    first: NDArray[np.int32], stop: NDArray[np.int32], indices: NDArray[np.int32], lower: bool
) -> tuple[Words, Words, Words, Words, Words]:
    n = len(first)
    level = np.zeros(n, np.int64)
    for k in range(n):
        i = k if lower else n - 1 - k
        for p in range(first[i], stop[i]):
            level[i] = max(level[i], level[indices[p]] + 1)
    lengths = stop - first
    longest = max(lengths) + 1
    keys = level * longest + lengths
    starts = np.zeros(max(keys) + 2, np.int64)
    for key in keys:
        starts[key + 1] += 1
    runs, g = np.zeros((np.count_nonzero(starts), 3), np.uint32), 0
    for key in range(len(starts) - 1):
        count = starts[key + 1]
        starts[key + 1] += starts[key]
        if count:
            runs[g, 0], runs[g, 1], runs[g, 2] = starts[key], starts[key + 1], key % longest
            g += 1
    order = np.zeros(n, np.uint32)
    for i in range(n):
        order[starts[keys[i]]] = i
        starts[keys[i]] += 1
    count, q = lengths.sum(), 0
    columns, rows, places = np.zeros(count, np.uint32), np.zeros(count, np.uint32), np.zeros(count, np.uint32)
    for row in order:
        for p in range(first[row], stop[row]):
            columns[q], rows[q], places[q] = indices[p], row, p
            q += 1
    return order, runs, columns, rows, places
