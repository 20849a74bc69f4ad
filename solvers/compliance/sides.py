"""Conditions that the suite tries on the sides of the unit square."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pdemill.spec.discretiser import discretisers

U = "sin(2.9*x + 2.2*y + 0.4)"
"""The values of u on Dirichlet sides."""


def formula(text: str) -> dict[str, str]:
    """The field of a formula."""
    return {"field": "expression", "formula": text}


ON_SIDES: Mapping[str, tuple[str, Any]] = {
    "neumann": ("right", formula("1 + 0.5*y")),
    "robin": ("top", {"coefficient": formula("1 + x"), "value": formula("cos(x)")}),
}


def boundaries(by: str, keys: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions of ``keys``; without any, Dirichlet sides, and sides of all kinds that a discretiser takes."""
    if "boundary" in keys:
        yield dict(keys["boundary"])
        return
    held = {"default": {"dirichlet": formula(U)}}
    yield held
    taken = discretisers[by].takes.conditions
    mixed = {side: {kind: data} for kind, (side, data) in ON_SIDES.items() if kind in taken}
    if mixed:
        yield held | mixed
