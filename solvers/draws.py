"""The numbers of ``pdemill.draws``, to the bit, where many are drawn: by compiled code, in two thirds of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from pdemill.draws import ONE, Draw, word
from pdemill.points import Array
from pdemill.solvers.compiled import compiled

M0, M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
W0, W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
DROPPED = np.uint64(12)
BLOCK = 4
"""Words that one counter gives."""
MANY = 4096
"""Numbers that are drawn by compiled code: fewer do not pay for loading it."""


class CompiledDraw(Draw):
    """A Draw that is quick: the cipher runs without a call per word, and its words go where they are needed."""

    def uniform(self, count: int) -> Array:
        return self._levels(count, 1, 2)[:count] if count >= MANY else super().uniform(count)

    def normal(self, count: int) -> Array:
        if count < MANY:
            return super().normal(count)
        size = _whole(count)
        radius, tangent = self._levels(size, size // 2, 1).reshape(2, -1)
        np.log(radius, out=radius)
        radius *= -2.0
        np.sqrt(radius, out=radius)
        tangent *= np.pi
        np.tan(tangent, out=tangent)
        out = np.empty(size)
        _turn(radius, tangent, out)
        return out[:count]

    def _levels(self, count: int, within: int, across: int) -> Array:
        """At least ``count`` uniform numbers, number j at (j mod 2) within + (j div 2) across."""
        bits = np.empty(_whole(count), np.uint64)
        words = (self.seed, word(self.name), self.sample, word(self.split))
        _fill(*(np.uint64(part) for part in words), within, across, bits)
        level = bits.view(np.float64)
        level -= 1.0 - 2.0**-53
        return level


def _whole(count: int) -> int:
    return -(-count // BLOCK) * BLOCK


def _two_words(typing: Any, a: Any, b: Any) -> Any:
    """The upper and the lower word of a product of two words."""
    signature = types.UniTuple(types.uint64, 2)(types.uint64, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        upper = builder.lshr(product, ir.Constant(wide, 64))
        halves = [builder.trunc(part, ir.IntType(64)) for part in (upper, product)]
        return context.make_tuple(builder, signature.return_type, halves)

    return signature, generate


_product: Any = intrinsic(_two_words)


@compiled()
def _fill(
    key: np.uint64,
    name: np.uint64,
    sample: np.uint64,
    split: np.uint64,
    within: int,
    across: int,
    out: NDArray[np.uint64],
) -> None:
    """Numbers between 1 and 2 from Philox4x64-10 with the counter (1, 2, ...; 0; sample; split)."""
    for block in range(out.size // BLOCK):
        a, b, c, d = np.uint64(block + 1), np.uint64(0), sample, split
        k0, k1 = key, name
        for _ in range(10):
            (h0, l0), (h1, l1) = _product(M0, a), _product(M1, c)
            a, b, c, d = h1 ^ b ^ k0, l1, h0 ^ d ^ k1, l0
            k0, k1 = k0 + W0, k1 + W1
        place = 2 * block * across
        out[place], out[place + within] = a >> DROPPED | ONE, b >> DROPPED | ONE
        place += across
        out[place], out[place + within] = c >> DROPPED | ONE, d >> DROPPED | ONE


@compiled()
def _turn(radius: Array, tangent: Array, out: Array) -> None:
    """r (1 - t^2) / (1 + t^2) and 2 r t / (1 + t^2), side by side."""
    for pair in range(radius.size):
        t = tangent[pair]
        square = t * t
        r = radius[pair] / (1.0 + square)
        out[2 * pair], out[2 * pair + 1] = r * (1.0 - square), r * (2.0 * t)
