"""How fine the meshes of weak forms are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from pdemill.solvers.discretisers.elements import MeshSize
from pdemill.spec.model import Model, as_tuple, refusal

Cells = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)]


class Refinements(Model):
    """``refine``: how often every cell of a given mesh is cut into 4 triangles or 8 tetrahedra."""

    refine: Annotated[int, Field(ge=0, le=4)]


def resolution_of(value: Any) -> Any:
    """What a spec says under ``resolution``."""
    if isinstance(value, MeshSize | Refinements):
        return value
    if isinstance(value, Mapping):
        return (Refinements if "refine" in value else MeshSize).model_validate(value)
    if not isinstance(value, list | tuple):
        raise refusal("should be {h: 0.05}, the longest edge, or the cells of a box per axis, such as [32, 32]")
    return as_tuple(value)
