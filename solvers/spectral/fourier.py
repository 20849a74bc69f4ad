"""Discrete Fourier transforms of eight lines at once.

Stockham's algorithm (Van Loan 1992, "Computational Frameworks for the Fast Fourier Transform", section 1.7) with the
radices 8, 4, 2, 3 and 5. Real and imaginary parts are in arrays of their own; with these two exchanged, before and
after, it is the inverse transform, unscaled.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.compiled import compiled
from pdemill.solvers.spectral.lanes import load, splat, store

ROOT = float(np.sqrt(0.5))
C3 = float(np.sin(2.0 * np.pi / 3.0))
C51, C52 = float(np.cos(2.0 * np.pi / 5.0)), float(np.cos(4.0 * np.pi / 5.0))
S51, S52 = float(np.sin(2.0 * np.pi / 5.0)), float(np.sin(4.0 * np.pi / 5.0))


class Line(NamedTuple):
    """The transform of n numbers: factors of n, and the twiddle factors of every pass, real and imaginary."""

    radices: NDArray[np.int64]
    twiddles: Array


def factors(n: int) -> list[int] | None:
    """n as a product of radices, few and large; None where it is none."""
    twos = (n & -n).bit_length() - 1
    rest, n = [], n >> twos
    for radix in (3, 5):
        while n % radix == 0:
            rest.append(radix)
            n //= radix
    fours = {0: 0, 1: 2, 2: 1}[twos % 3] if twos > 1 else 0
    eights = (twos - 2 * fours) // 3
    return [8] * eights + [4] * fours + [2] * (twos - 3 * eights - 2 * fours) + rest if n == 1 else None


@cache
def line(n: int) -> Line:
    """What the transform of n numbers needs, n a product of radices."""
    radices = factors(n)
    assert radices is not None
    parts, length = [np.empty(0)], n
    for radix in radices:
        turns = np.outer(np.arange(length // radix), np.arange(1, radix)) / length
        parts.append(np.stack([np.cos(2.0 * np.pi * turns), -np.sin(2.0 * np.pi * turns)], axis=-1).ravel())
        length //= radix
    return Line(np.array(radices, dtype=np.int64), np.concatenate(parts))


@compiled()
def transform(xr, xi, yr, yi, along):  # type: ignore[no-untyped-def]
    """Sums over j of x_j exp(-2 pi i j k / n): in y after an odd number of passes, else in x; both are overwritten."""
    s, at, m = 1, 0, 1
    for radix in along.radices:
        m *= radix
    ar, ai, br, bi = xr, xi, yr, yi
    for radix in along.radices:
        m //= radix
        if radix == 8:
            _pass8(ar, ai, br, bi, m, s, along.twiddles, at)
        elif radix == 4:
            _pass4(ar, ai, br, bi, m, s, along.twiddles, at)
        elif radix == 2:
            _pass2(ar, ai, br, bi, m, s, along.twiddles, at)
        elif radix == 3:
            _pass3(ar, ai, br, bi, m, s, along.twiddles, at)
        else:
            _pass5(ar, ai, br, bi, m, s, along.twiddles, at)
        at += 2 * (radix - 1) * m
        s *= radix
        ar, ai, br, bi = br, bi, ar, ai


@compiled()
def _put(br, bi, at, xr, xi, twiddles, t):  # type: ignore[no-untyped-def]
    """Store a number times a twiddle factor."""
    wr, wi = splat(twiddles[t]), splat(twiddles[t + 1])
    store(br, at, xr * wr - xi * wi)
    store(bi, at, xr * wi + xi * wr)


@compiled()
def _pass2(ar, ai, br, bi, m, s, twiddles, at):  # type: ignore[no-untyped-def]
    for p in range(m):
        for q in range(s):
            i, j = q + s * p, q + 2 * s * p
            xr, yr = load(ar, i), load(ar, i + s * m)
            xi, yi = load(ai, i), load(ai, i + s * m)
            store(br, j, xr + yr)
            store(bi, j, xi + yi)
            _put(br, bi, j + s, xr - yr, xi - yi, twiddles, at + 2 * p)


@compiled()
def _pass3(ar, ai, br, bi, m, s, twiddles, at):  # type: ignore[no-untyped-def]
    half, c3 = splat(0.5), splat(C3)
    for p in range(m):
        t = at + 4 * p
        for q in range(s):
            i, j = q + s * p, q + 3 * s * p
            xr, yr, zr = load(ar, i), load(ar, i + s * m), load(ar, i + 2 * s * m)
            xi, yi, zi = load(ai, i), load(ai, i + s * m), load(ai, i + 2 * s * m)
            sr, si = yr + zr, yi + zi
            dr, di = c3 * (yi - zi), c3 * (zr - yr)
            er, ei = xr - half * sr, xi - half * si
            store(br, j, xr + sr)
            store(bi, j, xi + si)
            _put(br, bi, j + s, er + dr, ei + di, twiddles, t)
            _put(br, bi, j + 2 * s, er - dr, ei - di, twiddles, t + 2)


@compiled()
def _pass4(ar, ai, br, bi, m, s, twiddles, at):  # type: ignore[no-untyped-def]
    for p in range(m):
        t = at + 6 * p
        for q in range(s):
            i, j = q + s * p, q + 4 * s * p
            xr, yr, zr, wr = load(ar, i), load(ar, i + s * m), load(ar, i + 2 * s * m), load(ar, i + 3 * s * m)
            xi, yi, zi, wi = load(ai, i), load(ai, i + s * m), load(ai, i + 2 * s * m), load(ai, i + 3 * s * m)
            er, ei = xr + zr, xi + zi
            fr, fi = xr - zr, xi - zi
            gr, gi = yr + wr, yi + wi
            hr, hi = yi - wi, wr - yr
            store(br, j, er + gr)
            store(bi, j, ei + gi)
            if p == 0:  # all twiddle factors are 1
                store(br, j + s, fr + hr)
                store(bi, j + s, fi + hi)
                store(br, j + 2 * s, er - gr)
                store(bi, j + 2 * s, ei - gi)
                store(br, j + 3 * s, fr - hr)
                store(bi, j + 3 * s, fi - hi)
            else:
                _put(br, bi, j + s, fr + hr, fi + hi, twiddles, t)
                _put(br, bi, j + 2 * s, er - gr, ei - gi, twiddles, t + 2)
                _put(br, bi, j + 3 * s, fr - hr, fi - hi, twiddles, t + 4)


@compiled()
def _pass5(ar, ai, br, bi, m, s, twiddles, at):  # type: ignore[no-untyped-def]
    c1, c2, s1, s2 = splat(C51), splat(C52), splat(S51), splat(S52)
    for p in range(m):
        t = at + 8 * p
        for q in range(s):
            i, j = q + s * p, q + 5 * s * p
            xr, xi = load(ar, i), load(ai, i)
            ur, ui = load(ar, i + s * m), load(ai, i + s * m)
            vr, vi = load(ar, i + 2 * s * m), load(ai, i + 2 * s * m)
            wr, wi = load(ar, i + 3 * s * m), load(ai, i + 3 * s * m)
            zr, zi = load(ar, i + 4 * s * m), load(ai, i + 4 * s * m)
            ar1, ai1, ar2, ai2 = ur + zr, ui + zi, vr + wr, vi + wi
            dr1, di1, dr2, di2 = ui - zi, zr - ur, vi - wi, wr - vr
            er1, ei1 = xr + c1 * ar1 + c2 * ar2, xi + c1 * ai1 + c2 * ai2
            er2, ei2 = xr + c2 * ar1 + c1 * ar2, xi + c2 * ai1 + c1 * ai2
            fr1, fi1 = s1 * dr1 + s2 * dr2, s1 * di1 + s2 * di2
            fr2, fi2 = s2 * dr1 - s1 * dr2, s2 * di1 - s1 * di2
            store(br, j, xr + ar1 + ar2)
            store(bi, j, xi + ai1 + ai2)
            _put(br, bi, j + s, er1 + fr1, ei1 + fi1, twiddles, t)
            _put(br, bi, j + 2 * s, er2 + fr2, ei2 + fi2, twiddles, t + 2)
            _put(br, bi, j + 3 * s, er2 - fr2, ei2 - fi2, twiddles, t + 4)
            _put(br, bi, j + 4 * s, er1 - fr1, ei1 - fi1, twiddles, t + 6)


@compiled()
def _pass8(ar, ai, br, bi, m, s, twiddles, at):  # type: ignore[no-untyped-def]
    root = splat(ROOT)
    for p in range(m):
        t = at + 14 * p
        for q in range(s):
            i, j, d = q + s * p, q + 8 * s * p, s * m
            # four-point transforms of the even and of the odd ones
            xr, yr, zr, wr = load(ar, i), load(ar, i + 2 * d), load(ar, i + 4 * d), load(ar, i + 6 * d)
            xi, yi, zi, wi = load(ai, i), load(ai, i + 2 * d), load(ai, i + 4 * d), load(ai, i + 6 * d)
            kr, ki, lr, li = xr + zr, xi + zi, xr - zr, xi - zi
            mr, mi, nr, ni = yr + wr, yi + wi, yi - wi, wr - yr
            er0, ei0, er2, ei2 = kr + mr, ki + mi, kr - mr, ki - mi
            er1, ei1, er3, ei3 = lr + nr, li + ni, lr - nr, li - ni
            xr, yr, zr, wr = load(ar, i + d), load(ar, i + 3 * d), load(ar, i + 5 * d), load(ar, i + 7 * d)
            xi, yi, zi, wi = load(ai, i + d), load(ai, i + 3 * d), load(ai, i + 5 * d), load(ai, i + 7 * d)
            kr, ki, lr, li = xr + zr, xi + zi, xr - zr, xi - zi
            mr, mi, nr, ni = yr + wr, yi + wi, yi - wi, wr - yr
            or0, oi0, or2, oi2 = kr + mr, ki + mi, ki - mi, mr - kr
            gr, gi, hr, hi = lr + nr, li + ni, lr - nr, li - ni
            or1, oi1, or3, oi3 = root * (gr + gi), root * (gi - gr), root * (hi - hr), splat(-ROOT) * (hr + hi)
            store(br, j, er0 + or0)
            store(bi, j, ei0 + oi0)
            if p == 0:  # all twiddle factors are 1
                store(br, j + s, er1 + or1)
                store(bi, j + s, ei1 + oi1)
                store(br, j + 2 * s, er2 + or2)
                store(bi, j + 2 * s, ei2 + oi2)
                store(br, j + 3 * s, er3 + or3)
                store(bi, j + 3 * s, ei3 + oi3)
                store(br, j + 4 * s, er0 - or0)
                store(bi, j + 4 * s, ei0 - oi0)
                store(br, j + 5 * s, er1 - or1)
                store(bi, j + 5 * s, ei1 - oi1)
                store(br, j + 6 * s, er2 - or2)
                store(bi, j + 6 * s, ei2 - oi2)
                store(br, j + 7 * s, er3 - or3)
                store(bi, j + 7 * s, ei3 - oi3)
            else:
                _put(br, bi, j + s, er1 + or1, ei1 + oi1, twiddles, t)
                _put(br, bi, j + 2 * s, er2 + or2, ei2 + oi2, twiddles, t + 2)
                _put(br, bi, j + 3 * s, er3 + or3, ei3 + oi3, twiddles, t + 4)
                _put(br, bi, j + 4 * s, er0 - or0, ei0 - oi0, twiddles, t + 6)
                _put(br, bi, j + 5 * s, er1 - or1, ei1 - oi1, twiddles, t + 8)
                _put(br, bi, j + 6 * s, er2 - or2, ei2 - oi2, twiddles, t + 10)
                _put(br, bi, j + 7 * s, er3 - or3, ei3 - oi3, twiddles, t + 12)
