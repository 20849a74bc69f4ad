"""Whether PETSc is installed: its wheels are for Linux on x86_64, and elsewhere an extra brings it."""

from __future__ import annotations

from functools import cache

from pdemill.errors import MissingExtra
from pdemill.extras import missing


@cache
def needs_petsc(what: str) -> MissingExtra | None:
    """What to raise where something needs PETSc and it is not installed."""
    return missing("petsc4py", "petsc", what)


def has_petsc() -> bool:
    return needs_petsc("PETSc") is None
