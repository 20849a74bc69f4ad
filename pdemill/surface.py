"""Triangle surfaces: read from OBJ and STL files, made as a bumpy ball, and checked to enclose a volume."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdemill.errors import SolverError
from pdemill.points import Array


class Surface(NamedTuple):
    vertices: Array
    """[n, 3]"""
    cells: NDArray[np.int32]
    """[m, 3]: corners of the triangles, anticlockwise from outside."""


def read_surface(path: Path) -> Surface:
    """The surface in an OBJ file or an STL file, plain or binary. Corners at the same place become one.

    Polygons of OBJ files are cut into fans; normals, textures and groups are not read. Refuses what cannot be read.
    """
    try:
        match path.suffix.lower():
            case ".obj":
                surface = _read_obj(path.read_text(encoding="utf-8", errors="replace"))
            case ".stl":
                surface = _read_stl(path.read_bytes())
            case other:
                raise SolverError(f"{path.name}: {other or 'no ending'} is no mesh that can be read; use .obj or .stl")
    except OSError as error:
        raise SolverError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, IndexError) as error:
        raise SolverError(f"{path.name}: not a valid {path.suffix[1:].upper()} file ({error})") from error
    if not len(surface.cells):
        raise SolverError(f"{path.name}: has no triangles")
    return surface


def _read_obj(text: str) -> Surface:
    vertices: list[list[float]] = []
    cells: list[tuple[int, int, int]] = []
    for line in text.splitlines():
        match line.split():
            case ["v", x, y, z, *_]:
                vertices.append([float(x), float(y), float(z)])
            case ["f", *corners]:
                # 7/2/3 is vertex 7; -1 is the last vertex so far.
                numbers = [int(corner.split("/")[0]) for corner in corners]
                loop = [number - 1 if number > 0 else len(vertices) + number for number in numbers]
                if min(loop) < 0:
                    raise ValueError(f"there is no vertex {min(numbers)}")
                cells.extend((loop[0], loop[i], loop[i + 1]) for i in range(1, len(loop) - 1))
    return welded(np.array(vertices).reshape(-1, 3)[np.array(cells, np.intp).reshape(-1, 3)])


RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
"""A triangle of a binary STL file, which begins with 80 bytes of anything and their number."""


def _read_stl(data: bytes) -> Surface:
    if len(data) >= 84 and len(data) == 84 + RECORD.itemsize * int.from_bytes(data[80:84], "little"):
        return welded(np.frombuffer(data, RECORD, offset=84)["corners"].astype(np.float64))
    if not data.lstrip().startswith(b"solid"):
        raise ValueError("its length is not what its header says")
    words = (line.split() for line in data.decode("utf-8", "replace").splitlines())
    corners = [[float(number) for number in line[1:4]] for line in words if line[:1] == ["vertex"]]
    return welded(np.array(corners).reshape(-1, 3, 3))


def welded(corners: Array) -> Surface:
    """The surface of triangles with corners [m, 3, 3]; corners with equal coordinates become one vertex."""
    vertices, number = np.unique(corners.reshape(-1, 3) + 0.0, axis=0, return_inverse=True)
    return Surface(vertices, number.reshape(-1, 3).astype(np.int32))


def checked(surface: Surface) -> Surface:
    """The surface, if it encloses a volume; else a refusal that says what to repair.

    Every edge has to belong to two triangles that run along it in opposite directions, no triangle may be without
    area, and the enclosed volume has to be positive. That it does not cut itself is not checked.
    """
    vertices, cells = np.array(surface.vertices, np.float64), np.array(surface.cells, np.int32)
    if not np.isfinite(vertices).all():
        raise SolverError("the mesh has coordinates that are not finite numbers")
    corners = vertices[cells]
    sides = corners - np.roll(corners, -1, axis=1)
    twice_area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    thin = np.flatnonzero(twice_area <= 1e-14 * np.square(sides).sum(axis=2).max(axis=1))
    if thin.size:
        raise SolverError(
            f"the mesh has {thin.size:,} triangles without area, the first near {_place(corners[thin[0], 0])}: "
            "remove them in a mesh editor (merge close vertices, delete degenerate faces)"
        )
    begin, end = cells.astype(np.int64).ravel(), np.roll(cells, -1, axis=1).astype(np.int64).ravel()
    directed, uses = np.unique(begin * len(vertices) + end, return_counts=True)
    reverse = directed % len(vertices) * len(vertices) + directed // len(vertices)
    unmatched = directed[~np.isin(reverse, directed)]
    repeated = directed[uses > 1]
    if repeated.size:
        raise SolverError(
            f"triangles of the mesh disagree about the outside, or more than two meet, at {repeated.size:,} edges, the "
            f"first near {_place(vertices[repeated[0] // len(vertices)])}: make the normals consistent and separate "
            "touching parts in a mesh editor"
        )
    if unmatched.size:
        raise SolverError(
            f"the mesh is not closed: {unmatched.size:,} edges belong to one triangle only, the first near "
            f"{_place(vertices[unmatched[0] // len(vertices)])}: fill the holes in a mesh editor"
        )
    if not float((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum()) > 0.0:
        raise SolverError("the normals of the mesh point inwards: flip all of them in a mesh editor")
    return Surface(vertices, cells)


def _place(point: Array) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in point) + ")"


def icosphere(subdivisions: int) -> Surface:
    """The unit sphere as an icosahedron whose triangles are cut into four ``subdivisions`` times, 20 4^n triangles."""
    golden = (1.0 + 5.0**0.5) / 2.0
    pairs = [(a, b) for a in (-1.0, 1.0) for b in (-golden, golden)]
    vertices = np.array([np.roll((0.0, a, b), shift) for shift in range(3) for a, b in pairs])
    near = np.linalg.norm(vertices[:, None] - vertices, axis=2) < 2.1
    triples = [
        (i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[i, k]
    ]
    corners = vertices[np.array(triples)]
    inward = np.linalg.det(corners) < 0.0
    corners[inward] = corners[inward, ::-1]
    for _ in range(subdivisions):
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (a + b) / 2.0, (b + c) / 2.0, (c + a) / 2.0
        corners = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3, 3)
    vertices, cells = welded(corners)
    return Surface(vertices / np.linalg.norm(vertices, axis=1, keepdims=True), cells)


def blob(subdivisions: int = 5, bumps: ArrayLike = (0.2, 0.15, 0.05), radius: float = 1.0) -> Surface:
    """A smooth closed surface with bumps of three sizes on a sphere; 5 subdivisions give 20,480 triangles.

    Its radius in the direction n is ``radius`` (1 + sum of bumps_i sin(w_i n_x) sin(w_i n_y + 1) sin(w_i n_z + 2))
    with w = 2, 4, 8.
    """
    n, cells = icosphere(subdivisions)
    scale = np.ones(len(n))
    for bump, w in zip(np.asarray(bumps, np.float64), (2.0, 4.0, 8.0), strict=True):
        scale += bump * np.sin(w * n[:, 0]) * np.sin(w * n[:, 1] + 1.0) * np.sin(w * n[:, 2] + 2.0)
    return Surface(radius * scale[:, None] * n, cells)
