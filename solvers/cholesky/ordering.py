"""The order in which the unknowns of a pattern are eliminated, and the fronts in which that is done.

Unknowns are ordered by multiple minimum degree (Liu 1985), as SuperLU does, and then along the elimination tree (Liu
1990, "The role of elimination trees in sparse factorization"). Columns of L whose entries are in the same rows are
eliminated together, in one dense front; small fronts are merged with the one above.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import splu

from pdemill.solvers.compiled import compiled
from pdemill.solvers.operators.system import Pattern

Places = NDArray[np.intp]
NONE = -1
SMALL = ((8, 0.6), (24, 0.25))
"""Fronts of at most so many columns are merged while at most this part of their entries are zeros."""


class Fronts(NamedTuple):
    """Front s eliminates the columns ``begins[s]`` to ``begins[s + 1]`` of the new order, and has the ``rows``
    [``row_begins[s]`` : ``row_begins[s + 1]``] below them, sorted.

    ``order``: the unknown in each column. ``above``: where these rows are in the front above. ``child`` and
    ``sibling``: the first front below each, and the next with the same one above. ``sources`` and ``targets``
    [``entry_begins[s]`` : ``entry_begins[s + 1]``]: which values of a matrix go where in front s, whose lower triangle
    is packed by rows. ``panels`` and ``updates``: where in the factors its columns begin, and where what it leaves for
    the front above. ``largest``: rows of the largest front; ``waiting``: what is left for fronts above, at most.
    """

    order: Places
    begins: Places
    row_begins: Places
    rows: Places
    above: Places
    child: Places
    sibling: Places
    entry_begins: Places
    sources: Places
    targets: Places
    panels: Places
    updates: Places
    largest: int
    waiting: int

    @property
    def entries(self) -> int:
        """Numbers in the factors."""
        return int(self.panels[-1])


def fronts_of(pattern: Pattern) -> Fronts:
    """The fronts of a symmetric pattern."""
    indptr, indices = pattern.indptr, pattern.indices
    order = _least_fill(pattern)
    order = order[_postorder(_tree(indptr, indices, order, np.argsort(order)))]
    new = np.argsort(order)
    parent = _tree(indptr, indices, order, new)
    columns, filled = _columns(indptr, indices, order, new, parent)
    begins = _merged(parent, np.diff(columns))
    row_begins, rows, child, sibling, above = _rows(begins, columns, filled, parent)
    entry_begins, sources, targets = _entries(indptr, indices, order, new, begins, row_begins, rows)
    pivots, below = np.diff(begins), np.diff(row_begins)
    panels = np.concatenate([[0], np.cumsum((pivots + below) * pivots)])
    updates, waiting = _stacked(below * (below + 1) // 2, child, sibling)
    return Fronts(
        order, begins, row_begins, rows, above, child, sibling, entry_begins, sources, targets, panels, updates,
        int((pivots + below).max()), waiting,
    )  # fmt: skip


def _least_fill(pattern: Pattern) -> Places:
    """The unknown to be eliminated at each step, by multiple minimum degree."""
    values = np.full(len(pattern.indices), -1.0)
    values[pattern.diagonals] = 2.0 * pattern.longest_row  # no pivoting, whatever the order
    matrix = csr_array((values, pattern.indices, pattern.indptr), shape=(pattern.size,) * 2)
    factors = splu(matrix.T, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.argsort(factors.perm_c)


@compiled()
def _tree(indptr, indices, order, new):  # type: ignore[no-untyped-def]
    """The elimination tree: the parent of each column, in the new numbering; NONE of a root."""
    n = len(order)
    parent, ancestor = np.full(n, NONE), np.full(n, NONE)
    for j in range(n):
        for p in range(indptr[order[j]], indptr[order[j] + 1]):
            i = new[indices[p]]
            while i != NONE and i < j:
                above = ancestor[i]
                ancestor[i] = j
                if above == NONE:
                    parent[i] = j
                i = above
    return parent


@compiled()
def _families(parent):  # type: ignore[no-untyped-def]
    """The first child of each node, and the next sibling."""
    n = len(parent)
    child, sibling = np.full(n, NONE), np.full(n, NONE)
    for j in range(n - 1, -1, -1):
        if parent[j] != NONE:
            sibling[j] = child[parent[j]]
            child[parent[j]] = j
    return child, sibling


@compiled()
def _postorder(parent):  # type: ignore[no-untyped-def]
    """The nodes, each after its children, and those of a subtree together."""
    n = len(parent)
    child, sibling = _families(parent)
    found, path, count = np.empty(n, np.intp), np.empty(n, np.intp), 0
    for root in range(n):
        if parent[root] != NONE:
            continue
        depth, path[0] = 0, root
        while depth >= 0:
            node = path[depth]
            if child[node] == NONE:
                found[count] = node
                count, depth = count + 1, depth - 1
            else:
                depth += 1
                path[depth] = child[node]
                child[node] = sibling[child[node]]
    return found


@compiled()
def _columns(indptr, indices, order, new, parent):  # type: ignore[no-untyped-def]
    """The rows of L below the diagonal in each column, not sorted, and where they begin."""
    n = len(order)
    child, sibling = _families(parent)
    begins, rows, seen, count = np.zeros(n + 1, np.intp), np.empty(8 * len(indices), np.intp), np.full(n, NONE), 0
    for j in range(n):
        if count + n > len(rows):
            more = np.empty(2 * len(rows) + n, np.intp)
            more[:count] = rows[:count]
            rows = more
        seen[j] = j
        for p in range(indptr[order[j]], indptr[order[j] + 1]):
            i = new[indices[p]]
            if i > j and seen[i] != j:
                seen[i], rows[count] = j, i
                count += 1
        c = child[j]
        while c != NONE:
            for p in range(begins[c], begins[c + 1]):
                i = rows[p]
                if i > j and seen[i] != j:
                    seen[i], rows[count] = j, i
                    count += 1
            c = sibling[c]
        begins[j + 1] = count
    return begins, rows[:count].copy()


def _merged(parent: Places, counts: Places) -> Places:
    """Where fronts begin; ``counts``: of entries below the diagonal. Columns that follow each other with the same rows
    are one, and so are a front and the last one below it where both are small."""
    n = len(parent)
    same = (parent[:-1] == np.arange(1, n)) & (counts[:-1] == counts[1:] + 1)
    begins = np.concatenate([[0], np.flatnonzero(~same) + 1, [n]])
    found: list[tuple[int, int, int, int]] = []
    for begin, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        size, zeros = end - begin + int(counts[end - 1]), 0
        while found and begin <= parent[found[-1][1] - 1] < end:
            first, last, other, more = found[-1]
            pivots = end - first
            entries = _trapezoid(pivots, size + last - first)
            missing = zeros + more + entries - _trapezoid(end - begin, size) - _trapezoid(last - first, other)
            if missing and not any(pivots <= most and missing <= part * entries for most, part in SMALL):
                break
            found.pop()
            begin, size, zeros = first, size + last - first, missing
        found.append((begin, end, size, zeros))
    return np.array([*(one[0] for one in found), n])


def _trapezoid(pivots: int, rows: int) -> int:
    """Entries of so many columns of a front."""
    return pivots * rows - pivots * (pivots - 1) // 2


@compiled()
def _rows(begins, columns, filled, parent):  # type: ignore[no-untyped-def]
    """The rows of the fronts, the tree of fronts, and where rows are in the front above."""
    many, n = len(begins) - 1, begins[-1]
    owner, up, row_begins = np.empty(n, np.intp), np.full(many, NONE), np.zeros(many + 1, np.intp)
    for s in range(many):
        last = begins[s + 1] - 1
        owner[begins[s] : last + 1] = s
        row_begins[s + 1] = row_begins[s] + columns[last + 1] - columns[last]
    rows = np.empty(row_begins[many], np.intp)
    for s in range(many):
        last = begins[s + 1] - 1
        rows[row_begins[s] : row_begins[s + 1]] = np.sort(filled[columns[last] : columns[last + 1]])
        if parent[last] != NONE:
            up[s] = owner[parent[last]]
    child, sibling = _families(up)
    above, place = np.empty_like(rows), np.empty(n, np.intp)
    for s in range(many):
        _number(place, s, begins, row_begins, rows)
        c = child[s]
        while c != NONE:
            for q in range(row_begins[c], row_begins[c + 1]):
                above[q] = place[rows[q]]
            c = sibling[c]
    return row_begins, rows, child, sibling, above


@compiled()
def _number(place, s, begins, row_begins, rows):  # type: ignore[no-untyped-def]
    """Number the columns and rows of a front."""
    pivots = begins[s + 1] - begins[s]
    for j in range(pivots):
        place[begins[s] + j] = j
    for q in range(row_begins[s], row_begins[s + 1]):
        place[rows[q]] = pivots + q - row_begins[s]


@compiled()
def _entries(indptr, indices, order, new, begins, row_begins, rows):  # type: ignore[no-untyped-def]
    """Which values go where in which front: those of the lower triangle."""
    many, count = len(begins) - 1, 0
    entry_begins, place = np.zeros(many + 1, np.intp), np.empty(len(order), np.intp)
    sources, targets = np.empty(len(indices), np.intp), np.empty(len(indices), np.intp)
    for s in range(many):
        _number(place, s, begins, row_begins, rows)
        for j in range(begins[s], begins[s + 1]):
            for p in range(indptr[order[j]], indptr[order[j] + 1]):
                i = new[indices[p]]
                if i >= j:
                    row = place[i]
                    sources[count], targets[count] = p, row * (row + 1) // 2 + place[j]
                    count += 1
        entry_begins[s + 1] = count
    return entry_begins, sources[:count].copy(), targets[:count].copy()


@compiled()
def _stacked(sizes, child, sibling):  # type: ignore[no-untyped-def]
    """Where on a stack each front puts what is left for the one above, and how high the stack grows."""
    places, top, most = np.empty_like(sizes), 0, 0
    for s in range(len(sizes)):
        c = child[s]
        while c != NONE:
            top -= sizes[c]
            c = sibling[c]
        places[s] = top
        top += sizes[s]
        most = max(most, top)
    return places, most
