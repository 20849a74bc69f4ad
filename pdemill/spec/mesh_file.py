"""Meshes that a spec names by their file: read into it, so that a spec needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdemill.addresses import on_disk, scheme_of
from pdemill.errors import Fault, SolverError, SpecError
from pdemill.surface import read_surface

PLACE = ("problem", "domain", "file")


def with_mesh(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The spec with ``vertices`` and ``triangles`` in place of the ``file`` of a mesh domain, found from ``folder``.

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
        raise SpecError([Fault(PLACE, "should be the name of an OBJ or STL file")])
    if given := [key for key in ("vertices", "triangles", "blob") if key in domain]:
        raise SpecError([Fault(PLACE, f"stands for vertices and triangles: leave {given[0]} out")])
    try:
        surface = read_surface(_found(domain["file"], folder))
    except SolverError as error:
        raise SpecError([Fault(PLACE, str(error))]) from None
    rest = {key: value for key, value in domain.items() if key != "file"}
    found = {"vertices": surface.vertices.tolist(), "triangles": surface.cells.tolist()}
    return {**data, "problem": {**problem, "domain": rest | found}}


def _found(file: str, folder: Path) -> Path:
    whole = scheme_of(file) is not None or file.startswith("~")
    return on_disk(file if whole else folder / file, "the mesh", SolverError)
