"""Matrices are held against their transposes."""

from __future__ import annotations

import numpy as np

from pdemill.solvers.weak.symmetry import asymmetry


def test_the_difference_from_the_transpose_and_the_largest_entry() -> None:
    values = np.array([[4.0, -9.0, 1.0], [-9.5, 2.0, 0.0], [1.0, 0.25, 3.0]])
    transposed = np.arange(9).reshape(3, 3).T.ravel().copy()
    assert asymmetry(values.ravel(), transposed) == (0.5, 9.5)
    assert asymmetry((values + values.T).ravel(), transposed) == (0.0, 18.5)


def test_what_is_not_finite_is_not_symmetric() -> None:
    transposed = np.array([0, 2, 1, 3])
    for odd in (np.nan, np.inf):
        for place in range(4):
            values = np.ones(4)
            values[place] = odd
            apart, largest = asymmetry(values, transposed)
            assert not apart <= 1e-12 * largest
    assert not asymmetry(np.array([1.0, np.inf, np.inf, 1.0]), transposed)[0] <= np.inf
