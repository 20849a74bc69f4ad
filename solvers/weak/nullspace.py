"""What a large sparse matrix leaves open, found by its factors."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

from pdemill.points import Array
from pdemill.solvers.operators.system import separating

OPEN = 1e-13
"""A vector that a matrix whose entries are near 1 makes so much smaller counts as open: rounding, not stiffness."""
LEAST = 1e-14
"""What an exactly singular matrix is shifted by, so that it has factors."""
STEPS, ROUNDS = 10, 3
"""Times that rows and columns are scaled, and steps of the iteration."""


def open_vectors(matrix: csr_array, known: tuple[Array, ...]) -> Array:
    """At most one vector [k, n] that a matrix makes 0, beside ``known`` ones: x with ‖A x‖ <= 1e-13 ‖x‖ after rows and
    columns are scaled to entries near 1 (Ruiz 2001), by inverse iteration on AᵀA from one at random."""
    matrix, count = matrix.copy(), matrix.shape[0]
    rows, columns = np.repeat(np.arange(count), np.diff(matrix.indptr)), np.ones(count)
    for _ in range(STEPS):
        sizes, row, column = np.abs(matrix.data), np.zeros(count), np.zeros(count)
        np.maximum.at(row, rows, sizes)
        np.maximum.at(column, matrix.indices, sizes)
        matrix.data /= np.sqrt(row[rows] * column[matrix.indices])
        columns /= np.sqrt(column)
    if known:
        pinned = np.zeros(count)
        pinned[separating(known)] = 1.0
        matrix = csr_array(matrix + diags_array(pinned))
    found = _made_zero(matrix)
    return np.empty((0, count)) if found is None else (found * columns)[None, :]


def _made_zero(matrix: csr_array) -> Array | None:
    try:
        factors = splu(matrix.tocsc())
    except RuntimeError:  # a pivot is exactly 0
        factors = splu((matrix + diags_array(np.full(matrix.shape[0], LEAST))).tocsc())
    x = np.random.Generator(np.random.Philox(key=4)).standard_normal(matrix.shape[0])
    for _ in range(ROUNDS):
        for how in ("T", "N"):
            x = factors.solve(x, how)
            x = x / np.linalg.norm(x)
    return x if float(np.linalg.norm(matrix @ x)) <= OPEN else None
