"""Meshes that users bring along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.job import open_job
from pdemill.solvers.weak.mesh import box_mesh
from pdemill.spec import validate
from pdemill.spec.load import load_spec
from tests.weak.problems import POISSON, opened, solved

pytestmark = pytest.mark.needs("ffcx")
GIVEN = {"left": {"u": {"dirichlet": 0.0}}, "right": {"u": {"dirichlet": 1.0}}, "boundary": "natural"}
LAPLACE = POISSON | {"form": "inner(grad(u), grad(v))*dx", "boundary": GIVEN, "resolution": {"refine": 0}}

GMSH_4 = """\
$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
3
1 1 "left"
1 2 "right"
2 3 "plate"
$EndPhysicalNames
$Entities
4 4 1 0
1 0 0 0 0
2 1 0 0 0
3 1 1 0 0
4 0 1 0 0
1 0 0 0 1 0 0 0 2 1 -2
2 1 0 0 1 1 0 1 2 2 2 -3
3 0 1 0 1 1 0 0 2 3 -4
4 0 0 0 0 1 0 1 1 2 4 -1
1 0 0 0 1 1 0 1 3 4 1 2 3 4
$EndEntities
$Nodes
7 5 1 5
0 1 0 1
1
0 0 0
0 2 0 1
2
1 0 0
0 3 0 1
3
1 1 0
0 4 0 1
4
0 1 0
1 2 0 0
1 4 0 0
2 1 0 1
5
0.5 0.5 0
$EndNodes
$Elements
3 6 1 6
1 2 1 1
1 2 3
1 4 1 1
2 4 1
2 1 2 4
3 1 2 5
4 4 1 5
5 2 3 5
6 3 4 5
$EndElements
"""
"""A square of four triangles, as Gmsh 4.15 writes it."""


def domain(d: int) -> dict[str, Any]:
    """The square or cube as a mesh of its own, with the sides left and right."""
    mesh = box_mesh((2,) * d, (1.0,) * d)
    ends = {name: mesh.facets[mesh.sides == mesh.side_names.index(name)].tolist() for name in ("left", "right")}
    return {"shape": "mesh", "points": mesh.points.tolist(), "cells": mesh.cells.tolist(), "sides": ends}


@pytest.mark.parametrize(("d", "element"), [(2, "P2"), (3, "P1")])
def test_a_linear_function_is_solved_exactly(d: int, element: str) -> None:
    job = opened(LAPLACE | {"domain": domain(d), "unknowns": {"u": element}, "resolution": {"refine": 1}})
    (u,), _ = solved(job)
    np.testing.assert_allclose(u, job.discretisation.points.coordinates["x"], atol=1e-12)
    place: Any = job.spec.problem
    assert place.volume == pytest.approx(1.0)
    assert [place.measure(side) for side in place.sides] == pytest.approx([1.0, 1.0, 2.0 * (d - 1)])


def spec_file(folder: Path) -> Path:
    text = f"problem: {LAPLACE | {'domain': {'shape': 'mesh', 'file': 'plate.msh'}}}\nsamples: 1\n".replace("'", '"')
    (folder / "plate.yaml").write_text(text)
    return folder / "plate.yaml"


@pytest.mark.parametrize("binary", [True, False])
def test_files_are_read_with_their_sides(tmp_path: Path, binary: bool) -> None:
    import meshio

    square = domain(2)
    points = np.pad(np.array([*square["points"], [5.0, 5.0]]), ((0, 0), (0, 1)))  # a point that no cell has
    left, right = (np.array(square["sides"][name]) for name in ("left", "right"))
    cells = [("line", np.concatenate([left, right])), ("triangle", np.array(square["cells"]))]
    tags = [np.repeat([1, 7], len(left)), np.full(len(square["cells"]), 1)]
    mesh = meshio.Mesh(
        points, cells, cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data={"left": np.array([1, 1]), "right": np.array([7, 1]), "plate": np.array([1, 2])},
    )  # fmt: skip
    meshio.write(tmp_path / "plate.msh", mesh, file_format="gmsh22", binary=binary)
    spec = load_spec(spec_file(tmp_path))
    assert spec == validate({"problem": LAPLACE | {"domain": square}, "samples": 1})
    assert pdemill.generate(tmp_path / "plate.yaml", tmp_path / "s.zarr", workers=0).ok
    (tmp_path / "plate.msh").unlink()
    assert pdemill.verify(tmp_path / "s.zarr", samples=1).ok


def test_files_of_gmsh_4_are_read_with_their_sides(tmp_path: Path) -> None:
    (tmp_path / "plate.msh").write_text(GMSH_4)
    job = open_job(load_spec(spec_file(tmp_path)))
    (u,), _ = solved(job)  # type: ignore[arg-type]
    np.testing.assert_allclose(u, [0.0, 1.0, 1.0, 0.0, 0.5], atol=1e-14)


FOLDED = {"shape": "mesh", "points": [[0, 0], [1, 0], [0, 1], [0.2, 0.2]], "cells": [[0, 1, 2], [1, 2, 3]]}
FOLDED_3D = {
    "shape": "mesh", "points": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.2, 0.2]],
    "cells": [[0, 1, 2, 3], [3, 2, 1, 4]],
}  # fmt: skip


TORN = domain(2) | {
    "points": [*domain(2)["points"], [1.0, 1.0]], "cells": [*domain(2)["cells"][:-1], [*domain(2)["cells"][-1][:2], 9]],
}  # fmt: skip
HANGING = {
    "shape": "mesh", "points": [[0, 0], [2, 0], [2, 1], [0, 1], [1, 0], [1, -1]],
    "cells": [[0, 1, 2], [0, 2, 3], [0, 5, 4], [4, 5, 1]],
}  # fmt: skip


HANGING_3D = {
    "shape": "mesh", "points": [[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 1], [1, 0, 0], [0, 0, -1]],
    "cells": [[0, 1, 2, 3], [0, 4, 2, 5], [4, 1, 2, 5]],
}  # fmt: skip
CROSSED = {
    "shape": "mesh", "points": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1], [0.5, 0.5, -1]],
    "cells": [[0, 1, 2, 4], [0, 2, 3, 4], [0, 1, 3, 5], [1, 2, 3, 5]],
}  # fmt: skip


def changed(**keys: Any) -> dict[str, Any]:
    return {**domain(2), **keys}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (changed(cells=[[0, 1, 99]]), r"domain\.cells\[0\]: has the point 99, and there are 9"),
        (changed(cells=[[0, 1, 2, 3]]), r"domain\.cells\[0\]: has 4 entries, and others lead to 3"),
        (changed(cells=[[0, 1, 1]]), r"domain\.points\[2\]: belongs to no cell"),
        (changed(points=[[0.0, 0.0, 0.0], *domain(2)["points"][1:]]), r"domain\.points\[1\]: has 2 entries"),
        (changed(cells=[*domain(2)["cells"], [0, 1, 2]]), r"domain\.cells\[8\]: has no volume"),
        (changed(cells=domain(2)["cells"] * 3), r"domain\.cells: has a facet that more than two cells share"),
        (FOLDED, r"domain\.cells\[\d\]: lies on the same side of the facet \(1, 2\) as a neighbour"),
        (FOLDED_3D, r"domain\.cells\[\d\]: lies on the same side of the facet \(1, 2, 3\) as a neighbour"),
        (changed(sides={"left": [[0, 4]]}), r"domain\.sides\.left\[0\]: is no facet of the boundary"),
        (changed(sides={"left": [[0, 1]], "right": [[1, 0]]}), r"domain\.sides\.right\[0\]: is named twice"),
        (changed(sides={"boundary": [[0, 1]]}), r"domain\.sides\.boundary: is the name of what no side has"),
        (TORN, r"domain\.points\[9\]: is where point 8 is: parts of the mesh"),
        (HANGING, r"domain\.cells: have a point inside the edge \[0, 1\]"),
        (HANGING_3D, r"domain\.cells: have a point inside the facet \[0, 1, 2\], or another facet over it"),
        (CROSSED, r"domain\.cells: have a point inside the facet .*, or another facet over it"),
        (changed(file="plate.msh"), r"domain\.file: is read before a spec is sent"),
        (domain(2) | {"points": [[0.0, float("nan")]] * 9}, r"domain\.points\[0\]\[1\]"),
    ],
)  # fmt: skip
def test_what_is_no_mesh_is_refused_with_its_path(given: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        validate({"problem": LAPLACE | {"domain": given}, "samples": 1})


def test_where_it_is_solved_fits_the_domain() -> None:
    with pytest.raises(SpecError, match=r"problem\.resolution: \{refine: 0\} is for a domain that is given as a mesh"):
        validate({"problem": LAPLACE | {"domain": domain(2), "resolution": {"h": 0.1}}, "samples": 1})
    with pytest.raises(SpecError, match=r"problem\.resolution: \{refine: 0\} is for a domain that is given as a mesh"):
        validate({"problem": POISSON | {"resolution": {"refine": 0}}, "samples": 1})


@pytest.mark.parametrize(
    "content", [b"", b"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n9", b"\0" * 100], ids=["empty", "cut", "zeros"]
)
def test_a_file_that_is_no_mesh_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plate.msh").write_bytes(content)
    with pytest.raises(SpecError, match=r"problem\.domain\.file: plate\.msh: (is no mesh|has neither)"):
        load_spec(spec_file(tmp_path))


SLIDES = {
    "unknowns": {"u": {"element": "P1", "shape": "vector"}}, "form": "inner(sym(grad(u)), sym(grad(v)))*dx",
    "boundary": {"left": {"u": {"dirichlet": [0.0, None]}}, "default": "natural"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"boundary": {"default": "natural"}}, r"a constant added to u changes nothing"),
        (SLIDES, r"\{u: \{mean: \[null, 0\.0\]"),
    ],
)
def test_what_a_form_leaves_open_is_found_on_meshes_that_are_fine_already(change: dict[str, Any], why: str) -> None:
    mesh = box_mesh((44, 44), (1.0, 1.0))
    left = mesh.facets[mesh.sides == mesh.side_names.index("left")].tolist()
    fine = {"shape": "mesh", "points": mesh.points.tolist(), "cells": mesh.cells.tolist(), "sides": {"left": left}}
    with pytest.raises(SpecError, match=why):
        opened(LAPLACE | {"domain": fine} | change)
    given = {"left": {"u": {"dirichlet": 0.0}}, "default": "natural"}
    opened(LAPLACE | {"domain": fine, "boundary": given})
    opened(LAPLACE | {"domain": fine, "boundary": {"default": "natural"}, "constraints": {"u": {"mean": 0.0}}})
