"""Conjugate gradients on all lanes of a batch, each lane for itself.

Residual r (the finest F), direction p and A p are float32, the solution x is float64. The recurrence for r drifts from
b - A x; therefore the residual is computed anew in float64 where it has dropped by ``DROP``. Where that takes fewer
than ``FAST`` steps it waits for a multiple of ``EVERY``, so that most lanes have it done together, or for a drop by
``FAST_DROP``; slow lanes drift more and do not wait. Where it had drifted by more than ``DRIFT``, the next direction
begins anew.

A lane that claims to be done waits until all others do; then the float64 residual of all of them is computed, and a
lane with too large a one goes on, with a new direction. What waits or has ended keeps its x: its steps are zero.
Nothing passes from lane to lane, and every sum runs over the places of a half row in the same order, whatever the
number of lanes; so a lane takes the same steps however long it waits. Lanes that need many more steps than most of the
others are moved to buffers of their own, where they take the steps that they would have taken.

Source: Hestenes, Stiefel 1952; van der Vorst, Ye 2000, "Residual replacement strategies for Krylov subspace iterative
methods", SIAM J. Sci. Comput. 22.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.cg_kernels import (
    add_product,
    advance,
    advance_watched,
    apply5,
    apply7,
    defect5,
    defect7,
    gather,
    react,
    spread,
    update_direction,
)
from pdemill.solvers.multigrid.compiled import Doubles, Level, Singles, U, entry, kernel
from pdemill.solvers.multigrid.cycle import cycle
from pdemill.solvers.multigrid.smoother import couplings, deep, length, neighbours, row, wrap

RUNNING, DONE, BROKEN, STALLED, WAITING, SPENT = 0, 1, 2, 3, 4, 5
"""How a lane stands: it still runs; solved; no number any more; rounding keeps its residual above the tolerance; its
recurrence says that it is done, or it may not go on; it was not done when it could not go on."""
DROP, EVERY = 1e-3, 6
FAST_DROP, FAST = 1e-5, 8
DRIFT, STALL = 0.1, 0.5
NEAR = 1e4
"""Times the tolerance below which residuals are when the lengths of steps begin to be measured."""
MOVE = 8.0
"""Steps that a lane takes in the time in which it is set up anew, with a margin."""

type Trail = NDArray[np.float64]
"""Of shape (lanes, 2, steps that are remembered)."""


@kernel
def direct_plane(w: Singles, t: Level, z: int, lanes: int) -> None:
    """p = z + beta p on a plane."""
    for c in range(2):
        for y in range(t[of.NY]):
            at = c * t[of.SIZE] + row(t, z, y)
            update_direction(w, U(t[of.U] + at), U(t[of.P] + at), U(t[of.BETA]), length(t, c, z, y, lanes))
        wrap(w, t, t[of.P], c, z, lanes)


@kernel
def apply_plane(w: Singles, t: Level, reaction: bool, z: int, lanes: int) -> None:
    """q = A p on a plane."""
    total = U(t[of.SUM])
    for y in range(t[of.NY]):
        for c in range(2):
            at = c * t[of.SIZE] + row(t, z, y)
            T, N = couplings(t, c, z, y, lanes), neighbours(t, t[of.P], c, z, y, lanes)
            p, q, many = U(t[of.P] + at), U(t[of.Q] + at), length(t, c, z, y, lanes)
            if deep(t):
                apply7(w, q, total, p, T, N, many)
            else:
                apply5(w, q, total, p, T, N, many)
            if reaction:
                react(w, q, total, p, U(t[of.C] + at), many)


@kernel
def direct_and_apply(w: Singles, t: Level, reaction: bool, lanes: int) -> None:
    """The next directions and A times them; the sums are p q."""
    lag = t[of.NZ] if t[of.PZ] else 1
    for stage in range(t[of.NZ] + lag):
        if stage < t[of.NZ]:
            direct_plane(w, t, stage, lanes)
        if stage >= lag:
            apply_plane(w, t, reaction, stage - lag, lanes)


@kernel
def step(w: Singles, v: Doubles, t: Level, fine: Level, watched: bool, lanes: int) -> None:
    """x += alpha p, r -= alpha q; the sums are r r, and, where it is watched, the squares of what x moved by."""
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            for c in range(2):
                at = c * t[of.SIZE] + row(t, z, y)
                x, r, p, q = U(fine[of.U] + at), U(t[of.F] + at), U(t[of.P] + at), U(t[of.Q] + at)
                total, many = U(t[of.SUM]), length(t, c, z, y, lanes)
                if watched:
                    advance_watched(w, v, x, r, p, q, U(t[of.ALPHA]), total, U(fine[of.SUM]), many)
                else:
                    advance(w, v, x, r, p, q, U(t[of.ALPHA]), total, many)


@kernel
def replace(w: Singles, v: Doubles, t: Level, fine: Level, reaction: bool, lanes: int) -> None:
    """The residual in float64, where it is not to be kept; the sums are its squares."""
    x, total, keep = fine[of.U], U(fine[of.SUM]), U(fine[of.KEEP])
    for z in range(t[of.NZ]):
        for c in range(2):
            wrap(v, fine, x, c, z, lanes)
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            for c in range(2):
                at = c * t[of.SIZE] + row(t, z, y)
                T, N = couplings(fine, c, z, y, lanes), neighbours(fine, x, c, z, y, lanes)
                r, b, here, many = U(t[of.F] + at), U(fine[of.F] + at), U(x + at), length(t, c, z, y, lanes)
                if deep(t):
                    defect7(w, v, r, total, keep, b, here, U(fine[of.C] + at), reaction, T, N, many)
                else:
                    defect5(w, v, r, total, keep, b, here, U(fine[of.C] + at), reaction, T, N, many)


@kernel
def measure(w: Singles, t: Level, lanes: int) -> None:
    """The sums are r r."""
    for z in range(t[of.NZ]):
        for c in range(2):
            for y in range(t[of.NY]):
                r = U(t[of.F] + c * t[of.SIZE] + row(t, z, y))
                add_product(w, U(t[of.SUM]), r, r, length(t, c, z, y, lanes))


@kernel
def accept(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    reaction: bool,
    lanes: int,
    many: int,
    rtol: float,
    standing: NDArray[np.int64],
    check: NDArray[np.bool_],
    fresh: NDArray[np.bool_],
    found: Doubles,
    last: Doubles,
    size: Doubles,
) -> None:
    """Replace the residual of the lanes in question and decide on them."""
    norms = np.zeros(lanes)
    for lane in range(lanes):
        norms[lane] = 0.0 if check[lane] else 1.0
    spread(v, fine[of.KEEP], lanes, many, norms)
    replace(w, v, t, fine, reaction, lanes)
    gather(v, fine[of.SUM], lanes, many, norms)
    for lane in range(lanes):
        if not check[lane]:
            continue
        true, standing[lane] = np.sqrt(norms[lane] / size[lane]), RUNNING
        if true <= rtol:
            standing[lane] = DONE
        elif not np.isfinite(true):
            standing[lane] = BROKEN
        elif found[lane] <= rtol and true > STALL * last[lane]:
            standing[lane] = STALLED
        fresh[lane] = found[lane] <= rtol or abs(true - found[lane]) > DRIFT * found[lane]
        last[lane] = true


@kernel
def worth_leaving(
    lanes: int, running: int, rtol: float, standing: NDArray[np.int64], iterations: NDArray[np.int64], found: Doubles
) -> bool:
    """Whether the running lanes should go on without the others: at most half of them run, and steps are left that
    cost more than setting up anew, by the rate so far."""
    if 2 * running > lanes:
        return False
    left = 0.0
    for lane in range(lanes):
        if standing[lane] == RUNNING and found[lane] < 1.0:
            left = max(left, iterations[lane] * (np.log(rtol) / np.log(found[lane]) - 1.0))
    return left * (lanes - running) > MOVE * running


@entry
def move(
    w: Singles,
    v: Doubles,
    t: Level,
    fine: Level,
    kept: NDArray[np.intp],
    lanes: int,
    into: Singles,
    wide: Doubles,
    there: Level,
    fine_there: Level,
) -> None:
    """Take x, r and p of the lanes ``kept`` to buffers of their own, ``into`` and ``wide``."""
    many = len(kept)
    for z in range(t[of.NZ]):
        for y in range(t[of.NY]):
            for c in range(2):
                here, target = c * t[of.SIZE] + row(t, z, y), c * there[of.SIZE] + row(there, z, y)
                for k in range(t[of.HALF]):
                    for lane in range(many):
                        at, to = here + k * lanes + kept[lane], target + k * many + lane
                        wide[fine_there[of.U] + to] = v[fine[of.U] + at]
                        into[there[of.F] + to] = w[t[of.F] + at]
                        into[there[of.P] + to] = w[t[of.P] + at]


@entry
def solve(
    w: Singles,
    v: Doubles,
    levels: Level,
    fine: Level,
    sweeps: int,
    reaction: bool,
    lanes: int,
    rtol: float,
    limit: int,
    standing: NDArray[np.int64],
    iterations: NDArray[np.int64],
    replaced: NDArray[np.int64],
    fresh: NDArray[np.bool_],
    norms: Doubles,
    trail: Trail,
) -> bool:
    """Iterate from x = 0 and r = b, or from where ``move`` has taken lanes that run. Returns whether all have ended;
    else those that run should be moved. ``standing``, ``iterations``, ``replaced``, ``fresh``, ``norms``: the state of
    every lane, which a beginning fills in; it is told by a first norm, that of b, below zero. ``trail``: for the last
    steps of every lane, step i at i modulo their number, ‖r‖ / ‖b‖ before it and, near the end, how far it moved x."""
    t = levels[0]
    many = t[of.HALF] * lanes
    size, before, last, found = norms[0], norms[1], norms[2], norms[3]
    here, change, check, moved = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes, np.bool_), np.zeros(lanes)
    if size[0] < 0.0:
        measure(w, t, lanes)
        gather(w, t[of.SUM], lanes, many, size)
        for lane in range(lanes):
            iterations[lane], replaced[lane], fresh[lane] = 0, 0, True
            before[lane], last[lane], found[lane] = 1.0, 1.0, 1.0
            standing[lane] = RUNNING if size[lane] > 0.0 else DONE if size[lane] == 0.0 else BROKEN
    while True:
        running, waiting = 0, 0
        for lane in range(lanes):
            if standing[lane] == RUNNING and iterations[lane] >= limit:
                standing[lane] = SPENT
            running += standing[lane] == RUNNING
            check[lane] = standing[lane] == WAITING
            waiting += check[lane]
        leaving = worth_leaving(lanes, running, rtol, standing, iterations, found)
        if not waiting and (leaving or not running):
            return running == 0
        if leaving or not running:
            accept(w, v, t, fine, reaction, lanes, many, rtol, standing, check, fresh, found, last, size)
            continue
        cycle(w, levels, sweeps, lanes)
        gather(w, t[of.SUM], lanes, many, here)
        for lane in range(lanes):
            change[lane] = here[lane] / before[lane] if standing[lane] == RUNNING and not fresh[lane] else 0.0
            before[lane] = here[lane]
            fresh[lane] = fresh[lane] and standing[lane] != RUNNING
        spread(w, t[of.BETA], lanes, many, change)
        direct_and_apply(w, t, reaction, lanes)
        gather(w, t[of.SUM], lanes, many, change)
        for lane in range(lanes):
            if standing[lane] == RUNNING and not (here[lane] > 0.0 and change[lane] > 0.0):
                standing[lane] = BROKEN
            change[lane] = here[lane] / change[lane] if standing[lane] == RUNNING else 0.0
        spread(w, t[of.ALPHA], lanes, many, change)
        watched = False
        for lane in range(lanes):
            watched = watched or (standing[lane] == RUNNING and found[lane] <= NEAR * rtol)
        step(w, v, t, fine, watched, lanes)
        gather(w, t[of.SUM], lanes, many, change)
        if watched:
            gather(v, fine[of.SUM], lanes, many, moved)
        checks = 0
        for lane in range(lanes):
            check[lane] = False
            if standing[lane] != RUNNING:
                continue
            place = iterations[lane] % trail.shape[2]
            near = found[lane] <= NEAR * rtol
            trail[lane, 0, place], trail[lane, 1, place] = found[lane], np.sqrt(moved[lane]) if near else np.inf
            iterations[lane] += 1
            found[lane] = np.sqrt(change[lane] / size[lane])
            if found[lane] <= rtol or iterations[lane] == limit:
                standing[lane] = WAITING
                continue
            drop, steps = found[lane] / last[lane], iterations[lane] - replaced[lane]
            late = steps >= FAST or iterations[lane] % EVERY == 0
            check[lane] = drop <= (DROP if late else FAST_DROP)
            replaced[lane] = iterations[lane] if check[lane] else replaced[lane]
            checks += check[lane]
        if checks:
            accept(w, v, t, fine, reaction, lanes, many, rtol, standing, check, fresh, found, last, size)
