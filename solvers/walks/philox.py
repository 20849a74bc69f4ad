"""Random numbers that are a function of what they are for: Philox4x32-10.

A draw is the cipher of a counter of four 32-bit words under a key of two (Salmon, Moraes, Dror, Shaw 2011, "Parallel
random numbers: as easy as 1, 2, 3"). Walks count with (step, walk, point, stream), so that no draw depends on threads,
on how work is split, or on what ran before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, uint32, uint64
from numpy.typing import ArrayLike, NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

type Key = tuple[int, int]

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
"""Liberties of compiled arithmetic; not those that assume that infinities and NaN never occur."""

WORD = 2**32
RESERVED_STEP = 0xFFFF0000
"""Counters with this step and above are never used by the steps of a walk."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@compiled(inline="always")
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random uint32 words for a counter of four and a key of two uint32 words (compiled code only)."""
    for _ in range(10):
        p0, p1 = uint64(c0) * _M0, uint64(c2) * _M1
        h0, l0 = uint32(p0 >> _HALF), uint32(p0 & _LOW)
        h1, l1 = uint32(p1 >> _HALF), uint32(p1 & _LOW)
        c0, c1, c2, c3 = uint32(h1 ^ c1 ^ k0), l1, uint32(h0 ^ c3 ^ k1), l0
        k0, k1 = uint32(k0 + _W0), uint32(k1 + _W1)
    return c0, c1, c2, c3


@compiled(inline="always")
def uniform(word: Any) -> Any:
    """The middle of the word's interval: a number in (0, 1), never 0 or 1 (compiled code only)."""
    return (float64(word) + 0.5) * (1.0 / 4294967296.0)


@compiled(fastmath=FAST, forceinline=True)
def sin_cos(word: Any) -> Any:
    """(sin, cos) of 2 pi times the word's number in (0, 1), to 1e-11 (compiled code only).

    Two bits choose the quadrant, thirty the angle in it; the Taylor-like polynomials are those of Cephes. Free of
    branches, because the quadrant is random.
    """
    quadrant = uint32(word >> uint32(30))
    angle = ((float64(word & uint32(0x3FFFFFFF)) + 0.5) * (1.0 / 1073741824.0) - 0.5) * 1.5707963267948966
    q = angle * angle
    s = 2.7557316103728802e-6 - q * 2.5051132068021698e-8
    s = angle * (
        1.0 + q * (-1.6666666666666666e-1 + q * (8.3333333333309497e-3 + q * (-1.9841269836761127e-4 + q * s)))
    )
    c = 2.4801587288851704e-5 + q * (-2.7557314284120030e-7 + q * 2.0875705481768810e-9)
    c = 1.0 + q * (-0.5 + q * (4.1666666666666602e-2 + q * (-1.3888888888873056e-3 + q * c)))
    odd = (quadrant & uint32(1)) != uint32(0)
    sign = 1.0 - float64(quadrant & uint32(2))
    sine, cosine = (c if odd else s), (-s if odd else c)
    return sign * sine, sign * cosine


@compiled(nogil=True)
def _fill(counters: Any, k0: Any, k1: Any, out: Any) -> None:
    for i in range(len(counters)):
        a, b, c, d = philox(counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], uint32(k0), uint32(k1))
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


def words(key: Key, step: ArrayLike, walk: ArrayLike, point: ArrayLike, stream: ArrayLike) -> NDArray[np.uint32]:
    """Random words of shape [..., 4] for counters of integers below 2^32 that broadcast to [...]."""
    parts = np.broadcast_arrays(*(np.asarray(part, np.uint32) for part in (step, walk, point, stream)))
    counters = np.stack([part.ravel() for part in parts], axis=1)
    out = np.empty_like(counters)
    _fill(counters, np.uint32(key[0]), np.uint32(key[1]), out)
    return out.reshape(*parts[0].shape, 4)


def levels(key: Key, first: int, count: int, width: int, point: int = 0, stream: int = 0) -> Array:
    """Uniform numbers in (0, 1) of shape [count, width]; row i depends on first + i alone."""
    rows = np.arange(first, first + count)[:, None]
    blocks = np.arange(-(-width // 4))[None, :]
    found = words(key, blocks, rows, point, stream).reshape(count, -1)[:, :width]
    return np.asarray((found + 0.5) * (1.0 / WORD))
