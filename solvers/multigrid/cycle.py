"""One V-cycle: the preconditioner, z = M r with r the finest F and z the finest U.

The planes of a level are worked off as a wave: while plane z is relaxed from zero, the black cells of plane z - 1 are
relaxed, the red residuals of z - 2 formed, and so on, so that a level passes through the cache once on its way down and
once on its way up. Where z is periodic the last plane comes before the first, and each step waits for all planes of
the step before.
"""

from __future__ import annotations

from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.compiled import Level, Singles, kernel
from pdemill.solvers.multigrid.smoother import (
    BLACK,
    RED,
    begin_plane,
    relax_plane,
    residual_plane,
)  # fmt: skip
from pdemill.solvers.multigrid.transfer import correct_plane, restrict_plane


@kernel
def hand_down(w: Singles, t: Level, tc: Level, z: int, lanes: int) -> None:
    """Restrict what is complete once the residuals of plane z are."""
    last = z == t[of.NZ] - 1
    if t[of.PZ]:
        if last:
            for Z in range(tc[of.NZ]):
                restrict_plane(w, t, tc, Z, lanes)
    elif not t[of.CZ]:
        restrict_plane(w, t, tc, z, lanes)
    else:
        if z >= 2 and z % 2 == 0:
            restrict_plane(w, t, tc, z // 2 - 1, lanes)
        if last:
            restrict_plane(w, t, tc, tc[of.NZ] - 1, lanes)


@kernel
def down(w: Singles, t: Level, tc: Level, lanes: int) -> None:
    """Relax red, then black, from zero; the residual becomes the coarse right-hand side."""
    lag = t[of.NZ] if t[of.PZ] else 1
    for stage in range(t[of.NZ] + 2 * lag):
        if stage < t[of.NZ]:
            begin_plane(w, t, stage, lanes)
        z = stage - lag
        if 0 <= z < t[of.NZ]:
            relax_plane(w, t, BLACK, z, False, lanes)
        z = stage - 2 * lag
        if z >= 0:
            residual_plane(w, t, z, lanes)
            hand_down(w, t, tc, z, lanes)


@kernel
def up(w: Singles, t: Level, tc: Level, finest: bool, lanes: int) -> None:
    """Add the coarse correction, relax black, then red; on the finest level also sum u f."""
    lag = t[of.NZ] if t[of.PZ] else 1
    for stage in range(t[of.NZ] + 2 * lag):
        if stage < t[of.NZ]:
            correct_plane(w, t, tc, stage, lanes)
        for c in (BLACK, RED):
            z = stage - (2 - c) * lag
            if 0 <= z < t[of.NZ]:
                relax_plane(w, t, c, z, finest, lanes)


@kernel
def bottom(w: Singles, t: Level, sweeps: int, lanes: int) -> None:
    """Relax the coarsest level; one cell is solved by the first relaxation."""
    for z in range(t[of.NZ]):
        begin_plane(w, t, z, lanes)
    for _ in range(sweeps):
        for c in (BLACK, RED):
            for z in range(t[of.NZ]):
                relax_plane(w, t, c, z, False, lanes)


@kernel
def cycle(w: Singles, levels: Level, sweeps: int, lanes: int) -> None:
    """V(1, 1); adds z r per place and lane to the sums of the iteration."""
    last = len(levels) - 1
    for number in range(last):
        down(w, levels[number], levels[number + 1], lanes)
    bottom(w, levels[last], sweeps, lanes)
    for number in range(last - 1, -1, -1):
        up(w, levels[number], levels[number + 1], number == 0, lanes)
