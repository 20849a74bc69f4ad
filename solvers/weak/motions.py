"""Motions that energies hardly feel, of the unknowns of a form: what algebraic multigrid should keep on all levels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.system import Blocks
from pdemill.solvers.weak.assembly import Numbering
from pdemill.solvers.weak.form import WeakForm
from pdemill.solvers.weak.unknowns import Unknowns
from pdemill.spec.domain import BOX_SIDES


def rigid_motions(
    form: WeakForm, numbering: Numbering, unknowns: Unknowns, points: Sequence[Array], joined: Sequence[str]
) -> tuple[Array, ...]:
    """The constants of every channel, and of vectors the rotations about the middle, at the unknowns: where values are
    given, motions are cut off. ``points``: the nodes of elements of order 1, 2; ``joined``: sides that are joined with
    others, across whose axes nothing turns. Empty for one scalar, whose constant is known to everybody."""
    turning = [axis for axis in range(form.dimension) if not set(BOX_SIDES[axis]) & set(joined)]
    found, begin = list[Array](), 0
    for one in form.unknowns:
        channels = numbering.channels[begin : begin + max(1, one.components)]
        begin += len(channels)
        for channel in channels:
            found.append(_moved(unknowns, [(channel, 1.0)]))
        if one.components != form.dimension:
            continue
        places = points[one.order - 1] - points[one.order - 1].mean(axis=0)
        for a, b in combinations(turning, 2):
            found.append(_moved(unknowns, [(channels[a], -places[:, b]), (channels[b], places[:, a])]))
    return tuple(part for part in found if part.any()) if len(found) > 1 else ()


def _moved(unknowns: Unknowns, parts: Sequence[tuple[slice, Array | float]]) -> Array:
    whole = np.zeros(unknowns.size)
    for channel, values in parts:
        whole[channel] = values
    return unknowns.among(whole)


def node_blocks(form: WeakForm, numbering: Numbering, unknowns: Unknowns) -> Blocks | None:
    """The unknowns as components at nodes, where there is one vector alone."""
    if len(form.unknowns) != 1 or form.unknowns[0].components < 2:
        return None
    width, count = form.unknowns[0].components, numbering.size // form.unknowns[0].components
    component, node = np.divmod(unknowns.free, count)
    used, place = np.unique(node, return_inverse=True)
    return Blocks((place * width + component).astype(np.int32), width, len(used))
