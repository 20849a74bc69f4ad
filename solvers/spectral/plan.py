"""What the compiled tendency works on: how a grid is transformed, products of fields, work space."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.spectral.fourier import Line, factors, line
from pdemill.solvers.spectral.lanes import LANES


class Plan(NamedTuple):
    """How a grid is transformed. ``sizes``: points of the two outer axes (1 where there are none), half of those of the
    last, kept modes of the outer axes, vectors in a row, kept modes of the last axis. ``places``: of the kept modes
    among the points of an outer axis; ``turns``: exp(2 pi i k / n) along the last axis, real and imaginary."""

    sizes: NDArray[np.int64]
    places0: NDArray[np.int64]
    places1: NDArray[np.int64]
    line0: Line
    line1: Line
    line2: Line
    turns: Array


class Quadratic(NamedTuple):
    """For the unknown b, f_b + sum_a C_ba u_a + sum_p W_bp F(q_p(D_1 u_1, .., D_J u_J)). ``factors``: D [S, J, planes
    of one unknown], S = 1 where all samples share them, ``fields``: the number of the u of each, and whether D is 1;
    ``weights``: W [S, E, planes of one], S = 1 where all samples share them; ``targets``: the p and the b of each,
    ascending in p, and whether it is the first of b, and then those b that have none; ``forcing`` f [S, planes]; q_p is
    the sum of ``strengths`` times the products of two fields that ``terms`` names, [p, i, j] each, ascending in p;
    ``couplings``: C [S, E, planes of one], ``coupled``: the b and the a of each."""

    factors: Array
    fields: NDArray[np.int64]
    weights: Array
    targets: NDArray[np.int64]
    forcing: Array
    terms: NDArray[np.int64]
    strengths: Array
    couplings: Array
    coupled: NDArray[np.int64]


class Space(NamedTuple):
    """Work space: ``half`` [fields, 2, rows of points, columns], ``lines`` [2, 2, points], ``fields`` and ``made``
    [fields, 2, 2, points] for eight rows; ``base``: f and what couplings bring, [planes]."""

    half: Array
    lines: Array
    fields: Array
    made: Array
    base: Array


def points_for(cut: int, halved: bool) -> int:
    """The least number of points that can be transformed and has no aliasing of products into modes up to ``cut``;
    ``halved``: for the last axis."""
    n = 3 * cut + 1
    while (halved and n % 2) or factors(n // 2 if halved else n) is None:
        n += 1
    return n


def plan_of(numbers: tuple[NDArray[np.intp], ...]) -> Plan:
    """The plan for the kept wave numbers of every axis, in the order of transforms."""
    cut = int(numbers[-1][-1])
    points = [points_for(int(part.max()), halved=False) for part in numbers[:-1]]
    places = [(part % n).astype(np.int64) for part, n in zip(numbers[:-1], points, strict=True)]
    lines = [line(n) for n in points]
    while len(points) < 2:
        points, places, lines = [1, *points], [np.zeros(1, np.int64), *places], [line(1), *lines]
    last = points_for(cut, halved=True)
    angles = 2.0 * np.pi * np.arange(last // 2 + 1) / last
    kept = [len(part) for part in places]
    sizes = np.array([*points, last // 2, *kept, -(-(cut + 1) // LANES), cut + 1], dtype=np.int64)
    turns = np.stack([np.cos(angles), np.sin(angles)], axis=-1).ravel()
    return Plan(sizes, places[0], places[1], lines[0], lines[1], line(last // 2), turns)


def space_for(plan: Plan, fields: int, made: int, planes: int) -> Space:
    """Work space for so many fields and products of them, and planes of a state that has couplings."""
    n0, n1, half, _, _, blocks, _ = plan.sizes.tolist()
    rows = -(-n0 * n1 // LANES) * LANES
    longest = max(n0, n1, half + 1, blocks * LANES) * LANES
    return Space(
        _aligned((max(fields, made), 2, rows * blocks * LANES)), _aligned((2, 2, longest)),
        _aligned((fields, 2, 2, longest)), _aligned((made, 2, 2, longest)), _aligned((planes,)),
    )  # fmt: skip


def _aligned(shape: tuple[int, ...]) -> Array:
    """Zeros that begin where a vector may."""
    size = prod(shape)
    memory = np.zeros(size + LANES)
    begin = -(memory.ctypes.data // memory.itemsize) % LANES
    return memory[begin : begin + size].reshape(shape)
