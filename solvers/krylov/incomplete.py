"""Incomplete factors without fill, and what they leave out.

L U agrees with A on the pattern of A; outside it, where the product has entries and A has none, stands the remainder
R = L U - A. Since A M⁻¹ v = v - R M⁻¹ v, a product with R does instead of one with A; on a mesh of triangles R has a
third of the entries.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

SMALLEST = 1e-8
"""A pivot below this part of the diagonal is not divided by: the library has its own treatment of those."""


class Remainder(NamedTuple):
    """The pattern of R."""

    indptr: NDArray[np.uint32]
    indices: NDArray[np.uint32]


def remainder(indptr: NDArray[np.int32], indices: NDArray[np.int32], diagonal: NDArray[np.int32]) -> Remainder:
    """Where L U has entries outside the pattern of A."""
    counts, empty = np.zeros(len(indptr), np.uint32), np.zeros(0, np.uint32)
    _remainder(indptr, indices, diagonal, counts, empty)
    starts = np.cumsum(counts, dtype=np.uint32)
    columns = np.zeros(starts[-1], np.uint32)
    _remainder(indptr, indices, diagonal, counts, columns)
    return Remainder(starts, columns)


@compiled()
def _remainder(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    diagonal: NDArray[np.int32],
    counts: NDArray[np.uint32],
    columns: NDArray[np.uint32],
) -> None:
    n, q = len(diagonal), 0
    seen = np.full(n, -1, np.int64)
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            seen[indices[p]] = i
        before = q
        for p in range(indptr[i], diagonal[i]):
            k = indices[p]
            for j in indices[diagonal[k] + 1 : indptr[k + 1]]:
                if seen[j] != i:
                    seen[j] = i
                    if len(columns):
                        columns[q] = j
                    q += 1
        counts[i + 1] = q - before


def factorise(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    diagonal: NDArray[np.int32],
    rest: Remainder,
    definite: bool,
    values: Array,
) -> bool:
    """ILU(0) in natural order, in place: L (unit diagonal) below, U on and above the diagonal; the ``values`` of the
    pattern are followed by those of ``rest``, which become -R.

    For a symmetric matrix U = D Lᵀ, which is ICC(0). False where a pivot is small against the diagonal of A or, if
    ``definite``, not positive.
    """
    pattern = (part.view(np.uint32) for part in (indptr, indices, diagonal))
    return bool(_factorise(*pattern, rest, definite, values))


@compiled(error_model="numpy")
def _factorise(
    indptr: NDArray[np.uint32],
    indices: NDArray[np.uint32],
    diagonal: NDArray[np.uint32],
    rest: Remainder,
    definite: bool,
    values: Array,
) -> bool:
    n, one = np.uint64(len(diagonal)), np.uint64(1)
    place, after = np.zeros(n, np.uint64), np.uint64(len(indices))
    values[after:] = 0.0
    for i in range(n):
        first, middle, stop = np.uint64(indptr[i]), np.uint64(diagonal[i]), np.uint64(indptr[i + one])
        for p in range(first, stop):
            place[indices[p]] = p
        for p in range(np.uint64(rest.indptr[i]), np.uint64(rest.indptr[i + one])):
            place[rest.indices[p]] = after + p
        size = abs(values[middle])
        for p in range(first, middle):
            k = np.uint64(indices[p])
            factor = values[p] / values[diagonal[k]]
            values[p] = factor
            for q in range(np.uint64(diagonal[k]) + one, np.uint64(indptr[k + one])):
                values[place[indices[q]]] -= factor * values[q]
        pivot = values[middle]
        if not (pivot if definite else abs(pivot)) > SMALLEST * size:
            return False
    return True


@compiled()
def with_rest(rest: Remainder, left_out: Array, rows: Array, products: Array) -> Array:
    """(A + R) x for the rows x, given A x."""
    out = np.empty_like(products)
    for r in range(len(rows)):
        p = np.uint64(0)
        for i in range(rows.shape[1]):
            stop, total = np.uint64(rest.indptr[i + 1]), 0.0
            while p < stop:
                total += left_out[p] * rows[r, rest.indices[p]]
                p += np.uint64(1)
            out[r, i] = products[r, i] - total
    return out
