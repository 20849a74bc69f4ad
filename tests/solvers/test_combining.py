"""Combinations of long rows in place: those of numpy, whatever the lengths, and the same bits wherever the rows lie."""

from __future__ import annotations

import numpy as np
import pytest

from pdemill.solvers.krylov.combining import combine, mix, refresh
from pdemill.solvers.krylov.sums import work_rows

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("size", [1, 7, 64, 65, 340])
@pytest.mark.parametrize("new", [0, 1, 4, 5, 12])
def test_rows_become_combinations_of_rows(size: int, new: int) -> None:
    W, U = work_rows(16, size)[:, :size], work_rows(12, size)[:, :size]
    W[:], U[:] = RNG.standard_normal(W.shape), RNG.standard_normal(U.shape)
    old, other = W.copy(), U.copy()
    from_W, from_V, from_U = (RNG.standard_normal((new, count)) for count in (16, 10, 5))

    refresh(W, U, 5, from_W, from_V, from_U)
    assert np.allclose(W[:new], from_W @ old, rtol=0, atol=1e-13)
    assert np.allclose(U[:new], from_V @ old[5:15] + from_U @ other[:5], rtol=0, atol=1e-13)
    assert np.array_equal(W[new:], old[new:])
    assert np.array_equal(U[new:], other[new:])

    closely = old.copy()
    combine(closely, from_W)
    assert np.array_equal(closely[:new], W[:new])

    U[:] = other
    mix(U[12 - new :], from_V, old[5:15], from_U, U[:5])
    assert np.allclose(U[12 - new :], from_V @ old[5:15] + from_U @ other[:5], rtol=0, atol=1e-13)


def test_entries_of_a_row_must_be_side_by_side() -> None:
    with pytest.raises(ValueError, match="side by side"):
        combine(np.zeros((6, 4)).T, np.eye(2, 4))
