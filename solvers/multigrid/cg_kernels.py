"""Conjugate gradient steps on half rows; ``w``: float32 buffer, ``v``: float64 buffer, offsets as in ``row_kernels``.

Sums are taken per place and lane, over the rows, in the precision of what is summed; ``gather`` adds up the places in
float64.
"""

from __future__ import annotations

import numpy as np

from pdemill.solvers.multigrid.compiled import Buffer, Doubles, Offsets, Singles, U, kernel


@kernel
def add_product(w: Singles, total: int, a: int, b: int, many: int) -> None:
    """total += a b."""
    for k in range(U(0), many):
        w[total + k] += w[a + k] * w[b + k]


@kernel
def update_direction(w: Singles, z: int, p: int, beta: int, many: int) -> None:
    """p = z + beta p."""
    for k in range(U(0), many):
        w[p + k] = w[z + k] + w[beta + k] * w[p + k]


@kernel
def apply5(w: Singles, q: int, total: int, p: int, T: Offsets, N: Offsets, many: int) -> None:
    """q = A p as a sum of fluxes, whose rounding is relative to differences of p; total += p q."""
    for k in range(U(0), many):
        here = w[p + k]
        flux = (w[T[0] + k] * (here - w[N[0] + k]) + w[T[1] + k] * (here - w[N[1] + k])) + (
            w[T[2] + k] * (here - w[N[2] + k]) + w[T[3] + k] * (here - w[N[3] + k])
        )
        w[q + k] = flux
        w[total + k] += here * flux


@kernel
def apply7(w: Singles, q: int, total: int, p: int, T: Offsets, N: Offsets, many: int) -> None:
    """As ``apply5`` in three dimensions."""
    for k in range(U(0), many):
        here = w[p + k]
        flux = (
            (w[T[0] + k] * (here - w[N[0] + k]) + w[T[1] + k] * (here - w[N[1] + k]))
            + (w[T[2] + k] * (here - w[N[2] + k]) + w[T[3] + k] * (here - w[N[3] + k]))
            + (w[T[4] + k] * (here - w[N[4] + k]) + w[T[5] + k] * (here - w[N[5] + k]))
        )
        w[q + k] = flux
        w[total + k] += here * flux


@kernel
def react(w: Singles, q: int, total: int, p: int, c: int, many: int) -> None:
    """q += c p, total += c p p."""
    for k in range(U(0), many):
        here = w[p + k]
        part = w[c + k] * here
        w[q + k] += part
        w[total + k] += here * part


@kernel
def advance(w: Singles, v: Doubles, x: int, r: int, p: int, q: int, alpha: int, total: int, many: int) -> None:
    """x += alpha p, r -= alpha q, total += r r."""
    for k in range(U(0), many):
        v[x + k] += np.float64(w[alpha + k]) * np.float64(w[p + k])
        left = w[r + k] - w[alpha + k] * w[q + k]
        w[r + k] = left
        w[total + k] += left * left


@kernel
def advance_watched(
    w: Singles, v: Doubles, x: int, r: int, p: int, q: int, alpha: int, total: int, moved: int, many: int
) -> None:
    """As ``advance``, to the same bits; moved (of v) += the square of what x moved by."""
    for k in range(U(0), many):
        part = np.float64(w[alpha + k]) * np.float64(w[p + k])
        v[x + k] += part
        v[moved + k] += part * part
        left = w[r + k] - w[alpha + k] * w[q + k]
        w[r + k] = left
        w[total + k] += left * left


@kernel
def defect5(
    w: Singles,
    v: Doubles,
    r: int,
    total: int,
    keep: int,
    b: int,
    x: int,
    c: int,
    reaction: bool,
    T: Offsets,
    N: Offsets,
    many: int,
) -> None:
    """r = b - A x where keep is 0, all in float64; total += its square."""
    for k in range(U(0), many):
        here = v[x + k]
        left = v[b + k] - (
            (v[T[0] + k] * (here - v[N[0] + k]) + v[T[1] + k] * (here - v[N[1] + k]))
            + (v[T[2] + k] * (here - v[N[2] + k]) + v[T[3] + k] * (here - v[N[3] + k]))
        )
        if reaction:
            left -= v[c + k] * here
        v[total + k] += left * left
        w[r + k] = w[r + k] if v[keep + k] != 0.0 else np.float32(left)


@kernel
def defect7(
    w: Singles,
    v: Doubles,
    r: int,
    total: int,
    keep: int,
    b: int,
    x: int,
    c: int,
    reaction: bool,
    T: Offsets,
    N: Offsets,
    many: int,
) -> None:
    """As ``defect5`` in three dimensions."""
    for k in range(U(0), many):
        here = v[x + k]
        left = v[b + k] - (
            (v[T[0] + k] * (here - v[N[0] + k]) + v[T[1] + k] * (here - v[N[1] + k]))
            + (v[T[2] + k] * (here - v[N[2] + k]) + v[T[3] + k] * (here - v[N[3] + k]))
            + (v[T[4] + k] * (here - v[N[4] + k]) + v[T[5] + k] * (here - v[N[5] + k]))
        )
        if reaction:
            left -= v[c + k] * here
        v[total + k] += left * left
        w[r + k] = w[r + k] if v[keep + k] != 0.0 else np.float32(left)


@kernel
def gather(v: Buffer, total: int, lanes: int, many: int, sums: Doubles) -> None:
    """Add up the places of a row of sums for each lane, and clear it."""
    for lane in range(lanes):
        sums[lane] = 0.0
    for k in range(0, many, lanes):
        for lane in range(lanes):
            sums[lane] += v[total + k + lane]
            v[total + k + lane] = 0.0


@kernel
def spread(v: Buffer, at: int, lanes: int, many: int, values: Doubles) -> None:
    """Repeat a value per lane along a row."""
    for k in range(0, many, lanes):
        for lane in range(lanes):
            v[at + k + lane] = values[lane]
