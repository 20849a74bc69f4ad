"""Walks on spheres from given points, as records that any data can be evaluated on."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.kernels import radii2, radii3, radii_any, walk2, walk3, walk_any
from pdemill.solvers.walks.philox import RESERVED_STEP, WORD, Key, words
from pdemill.solvers.walks.records import GradientRecords, Records
from pdemill.solvers.walks.screening import fill_remaining, throughput

QUASI = 16
"""Sobol dimensions: the angles of the first 16 steps in the plane, of the first 8 in space."""
MOST_STEPS = 10**8
SHIFT_STEP, BALL_STEP = RESERVED_STEP, RESERVED_STEP + QUASI


def walk(
    geometry: Geometry,
    points: ArrayLike,
    ids: ArrayLike,
    first: int,
    walks: int,
    epsilon: float,
    max_steps: int,
    key: Key,
    stream: int,
    screening: float = 0.0,
    source: bool = False,
    sobol: bool = False,
) -> Records:
    """Walks number ``first`` to ``first + walks - 1`` from each point, for -Δu + λ u = f with u = g on the boundary.

    points      [P, d], further than epsilon inside the domain
    ids         [P], integers in [0, 2^32): distinct among the points of one stream
    epsilon     walks stop this close to the boundary (length; a thousandth of the diameter is good); a bias ~ epsilon
    max_steps   walks are cut off here, and reported; they take about log(1/epsilon) steps
    key, stream Philox key and fourth counter word (number of the sample, or of the walk bank)
    screening   λ >= 0
    source      whether f is not zero: keeps a source point per walk
    sobol       the first angles from a Sobol sequence with random digital shift, a new one for every 256 walks.
                Walks of one block are then dependent: only means over blocks are independent, so that a stderr must
                come from these. Variance falls by 1.8 to 2.7.

    Every walk is a function of (key, stream, id, number of the walk), to the bit, and of its point and the options;
    it does not depend on which other walks a call makes. Refuses points outside, epsilon beyond
    ``geometry.largest_epsilon`` and counters beyond 32 bits.
    """
    x, _ = starts_inside(geometry, points, epsilon)
    return _run(geometry, x, ids, first, walks, epsilon, max_steps, key, stream, screening, source, sobol)[0]


def gradient_walk(
    geometry: Geometry,
    points: ArrayLike,
    ids: ArrayLike,
    first: int,
    walks: int,
    epsilon: float,
    max_steps: int,
    key: Key,
    stream: int,
    screening: float = 0.0,
    source: bool = False,
    sobol: bool = False,
) -> GradientRecords:
    """Walks for ∇u; arguments as for ``walk``, whose walks these are, too.

    ∇u(x) = d/R E[n u(x + R n)] + ∫ ∇G(x, y) f(y) dy over the first ball of the walk, |∇G| = (r^(1-d) - r/R^d) / ω_d
    (Sawhney and Crane 2020, section 3.1). A point of the ball at a uniform distance r along n then has the weight
    R (1 - (r/R)^d), which is bounded. With screening both factors are those of ``screening`` in d + 2 dimensions.
    """
    x, _ = starts_inside(geometry, points, epsilon)
    radius = np.empty(len(x))
    {2: radii2, 3: radii3}.get(geometry.dimension, radii_any)(geometry.shape, x, radius)
    records, direction = _run(
        geometry, x, ids, first, walks, epsilon, max_steps, key, stream, screening, source, sobol, gradient=True
    )
    d, root = geometry.dimension, math.sqrt(screening)
    numbers = np.arange(first, first + walks)
    drawn = words(key, BALL_STEP, numbers, np.asarray(ids)[:, None], stream)[..., 0]
    t = (drawn + 0.5) * (1.0 / WORD)
    share = np.empty_like(t)
    fill_remaining(d + 2, root * radius, t, share)
    slope = np.array([d / r * throughput(d + 2, root * r) for r in radius])
    ball = x[:, None, :] + (radius[:, None] * t)[..., None] * direction
    return GradientRecords(records, direction, slope, ball, radius[:, None] * share)


def starts_inside(geometry: Geometry, points: ArrayLike, epsilon: float) -> tuple[Array, Array]:
    """The points and their distances; refuses those that are not inside, or within epsilon of the boundary."""
    x = geometry.checked(points)
    if not 0.0 < epsilon <= geometry.largest_epsilon:
        raise SolverError(
            f"epsilon is {epsilon:g}, but has to be positive and at most {geometry.largest_epsilon:g} for the domain's "
            "grid of distances: make epsilon smaller or the grid coarser"
        )
    distance = geometry.distance(x)
    bad = np.flatnonzero(~(distance > epsilon))
    if bad.size:
        where = "outside the domain" if not distance[bad[0]] >= 0.0 else f"within epsilon = {epsilon:g} of the boundary"
        place = ", ".join(f"{value:g}" for value in x[bad[0]])
        raise SolverError(
            f"{bad.size:,} of {len(x):,} points cannot be walked from; "
            f"the first, number {bad[0]} at ({place}), is {where}"
        )
    return x, distance


def _run(
    geometry: Geometry, x: Array, ids: ArrayLike, first: int, walks: int, epsilon: float, max_steps: int, key: Key,
    stream: int, screening: float, source: bool, sobol: bool, gradient: bool = False,
) -> tuple[Records, Array]:  # fmt: skip
    """The records, and the directions of the first steps [P, W, d] if they are wanted."""
    d = geometry.dimension
    names = np.asarray(ids, np.int64)
    if names.shape != x.shape[:1] or (names.size and not 0 <= names.min() <= names.max() < WORD):
        raise SolverError("ids needs one integer in [0, 2^32) for every point")
    if not (0 <= first <= first + walks <= WORD and 0 <= stream < WORD and 1 <= max_steps <= MOST_STEPS):
        raise SolverError(f"walks and streams are numbered below 2^32, and max_steps is between 1 and {MOST_STEPS:,}")
    if not 0.0 <= screening < np.inf:
        raise SolverError(f"screening is {screening:g}, but has to be zero or positive")
    size = (len(x), walks)
    ends, element, steps = np.empty((*size, d)), np.empty(size, np.int32), np.empty(size, np.int32)
    weight = np.empty(size if screening > 0.0 else (0, 0))
    sources, totals = (np.empty((*size, d)), np.empty(size)) if source else (None, None)
    direction = np.empty((*size, d) if gradient else (0, 0, 0))
    net, shifts = _starts(d, names, first, walks, key, stream) if sobol else _no_starts()
    kernel = {2: walk2, 3: walk3}.get(d, walk_any)
    kernel(
        geometry.shape, x, names.astype(np.uint32), first, walks, float(epsilon), max_steps, math.sqrt(screening),
        np.uint32(key[0]), np.uint32(key[1]), np.uint32(stream), net, shifts,
        ends, element, steps, weight, sources, totals, direction,
    )  # fmt: skip
    return Records(
        ends, element, weight if screening > 0.0 else np.broadcast_to(1.0, size), steps, sources, totals
    ), direction


@cache
def _sobol() -> NDArray[np.uint32]:
    """The first points of the Sobol sequence, [BATCH, QUASI], as 32-bit fractions (directions of Joe and Kuo 2008)."""
    from scipy.stats.qmc import Sobol  # takes half a second to import

    return np.asarray(Sobol(QUASI, scramble=False).random(BATCH) * WORD, np.uint32)


def _starts(
    d: int, ids: NDArray[np.int64], first: int, walks: int, key: Key, stream: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The Sobol points, and the random digits [P, blocks, QUASI] of every point and block that the walks touch."""
    if d > 3:
        raise SolverError("Sobol starts are there for two and three dimensions")
    blocks = np.arange(first // BATCH, (first + max(walks, 1) - 1) // BATCH + 1)
    steps = SHIFT_STEP + np.arange(QUASI // 4)
    drawn = words(key, steps, blocks[:, None], ids[:, None, None], stream)
    return _sobol(), drawn.reshape(len(ids), len(blocks), QUASI)


def _no_starts() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    return np.empty((0, 0), np.uint32), np.empty((0, 0, 0), np.uint32)
