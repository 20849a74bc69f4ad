"""Arithmetic on half rows: loops of unit stride over the places and lanes of a half row.

``w`` is a float32 and ``v`` a float64 buffer, small letters are offsets, T and N the offsets of the couplings to the
neighbours and of the neighbours themselves: before and after along z, the other cell of the place, the cell beyond the
place, before and after along y. The last two are missing in two dimensions, which have kernels of their own.
"""

from __future__ import annotations

import numpy as np

from pdemill.solvers.multigrid.compiled import Buffer, Offsets, Singles, U, kernel

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)


@kernel
def relax5(w: Singles, u: int, f: int, d: int, total: int, summing: bool, T: Offsets, N: Offsets, length: int) -> None:
    """u = (f + sum T N) / diagonal; if ``summing``, total += u f."""
    for k in range(U(0), length):
        here = w[d + k] * (
            w[f + k]
            + (w[T[0] + k] * w[N[0] + k] + w[T[1] + k] * w[N[1] + k])
            + (w[T[2] + k] * w[N[2] + k] + w[T[3] + k] * w[N[3] + k])
        )
        w[u + k] = here
        if summing:
            w[total + k] += here * w[f + k]


@kernel
def relax7(w: Singles, u: int, f: int, d: int, total: int, summing: bool, T: Offsets, N: Offsets, length: int) -> None:
    """As ``relax5`` in three dimensions."""
    for k in range(U(0), length):
        here = w[d + k] * (
            w[f + k]
            + (w[T[0] + k] * w[N[0] + k] + w[T[1] + k] * w[N[1] + k])
            + (w[T[2] + k] * w[N[2] + k] + w[T[3] + k] * w[N[3] + k])
            + (w[T[4] + k] * w[N[4] + k] + w[T[5] + k] * w[N[5] + k])
        )
        w[u + k] = here
        if summing:
            w[total + k] += here * w[f + k]


@kernel
def flow5(w: Singles, r: int, T: Offsets, N: Offsets, length: int) -> None:
    """r = sum T N."""
    for k in range(U(0), length):
        w[r + k] = (w[T[0] + k] * w[N[0] + k] + w[T[1] + k] * w[N[1] + k]) + (
            w[T[2] + k] * w[N[2] + k] + w[T[3] + k] * w[N[3] + k]
        )


@kernel
def flow7(w: Singles, r: int, T: Offsets, N: Offsets, length: int) -> None:
    """As ``flow5`` in three dimensions."""
    for k in range(U(0), length):
        w[r + k] = (
            (w[T[0] + k] * w[N[0] + k] + w[T[1] + k] * w[N[1] + k])
            + (w[T[2] + k] * w[N[2] + k] + w[T[3] + k] * w[N[3] + k])
            + (w[T[4] + k] * w[N[4] + k] + w[T[5] + k] * w[N[5] + k])
        )


@kernel
def scale(w: Singles, u: int, f: int, d: int, length: int) -> None:
    """u = f / diagonal: a relaxation from zero."""
    for k in range(U(0), length):
        w[u + k] = w[d + k] * w[f + k]


@kernel
def clear(w: Buffer, u: int, length: int) -> None:
    """u = 0."""
    for k in range(U(0), length):
        w[u + k] = 0


@kernel
def copy(w: Buffer, u: int, f: int, length: int) -> None:
    """u = f."""
    for k in range(U(0), length):
        w[u + k] = w[f + k]


@kernel
def add(w: Singles, u: int, f: int, length: int) -> None:
    """u = u + f."""
    for k in range(U(0), length):
        w[u + k] += w[f + k]


@kernel
def split(w: Singles, whole: int, first: int, second: int, lanes: int, length: int) -> None:
    """A whole row into its first and second cells of each place; ``length``: of a half row. The compiler makes better
    loops of lanes that it knows."""
    if lanes == U(1):
        for k in range(U(0), length):
            w[first + k] = w[whole + U(2) * k]
            w[second + k] = w[whole + U(2) * k + U(1)]
    elif lanes == U(2):
        for k in range(U(0), length, U(2)):
            for lane in range(U(0), U(2)):
                w[first + k + lane] = w[whole + U(2) * k + lane]
                w[second + k + lane] = w[whole + U(2) * k + U(2) + lane]
    elif lanes == U(8):
        for k in range(U(0), length, U(8)):
            for lane in range(U(0), U(8)):
                w[first + k + lane] = w[whole + U(2) * k + lane]
            for lane in range(U(0), U(8)):
                w[second + k + lane] = w[whole + U(2) * k + U(8) + lane]
    else:
        for k in range(U(0), length, lanes):
            for lane in range(U(0), lanes):
                w[first + k + lane] = w[whole + U(2) * k + lane]
                w[second + k + lane] = w[whole + U(2) * k + lanes + lane]


@kernel
def merge(w: Singles, whole: int, first: int, second: int, lanes: int, length: int) -> None:
    """The inverse of ``split``."""
    if lanes == U(1):
        for k in range(U(0), length):
            w[whole + U(2) * k] = w[first + k]
            w[whole + U(2) * k + U(1)] = w[second + k]
    elif lanes == U(2):
        for k in range(U(0), length, U(2)):
            for lane in range(U(0), U(2)):
                w[whole + U(2) * k + lane] = w[first + k + lane]
                w[whole + U(2) * k + U(2) + lane] = w[second + k + lane]
    elif lanes == U(8):
        for k in range(U(0), length, U(8)):
            for lane in range(U(0), U(8)):
                w[whole + U(2) * k + lane] = w[first + k + lane]
            for lane in range(U(0), U(8)):
                w[whole + U(2) * k + U(8) + lane] = w[second + k + lane]
    else:
        for k in range(U(0), length, lanes):
            for lane in range(U(0), lanes):
                w[whole + U(2) * k + lane] = w[first + k + lane]
                w[whole + U(2) * k + lanes + lane] = w[second + k + lane]
