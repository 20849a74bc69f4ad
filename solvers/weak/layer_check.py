"""What layers of waves must not have in them, looked for in a sample: sources, changes of the medium, and holes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.weak.assembly import Packed
from pdemill.spec.domain import BOX_SIDES

if TYPE_CHECKING:
    from pdemill.solvers.weak.elements import WeakElements
    from pdemill.solvers.weak.form import Coefficient
    from pdemill.solvers.weak.layers import Layers

TRACE = 1e-5
"""What of the largest size of a source, or of a coefficient, counts as nothing, as far from a bump it is not 0."""
OUTER = frozenset(side for pair in BOX_SIDES for side in pair)
type Given = Mapping[str, tuple[tuple[int, str], ...]]
WHERE = "in the layer of the side {}, where there are no waves"


def check_layers(layers: Layers, grid: WeakElements, given: Given, packed: Packed, instance: Instance) -> None:
    """Raise InvalidSample where a cell that is in a layer, in part at least, has a node on the rim of a hole, a source
    or a value of ``given`` ones that is not 0, or coefficients of the medium that differ in the layer."""
    for side, deep in layers.within(grid.mesh.points):
        touched = deep[grid.mesh.cells].any(axis=1)
        where = WHERE.format(side)
        nodes = np.zeros(len(grid.mesh.nodes(grid.degree)), dtype=bool)
        nodes[grid.mesh.cell_nodes(grid.degree)[touched]] = True
        for number, name in enumerate(grid.mesh.side_names):
            there = grid.mesh.side_nodes(number, grid.degree)
            if name not in OUTER and nodes[there].any():
                raise InvalidSample(f"{name} reaches into what lies {where}: move it away, or make the domain larger")
            for _, data in given.get(name, ()):
                values = np.broadcast_to(instance.sides[name][data](grid.side_points[name]), there.shape)
                _nothing(f"{name}_{data}", values, nodes[there], where)
        for one in grid.form.coefficients:
            values, inside = packed.values[one.name], _places(one, grid, nodes, touched)
            if one.name in layers.same and one.where != "constant":
                _alike(one.drawn or one.name, values, inside, where)
            if one.name in (layers.absent or {}):
                on = _on_side(one, grid, (layers.absent or {})[one.name])
                _nothing(one.drawn or one.name, values[on], inside[on], where)


def _places(
    one: Coefficient, grid: WeakElements, nodes: NDArray[np.bool_], touched: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which values of a coefficient belong to cells that are touched."""
    if one.where == "constant":
        return np.ones(max(1, one.components), dtype=bool)
    return touched if one.where == "cells" else nodes[: len(grid.mesh.nodes(one.order))]


def _on_side(one: Coefficient, grid: WeakElements, side: str) -> NDArray[np.bool_] | slice:
    """Which values of a coefficient count for integrals over a side; all where that is empty."""
    if not side or one.where == "constant":
        return slice(None)
    number = grid.mesh.side_names.index(side)
    if one.where == "cells":
        found = np.zeros(len(grid.mesh.cells), dtype=bool)
        found[grid.mesh.facet_places[0][grid.mesh.sides == number]] = True
        return found
    found = np.zeros(len(grid.mesh.nodes(one.order)), dtype=bool)
    found[grid.mesh.side_nodes(number, one.order)] = True
    return found


def _nothing(name: str, values: Array, inside: NDArray[np.bool_], where: str) -> None:
    most = float(np.abs(values[inside]).max(initial=0.0))
    if most > TRACE * float(np.abs(values).max(initial=0.0)):
        raise InvalidSample(f"{name} is not 0, but reaches {most:.3g}, {where}: keep it a cell away from it")


def _alike(name: str, values: Array, inside: NDArray[np.bool_], where: str) -> None:
    found = values[inside]
    if found.size and float(np.ptp(found, axis=0).max()) > TRACE * float(np.abs(values).max()):
        raise InvalidSample(
            f"{name} varies between {found.min():.3g} and {found.max():.3g} {where}: let it have one value there, and "
            "a cell around"
        )
