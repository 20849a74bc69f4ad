"""Surfaces: the same from every file format, and refused with a reason when they enclose no volume."""

import struct
from pathlib import Path

import numpy as np
import pytest

from pdemill.errors import SolverError
from pdemill.solvers.walks.shapes.mesh import Mesh
from pdemill.surface import Surface, blob, checked, icosphere, read_surface, welded

CUBE = "\n".join(
    [
        "# a cube of side 2 with four-sided faces",
        "o cube",
        *(f"v {x} {y} {z} 1.0" for x in (0, 2) for y in (0, 2) for z in (0, 2)),
        "vt 0 0",
        "vn 0 0 1",
        "f 1/1 2/1 4/1 3/1",
        "f 5//1 7//1 8//1 6//1",
        "f 1 5 6 2",
        "f -6 -5 -1 -2",
        "f 1/1/1 3/1/1 7/1/1 5/1/1",
        "f 2 6 8 4",
    ]
)


@pytest.fixture
def cube(tmp_path: Path) -> Surface:
    (tmp_path / "cube.obj").write_text(CUBE)
    return read_surface(tmp_path / "cube.obj")


def _facets(surface: Surface) -> list[list[list[float]]]:
    return surface.vertices[surface.cells].tolist()  # type: ignore[no-any-return]


def _plain(surface: Surface) -> bytes:
    facets = (
        "facet normal 0 0 0\n outer loop\n"
        + "".join(f"  vertex {x!r} {y!r} {z!r}\n" for x, y, z in corners)
        + " endloop\nendfacet\n"
        for corners in _facets(surface)
    )
    return ("solid thing\n" + "".join(facets) + "endsolid thing\n").encode()


def _binary(surface: Surface, header: bytes = b"solid, or so it says") -> bytes:
    rows = (struct.pack("<12fH", 0, 0, 0, *np.ravel(corners), 0) for corners in _facets(surface))
    return header.ljust(80) + struct.pack("<I", len(surface.cells)) + b"".join(rows)


def test_obj(cube: Surface) -> None:
    assert cube.vertices.shape == (8, 3)
    assert cube.cells.shape == (12, 3)
    assert Mesh(cube, resolution=8).volume == pytest.approx(8.0)


@pytest.mark.parametrize("write", [_plain, _binary])
def test_stl(cube: Surface, write: object, tmp_path: Path) -> None:
    assert callable(write)
    path = tmp_path / "cube.STL"
    path.write_bytes(write(cube))
    found = read_surface(path)
    np.testing.assert_array_equal(found.vertices, cube.vertices)
    np.testing.assert_array_equal(found.cells, cube.cells)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.obj", b"v 0 0 0\nf 1 2 3\n", "a.obj: not a valid OBJ file"),
        ("a.obj", b"v 0 0 zero\n", "a.obj: not a valid OBJ file"),
        ("a.obj", b"v 0 0 0\nf -1 -2 -3\n", "there is no vertex -3"),
        ("a.obj", b"\xff\xfe", "a.obj: has no triangles"),
        ("a.obj", b"", "has no triangles"),
        ("a.stl", b"solid nothing\nendsolid\n", "has no triangles"),
        ("a.stl", b"solid\nvertex 1 2\n", "not a valid STL file"),
        ("a.stl", b"\0" * 90, "its length is not what its header says"),
        ("a.ply", b"ply", "use .obj or .stl"),
        ("a", b"ply", "no ending is no mesh"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SolverError, match=message):
        read_surface(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="No such file"):
        read_surface(tmp_path / "none.obj")


def test_what_encloses_no_volume_is_refused(cube: Surface) -> None:
    vertices, cells = cube
    one_turned = cells.copy()
    one_turned[3] = one_turned[3, ::-1]
    flat = np.vstack([cells, [[0, 1, 1]]]).astype(np.int32)
    two = np.vstack([cells, cells]).astype(np.int32)
    not_finite = vertices.copy()
    not_finite[3, 1] = np.nan
    for surface, message in [
        (Surface(vertices, cells[1:]), "not closed: 3 edges belong to one triangle only, .* fill the holes"),
        (Surface(vertices, one_turned), "disagree about the outside, .* at 3 edges, .* normals consistent"),
        (Surface(vertices, cells[:, ::-1]), "point inwards: flip all of them"),
        (Surface(vertices, flat), "1 triangles without area, .* remove them"),
        (Surface(vertices, two), "more than two meet"),
        (Surface(not_finite, cells), "not finite"),
    ]:
        with pytest.raises(SolverError, match=message):
            checked(surface)


def test_corners_at_one_place_become_one_vertex() -> None:
    vertices, cells = welded(np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], [[1, 0, 0], [-0.0, 0, 0], [0, 0, 1]]]))
    assert len(vertices) == 4
    assert len(set(cells[0]) & set(cells[1])) == 2


def test_the_blob_is_closed_and_as_large_as_it_says() -> None:
    surface = checked(blob(5))
    assert surface.cells.shape == (20_480, 3)
    sphere = Mesh(icosphere(4), resolution=16)
    assert sphere.volume == pytest.approx(4 * np.pi / 3, rel=5e-3)
    assert sphere.measure("boundary") == pytest.approx(4 * np.pi, rel=5e-3)
