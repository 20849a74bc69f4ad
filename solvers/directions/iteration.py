"""The iteration of deep conjugate directions."""

from __future__ import annotations

from enum import Enum
from math import isfinite, sqrt

import numpy as np

from pdemill.points import Array
from pdemill.solvers.directions.apply import Directions
from pdemill.solvers.directions.kernels import add, inner
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import System

MISSES = 3
"""So often the true residual may contradict the one of the recurrence."""
BEFORE = 2
"""Directions that each one is made A-orthogonal to."""
WINDOW, LEAST = 10, 0.5
"""So many directions have to bring the residual below this part of it."""


class Ending(Enum):
    """How the iteration ended."""

    REACHED = 0
    PAUSED = 1
    """The limit is reached."""
    DIVERGED = 2
    """Directions stopped to reduce the residual, were not finite, or A is not positive along one."""
    MISSED = 3


def conjugate_directions(
    network: Directions, system: System, rtol: float, limit: int, unit: float = 1.0, made: list[Array] | None = None
) -> tuple[Array, int, Ending]:
    """u with ‖b - A u‖ <= rtol ‖b‖ from the guess of a system whose matrix ``network`` has loaded; the directions; and
    how it ended. ``unit`` times A is what it has loaded.

    Kaneda et al. 2023, algorithm 1: d = f(r / ‖r‖), made A-orthogonal to the two directions before;
    u <- u + α d, r <- r - α A d with α = r · d / d · A d. ``made`` gets the directions.
    """
    u = np.zeros_like(system.rhs) if system.guess is None else system.guess.copy()
    goal, used = rtol * two_norm(system.rhs), 0
    for _ in range(MISSES + 1):
        r = np.asarray(system.rhs - system.matrix.sparse() @ u)
        if two_norm(r) <= goal:
            return u, used, Ending.REACHED
        if used >= limit:
            return u, used, Ending.PAUSED
        step, count, diverged = _steps(network, network.wide(unit * r), 0.98 * unit * goal, limit - used, made)
        u, used = u + network.narrow(step), used + count
        if diverged:
            return u, used, Ending.DIVERGED
    return u, used, Ending.MISSED


def _steps(network: Directions, r: Array, goal: float, limit: int, made: list[Array] | None) -> tuple[Array, int, bool]:
    """What solves for r, to ‖r‖ <= goal; the directions, and whether they diverged. Overwrites r."""
    x, flat, count = np.zeros_like(r), r.reshape(-1), 0
    kept: list[tuple[Array, Array, float]] = []
    size = sqrt(inner(flat, flat))
    best = before = size
    while size > goal and count < limit:
        if count and count % WINDOW == 0:
            if not best <= LEAST * before:
                return x, count, True
            before = best
        d = network.direction(r / size).copy()
        line = d.reshape(-1)
        for p, q, curvature in kept[-BEFORE:]:
            add(line, -inner(line, q) / curvature, p)
        image = np.zeros_like(d)
        network.multiply(d, image)
        curvature = inner(line, image.reshape(-1))
        if not (curvature > 0.0 and isfinite(curvature)):
            return x, count, True
        alpha = inner(flat, line) / curvature
        add(x.reshape(-1), alpha, line)
        add(flat, -alpha, image.reshape(-1))
        kept = [*kept[1 - BEFORE :], (line, image.reshape(-1), curvature)]
        if made is not None:
            made.append(network.narrow(d))
        count += 1
        size = sqrt(inner(flat, flat))
        best = min(best, size)
    return x, count, False
