"""Sums are made in the order that is written down, wherever the numbers lie and whoever compiled the code."""

from __future__ import annotations

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.krylov.arnoldi import arnoldi_cycle
from pdemill.solvers.krylov.sums import BLOCK, LANES, inner_products, subtract, work_rows
from pdemill.solvers.operators.system import Matrix, Pattern
from pdemill.spec.problem import Properties
from tests.preconditioned import Preconditioned

ROWS = 11


def _basis(columns: int, shift: int = 0) -> Array:
    """Rows that begin so many numbers after the beginning of a cache line."""
    aligned: Array = work_rows(1, (ROWS + 2) * columns + LANES)[0]
    W: Array = aligned[shift : shift + (ROWS + 1) * columns].reshape(ROWS + 1, columns)
    W[:] = np.random.default_rng(columns).standard_normal(W.shape)
    return W


def _sums(products: Array) -> Array:
    """The last axis added up lane by lane, then the lanes from the first to the last."""
    lanes = np.zeros((*products.shape[:-1], LANES))
    for part in np.split(products, products.shape[-1] // LANES, axis=-1):
        lanes += part
    total: Array = np.zeros(products.shape[:-1])
    for lane in range(LANES):
        total += lanes[..., lane]
    return total


@pytest.mark.parametrize("shift", [0, 1, 3, 4])
@pytest.mark.parametrize("columns", [LANES, 5 * LANES, BLOCK, 2 * BLOCK + 3 * LANES])
def test_inner_products_are_added_up_in_lanes(columns: int, shift: int) -> None:
    W = _basis(columns, shift)
    sums, out = np.ones((ROWS + 1, LANES)), np.ones(ROWS + 1)
    inner_products(W, ROWS, sums, out)
    assert np.array_equal(out, _sums(W * W[ROWS]))


@pytest.mark.parametrize("shift", [0, 1, 3, 4])
@pytest.mark.parametrize("columns", [LANES, 5 * LANES, BLOCK])
def test_rows_are_subtracted_by_fours(columns: int, shift: int) -> None:
    """And no product is fused with a sum."""
    W, c = _basis(columns, shift), np.random.default_rng(1).standard_normal(ROWS)
    left, parts = W[ROWS].copy(), c[:, None] * W[:ROWS]
    left -= parts[0] + parts[1] + (parts[2] + parts[3])
    left -= parts[4] + parts[5] + (parts[6] + parts[7])
    for part in parts[8:]:
        left -= part
    square = subtract(W, ROWS, np.ones((ROWS + 1, LANES)), c)
    assert np.array_equal(W[ROWS], left)
    assert square == _sums(left * left)


@pytest.mark.parametrize("size", [511, 512, 4000])
def test_work_rows_begin_with_a_cache_line(size: int) -> None:
    W = work_rows(3, size)
    assert W.shape[1] >= size
    assert W.shape[1] % 512
    assert all(row.ctypes.data % (8 * LANES) == 0 for row in W)
    assert not W.any()


def test_a_cycle_gives_the_same_bits_wherever_its_rows_lie() -> None:
    size = 8 * BLOCK // 5
    diagonal = np.arange(size, dtype=np.int32)
    pattern = Pattern(np.arange(size + 1, dtype=np.int32), diagonal)
    values = 1.0 + np.random.default_rng(2).random(size)
    found = []
    for shift in range(LANES):
        operator = Preconditioned(pattern, "none")
        operator.load(Matrix(pattern, values, Properties(symmetric=False, definite=False, constant=False, dimension=2)))
        W = _basis(-(-size // LANES) * LANES, shift)
        W[1:] = np.nan  # what was there before
        W[0] = 1.0 / np.sqrt(size)
        handles = operator.handles([*W[:, :size]])
        T, z, _ = arnoldi_cycle(operator.product, W, size, handles, 0, 1.0, 0.0)
        found.append((T.tobytes(), z.tobytes(), W[:, :size].tobytes()))
    assert np.isfinite(z).all()
    assert len(set(found)) == 1


def test_rows_that_are_not_made_for_it_are_refused() -> None:
    operator = Preconditioned(Pattern(np.array([0, 1], dtype=np.int32), np.array([0], dtype=np.int32)), "none")
    for W in (np.zeros((4, LANES + 1)), np.zeros((8, 2 * LANES))[:, :LANES]):
        with pytest.raises(ValueError, match="work_rows"):
            arnoldi_cycle(operator.product, W, 1, operator.handles([]), 0, 1.0, 0.0)


def test_where_no_cache_can_be_kept_the_code_is_compiled_all_the_same() -> None:
    """A function that comes out of no file stands for one that no folder can be written for."""
    scope: dict[str, object] = {}
    exec("def twice(x):\n    return 2 * x\n", scope)
    assert compiled()(scope["twice"])(4) == 8  # type: ignore[arg-type]
