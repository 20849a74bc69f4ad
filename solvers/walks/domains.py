"""From the domain of a spec, and the measures drawn for it, to the domain of walks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pdemill.errors import SolverError
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.walks.folding import FoldedBox
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.shapes.ball import Ball
from pdemill.solvers.walks.shapes.box import Box
from pdemill.solvers.walks.shapes.mesh import Mesh
from pdemill.solvers.walks.shapes.polygon import Polygon
from pdemill.solvers.walks.shapes.shell import Shell
from pdemill.solvers.walks.shapes.star import Star
from pdemill.solvers.walks.walk_on_stars import MixedPolygon
from pdemill.spec import domain as plain
from pdemill.spec import shapes as spec
from pdemill.surface import Surface, blob

FINE, COARSE, MANY = 256, 64, 500_000
"""Cells per axis of a polygon's grid of distances: the fine one pays from so many walks on."""

BUMPS = (0.8, 0.6, 0.2)
"""Shares of a blob's waves in its amplitude."""

type Measures = Mapping[tuple[str, ...], float]


def geometry_of(
    domain: spec.Domain, dimension: int, measures: Measures, walks: int, insulated: Sequence[str] = ()
) -> Geometry:
    """The domain of a sample, for about so many ``walks``; raises InvalidSample where the measures make none.

    ``insulated``: the sides with a flux instead of a value.
    """
    try:
        return _build(domain, dimension, measures, FINE if walks >= MANY else COARSE, insulated)
    except SolverError as fault:
        raise InvalidSample(f"domain: {fault}") from None


def _build(
    domain: spec.Domain, dimension: int, measures: Measures, resolution: int, insulated: Sequence[str]
) -> Geometry:
    match domain:
        case plain.Box():
            extent = tuple(domain.sizes(dimension).values())
            return FoldedBox(np.zeros(dimension), extent, insulated) if insulated else Box(np.zeros(dimension), extent)
        case plain.Polygon(outline=outline, holes=holes):
            names = domain.edge_names()
            if insulated:
                return MixedPolygon(outline, holes, names, insulated, resolution)
            return Polygon(outline, holes, names, resolution)
        case spec.Disk() | spec.Ball():
            return Ball(np.zeros(dimension), measures["radius",])
        case spec.Annulus() | spec.Shell():
            return Shell(np.zeros(dimension), measures["inner",], measures["outer",])
        case spec.Surface():
            return Mesh(_surface(domain))
        case spec.Star(harmonics=harmonics, edges=edges):
            cosines, sines = np.zeros((2, max(harmonic.order for harmonic in harmonics)))
            for number, harmonic in enumerate(harmonics):
                cosines[harmonic.order - 1] += measures["harmonics", str(number), "cosine"]
                sines[harmonic.order - 1] += measures["harmonics", str(number), "sine"]
            return Star(cosines, sines, measures["radius",], edges=edges, resolution=resolution)


def _surface(domain: spec.Surface) -> Surface:
    if domain.blob is not None:
        return blob(domain.blob.subdivisions, tuple(domain.blob.amplitude * share for share in BUMPS))
    return Surface(np.array(domain.vertices), np.array(domain.triangles, dtype=np.int32))
