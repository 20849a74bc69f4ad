"""Order along a Hilbert curve, greedy inside its cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.ordering.greedy import greedy

DIMENSIONS = 3
CELL_SAMPLES = 200


def principal_components(features: Array, dimensions: int = DIMENSIONS) -> Array:
    """Coordinates along the directions of largest variance, shape (N, dimensions)."""
    centred = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ directions[:dimensions].T)


def hilbert_index(cells: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Place along the Hilbert curve of integer cells (N, d), each coordinate below 2^bits.

    Skilling 2004, "Programming the Hilbert curve", AIP Conf. Proc. 707, 381: transpose form.
    """
    x = cells.T.copy()
    dimensions = len(x)
    bit = 1 << (bits - 1)
    while bit > 1:
        low = bit - 1
        for axis in range(dimensions):
            flip = (x[axis] & bit) != 0
            swap = np.where(flip, 0, (x[0] ^ x[axis]) & low)
            x[0] ^= np.where(flip, low, swap)
            x[axis] ^= swap
        bit >>= 1
    for axis in range(1, dimensions):
        x[axis] ^= x[axis - 1]
    turned = np.zeros_like(x[0])
    bit = 1 << (bits - 1)
    while bit > 1:
        turned ^= np.where((x[-1] & bit) != 0, bit - 1, 0)
        bit >>= 1
    x ^= turned
    place = np.zeros_like(x[0])
    for level in range(bits - 1, -1, -1):
        for axis in range(dimensions):
            place = (place << 1) | ((x[axis] >> level) & 1)
    return np.asarray(place, dtype=np.int64)


def hilbert(features: Array, cell_samples: int = CELL_SAMPLES) -> NDArray[np.intp]:
    """The order of SKR's appendix E.2.2 for large sets: reduce, cut along a Hilbert curve, greedy in each piece.

    Features (N, d) are reduced to three principal components, placed on a Hilbert curve of 2^10 cells per
    axis, cut into runs of ``cell_samples``; each run is ordered greedily from the sample nearest to where the
    last run ended. Work N log N + N cell_samples d.
    """
    bits = 10
    reduced = principal_components(features)
    low, high = reduced.min(axis=0), reduced.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    cells = np.minimum(((reduced - low) / width * 2**bits).astype(np.int64), 2**bits - 1)
    along = np.argsort(hilbert_index(cells, bits), kind="stable")
    order: list[NDArray[np.intp]] = []
    for begin in range(0, len(along), cell_samples):
        run = along[begin : begin + cell_samples]
        start = 0
        if order:
            gaps = np.linalg.norm(features[run] - features[order[-1][-1]], axis=1)
            start = int(np.argmin(gaps))
        order.append(run[greedy(features[run], start)])
    return np.concatenate(order)
