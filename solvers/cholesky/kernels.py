"""Multifrontal Cholesky factors L L^T of several matrices, and solves with them; numbers are vectors, one place each.

A front is the dense lower triangle of what its columns and rows get from the matrix and from fronts below. Its columns
are eliminated two at a time, for three rows at a time, so that sums stay in registers; what is left of it is made in
squares of three. The order of every sum is fixed, and no matrix sees the others.
"""

from __future__ import annotations

import numpy as np

from pdemill.solvers.cholesky import LANES
from pdemill.solvers.cholesky.ordering import NONE
from pdemill.solvers.compiled import compiled
from pdemill.solvers.lanes import vectors

load, store, splat, _ = vectors(LANES)


@compiled()
def factorise(values, fronts, front, panels, inverse, updates, failed):  # type: ignore[no-untyped-def]
    """Factors of the matrices whose ``values`` [LANES, entries] are on the pattern of ``fronts``.

    ``panels``: the columns of L, front by front, each by rows; ``inverse``: 1 / L_jj; ``front`` and ``updates`` are
    work space. ``failed`` [LANES] tells which matrices are not positive definite: their factors mean nothing.
    """
    for s in range(len(fronts.begins) - 1):
        first, pivots = fronts.begins[s], fronts.begins[s + 1] - fronts.begins[s]
        below = fronts.row_begins[s + 1] - fronts.row_begins[s]
        _assemble(values, fronts, s, pivots + below, front, updates)
        _eliminate(front, panels, fronts.panels[s], pivots, pivots + below, inverse, first, failed)
        _leave(front, panels, fronts.panels[s] + pivots * pivots, pivots, below, updates, fronts.updates[s])


@compiled()
def _assemble(values, fronts, s, size, front, updates):  # type: ignore[no-untyped-def]
    """Add what front ``s`` gets from the matrices and from the fronts below."""
    zero = splat(0.0)
    for p in range(_row(size)):
        store(front, p, zero)
    for e in range(fronts.entry_begins[s], fronts.entry_begins[s + 1]):
        place, source = LANES * fronts.targets[e], fronts.sources[e]
        for lane in range(LANES):
            front[place + lane] += values[lane, source]
    c = fronts.child[s]
    while c != NONE:
        at, begin = fronts.updates[c], fronts.row_begins[c]
        for a in range(begin, fronts.row_begins[c + 1]):
            row = _row(fronts.above[a])
            for b in range(begin, a + 1):
                place = row + fronts.above[b]
                store(front, place, load(front, place) + load(updates, at))
                at += 1
        c = fronts.sibling[c]


@compiled()
def _eliminate(front, panels, at, pivots, size, inverse, first, failed):  # type: ignore[no-untyped-def]
    """The columns of a front."""
    for j in range(0, pivots - 1, 2):
        b, c = at + j * pivots, at + (j + 1) * pivots
        scale = _pivot(_reduced(front, _row(j) + j, panels, b, b, j), panels, b + j, inverse, first + j, failed)
        side = _reduced(front, _row(j + 1) + j, panels, c, b, j) * scale
        store(panels, c + j, side)
        rest = _reduced(front, _row(j + 1) + j + 1, panels, c, c, j + 1)
        other = _pivot(rest, panels, c + j + 1, inverse, first + j + 1, failed)
        i = j + 2
        while i + 2 < size:
            p, q, r = at + i * pivots, at + (i + 1) * pivots, at + (i + 2) * pivots
            p0, p1 = load(front, _row(i) + j), load(front, _row(i) + j + 1)
            q0, q1 = load(front, _row(i + 1) + j), load(front, _row(i + 1) + j + 1)
            r0, r1 = load(front, _row(i + 2) + j), load(front, _row(i + 2) + j + 1)
            for k in range(j):
                x, y, z = load(panels, b + k), load(panels, c + k), load(panels, p + k)
                p0, p1 = p0 - z * x, p1 - z * y
                z = load(panels, q + k)
                q0, q1 = q0 - z * x, q1 - z * y
                z = load(panels, r + k)
                r0, r1 = r0 - z * x, r1 - z * y
            _put(panels, p + j, p0 * scale, p1, side, other)
            _put(panels, q + j, q0 * scale, q1, side, other)
            _put(panels, r + j, r0 * scale, r1, side, other)
            i += 3
        while i < size:
            p = at + i * pivots
            x, y = load(front, _row(i) + j), load(front, _row(i) + j + 1)
            for k in range(j):
                z = load(panels, p + k)
                x, y = x - z * load(panels, b + k), y - z * load(panels, c + k)
            _put(panels, p + j, x * scale, y, side, other)
            i += 1
    if pivots % 2:
        j = pivots - 1
        b = at + j * pivots
        scale = _pivot(_reduced(front, _row(j) + j, panels, b, b, j), panels, b + j, inverse, first + j, failed)
        for i in range(j + 1, size):
            p = at + i * pivots
            store(panels, p + j, _reduced(front, _row(i) + j, panels, p, b, j) * scale)


@compiled(forceinline=True)
def _put(panels, place, one, other, side, scale):  # type: ignore[no-untyped-def]
    """Two entries of a row, the second of which gets its share of the first."""
    store(panels, place, one)
    store(panels, place + 1, (other - one * side) * scale)


@compiled()
def _pivot(value, panels, place, inverse, number, failed):  # type: ignore[no-untyped-def]
    """The root of a pivot goes to the factors; returns its inverse. Where it is not positive, 1 stands for it."""
    store(inverse, number, value)
    for lane in range(LANES):
        found = inverse[LANES * number + lane]
        if not 0.0 < found < np.inf:
            failed[lane], found = True, 1.0
        root = np.sqrt(found)
        panels[LANES * place + lane] = root
        inverse[LANES * number + lane] = 1.0 / root
    return load(inverse, number)


@compiled()
def _leave(front, panels, at, pivots, below, updates, to):  # type: ignore[no-untyped-def]
    """What a front leaves for the one above: its rows below, without what the eliminated columns take."""
    j = 0
    while j + 2 < below:
        a = at + j * pivots
        b, c = a + pivots, a + 2 * pivots
        for i in range(j, j + 3):
            for k in range(j, i + 1):
                p, q = at + i * pivots, at + k * pivots
                entry = _row(pivots + i) + pivots + k
                store(updates, to + _row(i) + k, _reduced(front, entry, panels, p, q, pivots))
        i = j + 3
        while i + 2 < below:
            p = at + i * pivots
            q, r = p + pivots, p + 2 * pivots
            entry, other, third = _row(pivots + i), _row(pivots + i + 1), _row(pivots + i + 2)
            entry, other, third = entry + pivots + j, other + pivots + j, third + pivots + j
            p0, p1, p2 = load(front, entry), load(front, entry + 1), load(front, entry + 2)
            q0, q1, q2 = load(front, other), load(front, other + 1), load(front, other + 2)
            r0, r1, r2 = load(front, third), load(front, third + 1), load(front, third + 2)
            for k in range(pivots):
                x, y, z = load(panels, a + k), load(panels, b + k), load(panels, c + k)
                w = load(panels, p + k)
                p0, p1, p2 = p0 - w * x, p1 - w * y, p2 - w * z
                w = load(panels, q + k)
                q0, q1, q2 = q0 - w * x, q1 - w * y, q2 - w * z
                w = load(panels, r + k)
                r0, r1, r2 = r0 - w * x, r1 - w * y, r2 - w * z
            _three(updates, to + _row(i) + j, p0, p1, p2)
            _three(updates, to + _row(i + 1) + j, q0, q1, q2)
            _three(updates, to + _row(i + 2) + j, r0, r1, r2)
            i += 3
        while i < below:
            p, entry = at + i * pivots, _row(pivots + i) + pivots + j
            x, y, z = load(front, entry), load(front, entry + 1), load(front, entry + 2)
            for k in range(pivots):
                w = load(panels, p + k)
                x, y, z = x - w * load(panels, a + k), y - w * load(panels, b + k), z - w * load(panels, c + k)
            _three(updates, to + _row(i) + j, x, y, z)
            i += 1
        j += 3
    while j < below:
        for i in range(j, below):
            p, q, entry = at + i * pivots, at + j * pivots, _row(pivots + i) + pivots + j
            store(updates, to + _row(i) + j, _reduced(front, entry, panels, p, q, pivots))
        j += 1


@compiled(forceinline=True)
def _row(i):  # type: ignore[no-untyped-def]
    """Where row ``i`` of a packed triangle begins."""
    return i * (i + 1) // 2


@compiled(forceinline=True)
def _reduced(front, entry, panels, p, q, count):  # type: ignore[no-untyped-def]
    """An entry of a front without the product of two rows of factors."""
    found = load(front, entry)
    for k in range(count):
        found = found - load(panels, p + k) * load(panels, q + k)
    return found


@compiled(forceinline=True)
def _three(target, place, x, y, z):  # type: ignore[no-untyped-def]
    store(target, place, x)
    store(target, place + 1, y)
    store(target, place + 2, z)


@compiled()
def solve(x, fronts, panels, inverse):  # type: ignore[no-untyped-def]
    """Solve L L^T x = b in place; x [unknowns, LANES] in the order of elimination."""
    begins, rows = fronts.begins, fronts.rows
    many = len(begins) - 1
    for s in range(many):
        first, pivots, at = begins[s], begins[s + 1] - begins[s], fronts.panels[s]
        for i in range(pivots):
            found, p = load(x, first + i), at + i * pivots
            for k in range(i):
                found = found - load(panels, p + k) * load(x, first + k)
            store(x, first + i, found * load(inverse, first + i))
        p = at + pivots * pivots
        for e in range(fronts.row_begins[s], fronts.row_begins[s + 1]):
            found = load(x, rows[e])
            for k in range(pivots):
                found = found - load(panels, p + k) * load(x, first + k)
            store(x, rows[e], found)
            p += pivots
    for s in range(many - 1, -1, -1):
        first, pivots, at = begins[s], begins[s + 1] - begins[s], fronts.panels[s]
        p = at + pivots * pivots
        for e in range(fronts.row_begins[s], fronts.row_begins[s + 1]):
            known = load(x, rows[e])
            for k in range(pivots):
                store(x, first + k, load(x, first + k) - load(panels, p + k) * known)
            p += pivots
        for i in range(pivots - 1, -1, -1):
            known, p = load(x, first + i) * load(inverse, first + i), at + i * pivots
            store(x, first + i, known)
            for k in range(i):
                store(x, first + k, load(x, first + k) - load(panels, p + k) * known)
