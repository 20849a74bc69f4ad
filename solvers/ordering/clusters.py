"""Order by clusters: samples whose solutions on a coarse grid point in similar directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array

ROUNDS = 50
"""Most rounds of k-medoids: as a rule it ends after a few."""


def dissimilarity(vectors: Array) -> Array:
    """1 - |cos| of the angle between each two of the vectors [N, d]; 1 to a vector of zeros, 0 to itself."""
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(sizes > 0.0, sizes, 1.0)
    found: Array = 1.0 - np.minimum(np.abs(units @ units.T), 1.0)
    np.fill_diagonal(found, 0.0)
    return found


def k_medoids(apart: Array, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """``count`` medoids of samples that are so far apart [N, N], and the medoid that each sample belongs to, by number.

    Begun with the sample in the middle of all and, one after another, the one that is farthest from those (Gonzalez
    1985); then medoids and clusters are found in turn (Park and Jun 2009). Ties go to the lower number.
    """
    medoids = [int(np.argmin(apart.sum(axis=0)))]
    while len(medoids) < count:
        nearest = apart[medoids].min(axis=0)
        nearest[medoids] = -1.0
        medoids.append(int(np.argmax(nearest)))
    chosen = np.array(medoids, dtype=np.intp)
    for _ in range(ROUNDS):
        of = np.argmin(apart[chosen], axis=0)
        of[chosen] = np.arange(count)
        members = [np.flatnonzero(of == number) for number in range(count)]
        better = np.array([one[np.argmin(apart[np.ix_(one, one)].sum(axis=0))] for one in members], dtype=np.intp)
        if np.array_equal(better, chosen):
            break
        chosen = better
    return chosen, of


def by_clusters(vectors: Array) -> NDArray[np.intp]:
    """Clusters one after another, about sqrt(N / 2) of them, each from the sample that is nearest to the last one of
    the cluster before on to the nearest that is left; the next cluster is the one with the nearest sample."""
    apart = dissimilarity(vectors)
    samples = len(vectors)
    _, of = k_medoids(apart, max(1, round((samples / 2) ** 0.5)))
    left = set(range(int(of.max()) + 1))
    here, order = 0, [0]
    inside = int(of[0])
    todo = set(np.flatnonzero(of == inside).tolist()) - {0}
    left.discard(inside)
    while todo or left:
        if not todo:
            open_ = sorted(i for i in range(samples) if int(of[i]) in left)
            inside = int(of[min(open_, key=lambda i: float(apart[here, i]))])
            left.discard(inside)
            todo = set(np.flatnonzero(of == inside).tolist())
        here = min(sorted(todo), key=lambda i: float(apart[here, i]))
        todo.discard(here)
        order.append(here)
    return np.array(order, dtype=np.intp)
