"""Meshes that a spec names by their file: read into it, so that a spec needs nothing but itself.

Surfaces, which enclose a volume, are OBJ and STL files; meshes of triangles or tetrahedra are what meshio reads, such
as Gmsh's ``.msh``, whose physical groups of lines or triangles name the sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from pdemill.addresses import on_disk, scheme_of
from pdemill.errors import Fault, SolverError, SpecError
from pdemill.extras import library
from pdemill.surface import read_surface

PLACE = ("problem", "domain", "file")
SURFACES = (".obj", ".stl")


def with_mesh(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The spec with ``vertices`` and ``triangles`` in place of the ``file`` of a mesh domain, found from ``folder``, or
    with ``points``, ``cells`` and ``sides``.

    Everything else is as it was, faults included: they are found when the spec is validated. Raises SpecError for a
    file that cannot be read.
    """
    problem = data.get("problem")
    domain = problem.get("domain") if isinstance(problem, Mapping) else None
    if not isinstance(problem, Mapping) or not isinstance(domain, Mapping):
        return dict(data)
    if domain.get("shape") != "mesh" or "file" not in domain:
        return dict(data)
    if not isinstance(domain["file"], str):
        raise SpecError([Fault(PLACE, "should be the name of an OBJ or STL file, or of a mesh such as Gmsh's .msh")])
    if given := [key for key in ("vertices", "triangles", "blob", "points", "cells", "sides") if key in domain]:
        raise SpecError([Fault(PLACE, f"stands for the mesh: leave {given[0]} out")])
    try:
        path = _found(domain["file"], folder)
        found = _surface(path) if path.suffix.lower() in SURFACES else read_cells(path)
    except SolverError as error:
        raise SpecError([Fault(PLACE, str(error))]) from None
    rest = {key: value for key, value in domain.items() if key != "file"}
    return {**data, "problem": {**problem, "domain": rest | found}}


def _surface(path: Path) -> dict[str, Any]:
    surface = read_surface(path)
    return {"vertices": surface.vertices.tolist(), "triangles": surface.cells.tolist()}


def read_cells(path: Path) -> dict[str, Any]:
    """``points``, ``cells`` and ``sides`` of a mesh file, as a spec has them. Raises SolverError, MissingExtra."""
    meshio = library("meshio", "meshio", "a mesh file")
    if path.suffix.lower() not in meshio.extension_to_filetypes:
        told = path.suffix or "no ending"
        raise SolverError(f"{path.name}: {told} is no mesh that can be read; use .obj or .stl for a surface, else .msh")
    if not path.is_file():
        raise SolverError(f"{path}: cannot be read (no such file)")
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # it talks of what it cannot read
            mesh = meshio.read(path)
    except (Exception, SystemExit) as error:  # whatever a damaged file makes of a reader
        raise SolverError(
            f"{path.name}: is no mesh that meshio {meshio.__version__} can read ({error!r:.200})"
        ) from None
    kinds = {block.type for block in mesh.cells} - {"vertex", "line"}
    kind = "tetra" if "tetra" in kinds else "triangle"
    if left := sorted(kinds - {"tetra", "triangle"}):
        raise SolverError(f"{path.name}: has {left[0]} cells, and only straight triangles and tetrahedra are possible")
    parts = [block.data for block in mesh.cells if block.type == kind]
    if not parts:
        raise SolverError(f"{path.name}: has neither triangles nor tetrahedra")
    points = np.asarray(mesh.points, dtype=np.float64)
    if kind == "triangle" and points.shape[1] == 3:
        if np.ptp(points[:, 2]) > 0.0:
            raise SolverError(f"{path.name}: is a surface in space; triangles should lie in the plane z = 0")
        points = points[:, :2]
    used, cells = np.unique(np.concatenate(parts), return_inverse=True)
    number = np.full(len(points), -1)
    number[used] = np.arange(len(used))
    sides = {
        name: number[facets].tolist() for name, facets in _named(mesh, "line" if kind == "triangle" else "triangle")
    }
    cells = cells.reshape(-1, parts[0].shape[1])
    return {"points": points[used].tolist(), "cells": cells.tolist(), "sides": sides}


def _named(mesh: Any, facet: str) -> Iterator[tuple[str, Any]]:
    """The named sets of facets: physical groups of Gmsh, or what other formats call cell sets."""
    found: dict[str, list[Any]] = {}
    axes = 1 if facet == "line" else 2
    names = {int(tag): name for name, (tag, dimension) in mesh.field_data.items() if dimension == axes}
    tags = mesh.cell_data.get("gmsh:physical")
    for number, block in enumerate(mesh.cells):
        if block.type != facet:
            continue
        if tags is not None:
            for tag in np.unique(tags[number]).tolist():
                found.setdefault(names.get(tag, f"side{tag}"), []).append(block.data[tags[number] == tag])
            continue
        for name, places in mesh.cell_sets.items():
            if places[number] is not None and len(places[number]):
                found.setdefault(name, []).append(block.data[places[number]])
    for name, parts in found.items():
        if not name.startswith("gmsh:"):
            yield name, np.concatenate(parts)


def _found(file: str, folder: Path) -> Path:
    whole = scheme_of(file) is not None or file.startswith("~")
    return on_disk(file if whole else folder / file, "the mesh", SolverError)
