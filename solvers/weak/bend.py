"""The map that carries a straight pipe to the centre line of a sample: y moves by as much at every x."""

from __future__ import annotations

import numpy as np

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.weak.mesh import SimplexMesh
from pdemill.solvers.weak.morph import Carrier
from pdemill.solvers.weak.pipes import LARGE, PLACES, Line, Pipe


class Bend(Carrier[Line]):
    """The pipes of all samples on one template, which has the median centre line: points keep their x, and how far they
    are from the centre line."""

    def __init__(self, pipe: Pipe) -> None:
        low, high = pipe.reach()
        super().__init__(pipe.moves, ((0.0, low), (pipe.length, high - low)))
        self._pipe = pipe

    def drawn(self, draw: Draw) -> Line:
        found = self._pipe.drawn(draw.at("domain"))
        with np.errstate(all="ignore"):
            near = np.abs(found(np.linspace(0.0, self._pipe.length, PLACES))) < LARGE
        if not near.all():
            raise InvalidSample("its pipe is too large to be computed with")
        return found

    def check_within(self, curves: Line) -> None:
        (_, low), (length, room) = self.box
        middle, half = curves(np.linspace(0.0, length, PLACES)), 0.5 * self._pipe.width
        if middle.min() - half < low or middle.max() + half > low + room:
            raise InvalidSample(
                "it goes beyond the box in which fields are drawn, its length above and below the pipe whose measures "
                "are all at their medians: draw its heights nearer to each other"
            )

    def bent(self, straight: SimplexMesh) -> SimplexMesh:
        """The template of a mesh of [0, length] x [0, width]."""
        x, y = straight.points.T
        points = np.stack([x, y - 0.5 * self._pipe.width + self._pipe.median(x)], axis=1)
        return self.snapped(straight.with_points(points))

    def snapped(self, mesh: SimplexMesh) -> SimplexMesh:
        return mesh.with_points(self._placed(mesh, self._pipe.median))

    def _placed(self, mesh: SimplexMesh, curves: Line) -> Array:
        x, y = mesh.points.T
        found = np.stack([x, y + (curves(x) - self._pipe.median(x))], axis=1)
        for side, sign in (("bottom", -0.5), ("top", 0.5)):
            on = mesh.side_nodes(mesh.side_names.index(side), 1)
            found[on, 1] = curves(x[on]) + sign * self._pipe.width
        return found
