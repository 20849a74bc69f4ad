"""What deserves a second look at a certified sample: the column ``flags``, one bit each, after the CF convention.

Flags are told from what is stored, so that they can be told again. A new flag is one row of FLAGS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.certify import rounding_residual
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.norms import two_norm
from pdemill.store.layout import ArrayLayout

PECLET = 2.0
ESTIMATE = 0.1
FEW, SHARE = 100, 0.9
"""One row in FEW that hold more than this share of the squared residual."""
ROUNDED = 10.0
"""Times what rounding to float64 leaves of a residual, below which its distribution says nothing."""
LEVEL = 100.0
ORDER = 1.0
SHOWN = 1e-6
"""Relative difference of two values of u that rounding does not make."""
NEARLY = 0.1
"""Relative distance to a limit within which other machines may tell otherwise."""


@dataclass(frozen=True)
class StoredField:
    """A stored solution: its unknowns, and the equation that they should solve; ``variation``: the norm of what varies
    in them, where it is known to be at least that."""

    grid: Discretisation
    instance: Instance
    equation: DiscreteEquation
    unknowns: Array
    variation: float = nan


@dataclass(frozen=True)
class Evidence:
    """One sample as it is stored: its columns, and its field where it is one."""

    columns: Mapping[str, Any]
    field: StoredField | None = None


def _peclet(found: Evidence) -> float:
    return found.field.grid.cell_peclet(found.field.instance) / PECLET if found.field else nan


def _estimate(found: Evidence) -> float:
    return float(found.columns.get("error_estimate", nan)) / ESTIMATE


def _residual(found: Evidence) -> float:
    """A residual that rounding to float64 explains counts for nothing, nor do systems of fewer than FEW rows."""
    if found.field is None:
        return nan
    equation, u = found.field.equation, found.field.unknowns
    few = equation.counted(u).size // FEW
    if not few:
        return nan
    residual = equation.counted(equation.residual(u))
    largest = max(float(residual.max()), -float(residual.min()))
    if not 0.0 < largest < inf:
        return nan
    allowed = SHARE * (two_norm(residual) / largest) ** 2
    if few <= allowed:  # no row has more than the largest one
        return few / allowed
    parts = np.square(residual / largest)
    held = float(np.partition(parts, -few)[-few:].sum()) / allowed
    if held <= 1.0:
        return held
    return min(held, equation.relative_residual(u) / (ROUNDED * rounding_residual(equation, u, "float64")))


def _level(found: Evidence) -> float:
    if found.field is None:
        return nan
    grid, u = found.field.grid, found.field.equation.counted(found.field.unknowns)
    if _varies(found.field):  # as a rule that is enough, and costs next to nothing
        most = grid.largest_norm(u) / found.field.variation / LEVEL
        if most <= 1.0:
            return most
    size, variation = grid.norm(u), grid.variation(u)
    if size == 0.0:
        return nan
    constant = size == variation and np.all(u == u[0])  # nothing varies
    return inf if constant else grid.relative(u, u) / LEVEL


def _varies(field: StoredField) -> bool:
    """Whether it is known how much u varies, and two of its values show that it does."""
    u = field.equation.counted(field.unknowns)
    first, other = float(u[0]), float(u[len(u) // 2])
    return field.variation > 0.0 and len(field.grid.channels) == 1 and abs(first - other) > SHOWN * abs(other)


def _order(found: Evidence) -> float:
    order = float(found.columns.get("error_order", nan))
    return ORDER / order if order > 0.0 else inf if isfinite(order) else nan


def _horizon(found: Evidence) -> float:
    """Of a trajectory: the largest error in time of all stored times, in units of that up to ``valid_until``."""
    errors = np.asarray(found.columns.get("frame_error", nan), dtype=float)
    counted = float(found.columns.get("time_error_estimate", nan))
    largest = float(errors.max())
    return largest / counted if counted > 0.0 else inf if largest > counted else nan


def _thin(found: Evidence) -> float:
    return inf if found.field is not None and found.field.grid.is_thin(found.field.instance) else nan


@dataclass(frozen=True)
class Flag:
    """A bit of the column, its name, what it says, and how to tell it: ``excess`` in units of its limit, so that what
    is above 1 is flagged and NaN is not. ``of_obstacles``: stores without obstacles do not have it."""

    name: str
    mask: int
    text: str
    excess: Callable[[Evidence], float]
    of_obstacles: bool = False


FLAGS = (
    Flag("peclet", 1, "cell Peclet number above 2", _peclet),
    Flag("estimate", 2, "error estimate above 10 %", _estimate),
    Flag("residual", 4, "90 % of the squared residual in 1 % of the rows", _residual),
    Flag("level", 8, "level above 100 times the variation", _level),
    Flag("order", 16, "observed order below 1", _order),
    Flag("horizon", 32, "trajectory not right until its end", _horizon),
    Flag("thin", 64, "obstacle or gap thinner than 3 cells", _thin, of_obstacles=True),
)


def column(obstacles: bool = False) -> ArrayLayout:
    """The column of a store, of domains with obstacles or without: no bit is set where a sample has no solution."""
    known = [flag for flag in FLAGS if obstacles or not flag.of_obstacles]
    return ArrayLayout(
        "flags", "int32", fill=0,
        attributes=(
            ("flag_masks", tuple(flag.mask for flag in known)),
            ("flag_meanings", " ".join(flag.name for flag in known)),
            ("flag_descriptions", tuple(flag.text for flag in known)),
        ),
    )  # fmt: skip


def told(found: Evidence) -> int:
    """The value of the column."""
    return sum(flag.mask for flag in FLAGS if flag.excess(found) > 1.0)


def disputed(found: Evidence, stored: int, here: bool) -> list[str]:
    """The wrong bits of a stored value, by name; where it was made elsewhere, those near their limit may be either."""
    wrong = []
    for flag in FLAGS:
        excess = flag.excess(found)
        if bool(stored & flag.mask) != (excess > 1.0) and (here or not abs(excess - 1.0) <= NEARLY):
            wrong.append(flag.name)
    return wrong + (["an unknown bit"] if stored & ~sum(flag.mask for flag in FLAGS) else [])


def counts(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """How many of the certified rows of a shard are flagged, and by what; nothing of stores without the column."""
    if "flags" not in arrays:
        return {}
    values = arrays["flags"][arrays["method"] > 0]
    by_name = {flag.name: int(np.count_nonzero(values & flag.mask)) for flag in FLAGS}
    return {"flagged": int(np.count_nonzero(values)), "flags": {name: n for name, n in by_name.items() if n}}
