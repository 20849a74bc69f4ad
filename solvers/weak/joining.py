"""Nodes on sides of a box that are joined with the opposite ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample

LATTICE = 1e-7
"""Distance of nodes on joined sides, in units of the box, up to which they are the same."""
ROUNDING = 1e-9
"""Difference of given values, in units of the largest, up to which they are the same."""


class Misfit(InvalidSample):
    """Values that are given twice, and are not the same."""


def partners(
    nodes: Array, ones: NDArray[np.intp], others: NDArray[np.intp], lengths: Array
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:  # fmt: skip
    """The nodes ``ones`` of a side and ``others`` of the opposite one, in an order in which they meet; ``lengths``: of
    the box. Raises SolverError where they do not."""
    ones, others = (side[_in_line(nodes[side], lengths)] for side in (ones, others))
    if len(ones) == len(others):
        apart = np.abs(nodes[others] - nodes[ones]).max(axis=0)
        if np.count_nonzero(apart > LATTICE * lengths) <= 1:
            return ones, others
    raise SolverError("the nodes on two sides that are joined do not meet")


def _in_line(places: Array, lengths: Array) -> NDArray[np.intp]:
    """The order of the nodes of a side that is that of the opposite side."""
    across = np.ptp(places, axis=0) > LATTICE * lengths
    return np.lexsort(np.round(places[:, across] / lengths[across] / LATTICE).T)


def standing(same: NDArray[np.intp]) -> NDArray[np.intp]:
    """The last of the values that stand for each other."""
    while (same != same[same]).any():
        same = same[same]
    return same


def check_meeting(name: str, ones: Array, others: Array, given: Array) -> None:
    """Raise Misfit where values of a channel that are given at joined nodes differ; ``given``: all of the channel."""
    apart = np.abs(ones - others)
    if apart.max(initial=0.0) > ROUNDING * np.abs(given).max(initial=0.0):
        most = int(np.argmax(apart))
        raise Misfit(
            f"the values of {name} that are given where periodic sides begin and end differ, {others[most]:.6g} and "
            f"{ones[most]:.6g}: data on the other sides have to be periodic too"
        )
