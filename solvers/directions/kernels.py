"""What a network does on a level, compiled.

All arrays of a level have three axes of cells and a layer of zeros around them: in two dimensions the first axis has
one cell. No fast maths: every operation rounds as IEEE 754 says, so that stores have the same bytes on every machine.
"""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.compiled import compiled

LANES = 8
"""Sums that make up an inner product."""


@compiled(error_model="numpy")
def smooth(r: Array, inverse: Array, kernels: Array, gates: Array, scaled: Array, e: Array) -> None:
    """e <- e + Σ_k g_k (κ_k * (r / d)); kernels [k, 1 or 3, 3, 3], gates [k, cells], 0 outside the domain; ``inverse``
    is 1 / d, and ``scaled`` room for r / d."""
    count, depth = kernels.shape[0], kernels.shape[1]
    nz, ny, nx = r.shape[0] - 2, r.shape[1] - 2, r.shape[2] - 2
    for z in range(1, nz + 1):
        for y in range(1, ny + 1):
            for x in range(1, nx + 1):
                scaled[z, y, x] = r[z, y, x] * inverse[z, y, x]
    row = np.zeros(nx)
    for z in range(1, nz + 1):
        for y in range(1, ny + 1):
            for k in range(count):
                for x in range(nx):
                    row[x] = 0.0
                for i in range(depth):
                    at = z + i - depth // 2
                    for j in range(3):
                        a, b, c = kernels[k, i, j, 0], kernels[k, i, j, 1], kernels[k, i, j, 2]
                        line = scaled[at, y + j - 1]
                        for x in range(nx):
                            row[x] += a * line[x] + b * line[x + 1] + c * line[x + 2]
                for x in range(nx):
                    e[z, y, x + 1] += gates[k, z - 1, y - 1, x] * row[x]


@compiled(error_model="numpy")
def multiply(couplings: Array, diagonal: Array, v: Array, out: Array) -> None:
    """out <- A v; couplings [3, cells] of each cell with the ones after it."""
    nz, ny, nx = v.shape[0] - 2, v.shape[1] - 2, v.shape[2] - 2
    cz, cy, cx = couplings[0], couplings[1], couplings[2]
    for z in range(1, nz + 1):
        for y in range(1, ny + 1):
            for x in range(1, nx + 1):
                out[z, y, x] = (
                    diagonal[z, y, x] * v[z, y, x]
                    - (cz[z, y, x] * v[z + 1, y, x] + cz[z - 1, y, x] * v[z - 1, y, x])
                    - (cy[z, y, x] * v[z, y + 1, x] + cy[z, y - 1, x] * v[z, y - 1, x])
                    - (cx[z, y, x] * v[z, y, x + 1] + cx[z, y, x - 1] * v[z, y, x - 1])
                )


@compiled(error_model="numpy")
def down(left: Array, gate: Array, kernel: Array, gated: Array, out: Array) -> None:
    """out <- w * (g left) at every second cell; kernel [1 or 4, 4, 4]. ``gated`` is room for g left."""
    depth, nz, ny, nx = kernel.shape[0], out.shape[0] - 2, out.shape[1] - 2, out.shape[2] - 2
    for z in range(1, left.shape[0] - 1):
        for y in range(1, left.shape[1] - 1):
            for x in range(1, left.shape[2] - 1):
                gated[z, y, x] = gate[z - 1, y - 1, x - 1] * left[z, y, x]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                total = 0.0
                for i in range(depth):
                    at = 2 * z + i if depth > 1 else 1
                    for j in range(4):
                        for k in range(4):
                            total += kernel[i, j, k] * gated[at, 2 * y + j, 2 * x + k]
                out[z + 1, y + 1, x + 1] = total


@compiled(error_model="numpy")
def up(below: Array, gate: Array, kernel: Array, e: Array) -> None:
    """e <- e + g (the transposed convolution of what is below), kernel [1 or 4, 4, 4]."""
    depth, nz, ny, nx = kernel.shape[0], e.shape[0] - 2, e.shape[1] - 2, e.shape[2] - 2
    row = np.zeros(nx)
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                row[x] = 0.0
            for a in range(2 if depth > 1 else 1):
                i, p = _from(z, a) if depth > 1 else (0, 1)
                for b in range(2):
                    j, q = _from(y, b)
                    line = below[p, q]
                    w0, w1, w2, w3 = kernel[i, j, 0], kernel[i, j, 1], kernel[i, j, 2], kernel[i, j, 3]
                    for m in range(nx // 2):
                        row[2 * m] += w1 * line[m + 1] + w3 * line[m]
                        row[2 * m + 1] += w2 * line[m + 1] + w0 * line[m + 2]
            for x in range(nx):
                e[z + 1, y + 1, x + 1] += gate[z, y, x] * row[x]


@compiled(error_model="numpy")
def _from(cell: int, nth: int) -> tuple[int, int]:
    """The place in a kernel of either of two wide cells that reach a cell, and where that is."""
    if nth == 0:
        return 1 + cell % 2, cell // 2 + 1
    return (3, cell // 2) if cell % 2 == 0 else (0, cell // 2 + 2)


@compiled(error_model="numpy")
def gates_of(features: Array, W1: Array, b1: Array, W2: Array, b2: Array, inside: Array, out: Array) -> None:
    """b₂ + W₂ σ(b₁ + W₁ φ) of every cell in the domain, 0 elsewhere; features [f, cells], out [gates, cells]."""
    hidden = np.zeros(len(b1))
    for cell in range(features.shape[1]):
        if inside[cell] == 0.0:
            out[:, cell] = 0.0
            continue
        for h in range(len(b1)):
            total = b1[h]
            for f in range(features.shape[0]):
                total += W1[h, f] * features[f, cell]
            hidden[h] = total / (1.0 + abs(total))
        for g in range(len(b2)):
            total = b2[g]
            for h in range(len(b1)):
                total += W2[g, h] * hidden[h]
            out[g, cell] = total


@compiled(error_model="numpy")
def inner(v: Array, w: Array) -> float:
    """v · w, of flat arrays."""
    sums = np.zeros(LANES)
    whole = len(v) // LANES * LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            sums[lane] += v[i + lane] * w[i + lane]
    for i in range(whole, len(v)):
        sums[0] += v[i] * w[i]
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


@compiled(error_model="numpy")
def add(v: Array, factor: float, w: Array) -> None:
    """v <- v + factor w."""
    for i in range(len(v)):
        v[i] += factor * w[i]
