"""Boxes of three axes with columns whose cross-sections are drawn for every sample."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.operators.meshing import triangulate
from pdemill.solvers.weak.columns import columns
from pdemill.solvers.weak.mesh import SimplexMesh
from pdemill.solvers.weak.morph import quality
from pdemill.spec import validate
from pdemill.spec.domain import Polygon
from pdemill.store.root import read_attributes
from tests.weak.problems import POISSON, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx")
RADIUS = {"uniform": [0.15, 0.25]}
HOLE = {"shape": "disk", "centre": [0.5, 0.4], "radius": RADIUS}
FIBRE = {"shape": "disk", "centre": [0.25, 0.75], "radius": 0.15}
BOX: dict[str, Any] = {"lengths": [1, 1, 0.5], "without": [HOLE]}
KNOWN = "x*z + exp(2*x)*sin(2*y)"
PROBLEM: dict[str, Any] = POISSON | {
    "domain": BOX, "resolution": {"h": 0.3}, "form": "inner(grad(u), grad(v))*dx",
    "boundary": {"default": {"u": {"dirichlet": formula(KNOWN)}}},
}  # fmt: skip
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
FOUR = ("bottom", "right", "top", "left")
SIX = ("left", "right", "bottom", "top", "back", "front")


def standing() -> SimplexMesh:
    fibre = tuple((0.4 + 0.2 * np.cos(t), 0.5 + 0.2 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 12, endpoint=False))
    joined = (("left", "right"), ("bottom", "top"))
    made = triangulate(Polygon(outline=SQUARE, sides=FOUR), 0.3, (fibre,), joined)
    flat = SimplexMesh(made.points, made.cells, made.facets, made.sides, made.side_names, made.regions)
    return columns(flat, 0.5, 2, SIX)


def test_cells_of_columns_fit_each_other_and_across_joined_sides() -> None:
    mesh = standing()
    assert mesh.signed_volumes.min() > 0
    assert mesh.volumes.sum() == pytest.approx(0.5)
    assert mesh.regions is not None
    area = 12 / 2 * 0.2**2 * np.sin(2 * np.pi / 12)
    assert mesh.volumes[mesh.regions == 1].sum() == pytest.approx(0.5 * area)
    facets = Counter(tuple(sorted(facet)) for cell in mesh.cells.tolist() for facet in combinations(cell, 3))
    assert {facet for facet, count in facets.items() if count == 1} == {tuple(sorted(f)) for f in mesh.facets.tolist()}
    assert set(facets.values()) == {1, 2}
    for axis, (low, high) in enumerate(zip(SIX[::2], SIX[1::2], strict=True)):
        ends = []
        for side in (low, high):
            corners = np.delete(mesh.points[mesh.facets[mesh.sides == SIX.index(side)]], axis, axis=2).round(6)
            ends.append({tuple(sorted(map(tuple, facet))) for facet in corners.tolist()})
        assert ends[0] == ends[1]


def test_where_equal_sides_are_the_quality_is_1() -> None:
    points = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)
    cells = np.array([[0, 1, 2, 3]], np.int32)
    nothing = np.zeros((0, 3), np.int32)
    assert quality(SimplexMesh(points, cells, nothing, nothing[:, 0], ())) == pytest.approx(1.0)


def error(problem: dict[str, Any]) -> float:
    """In the mean square of the nodes that are solved for."""
    job = opened(problem)
    grid: Any = job.discretisation
    (u,), _ = solved(job)
    x, y, z = grid.points.coordinates.values()
    apart = (u - x * z - np.exp(2 * x) * np.sin(2 * y))[grid.unknowns.free]
    return float(np.sqrt((apart**2).mean()))


@pytest.mark.slow
@pytest.mark.parametrize(("element", "least"), [("P1", 1.8), ("P2", 2.8)])
def test_orders_around_a_hole(element: str, least: float) -> None:
    problem = PROBLEM | {"unknowns": {"u": element}, "domain": BOX | {"without": [HOLE | {"radius": 0.2}]}}
    coarse, fine = (error(problem | {"resolution": {"h": h}}) for h in (0.2, 0.1))
    assert np.log2(coarse / fine) > least


def test_volumes_and_sides_of_samples() -> None:
    job = opened(PROBLEM)
    place: Any = job.spec.problem
    mesh: Any = job.discretisation.mesh  # type: ignore[attr-defined]
    assert mesh.volumes.sum() == pytest.approx(place.volume)
    for number, side in enumerate(place.sides):
        a, b, c = mesh.points[mesh.facets[mesh.sides == number]].swapaxes(0, 1)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
        assert area == pytest.approx(place.measure(side))
    instance = job.instance("train", 0)
    own: Any = job.discretisation.of(instance)
    rim = own.mesh.points[own.mesh.side_nodes(place.sides.index("hole0"), 1)]
    radius = instance.parameters()["domain.without.0.radius"]
    assert np.hypot(rim[:, 0] - 0.5, rim[:, 1] - 0.4) == pytest.approx(radius)
    assert sorted(set(rim[:, 2].round(9))) == [0.0, 0.25, 0.5]


def test_samples_are_certified_and_verified(tmp_path: Path) -> None:
    store = tmp_path / "columns.zarr"
    problem = {
        "family": "weak_form", "unknowns": {"u": "P1"}, "domain": {"lengths": [1, 1, 0.5], "without": [HOLE],
        "inclusions": [FIBRE]}, "resolution": {"h": 0.3},
        "coefficients": {"k": {"field": "regions", "values": {"default": 1.0, "inclusions": {"uniform": [2, 9]}}}},
        "form": "k*inner(grad(u), grad(v))*dx", "boundary": {
            "back": {"u": {"dirichlet": 0.0}}, "front": {"u": {"dirichlet": formula("z + x")}}, "default": "natural",
        },
    }  # fmt: skip
    assert pdemill.generate({"problem": problem, "samples": 2}, store, workers=0).ok
    assert pdemill.verify(store).ok
    assert read_attributes(store)["spec"]["problem"]["domain"]["without"]
    images = pdemill.open(store, resample=(24, 24, 4))
    moduli = images.data.columns(images.data.shards[0])["params"]
    for number, (k, mask, _) in enumerate(images[:]["x"]):
        found = np.unique(k[mask > 0])
        assert found[0] == 1.0
        assert found[1:] == pytest.approx([max(moduli[number])])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"resolution": [4, 4, 4]}, r"problem\.resolution: counts the cells of a box"),
        ({"domain": BOX | {"without": [HOLE | {"radius": 0.7}]}}, r"problem\.domain\.without: "),
        ({"domain": BOX | {"without": [{"shape": "ball", "radius": 0.1}]}}, r"shape: is not possible on meshes"),
    ],
)
def test_what_is_no_column_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate({"problem": PROBLEM | change, "samples": 1})
