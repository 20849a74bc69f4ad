"""The terms of an equation on a box that is stretched, in the coordinates of the box that is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pdemill.spec.field import Function
from pdemill.spec.terms import Terms

POWERS: Mapping[str, tuple[int, ...]] = {
    "diffusion": (-2,),
    "convection": (-1,),
    "advection": (-1,),
    "reaction": (0,),
    "spectral_viscosity": (-2, 0),
    "dispersion": (-3,),
    "hyperdiffusion": (-4,),
    "self_advection": (-1,),
    "vorticity_advection": (0,),
    "velocity_advection": (-1,),
    "passive_advection": (0,),
    "planetary": (1,),
    "deformation": (-1,),
    "law": (0,),
    "potential": (-2, 0),
    "oscillation": (-1, 0),
    "layered": (-1, 0, 1, -1, -1, 0),
    "source": (0,),
    "initial": (0,),
}
"""By what power of the stretch s the functions of a term are multiplied; one stands for all. With x = s X, d/dx is
(1/s) d/dX; the flow of a vorticity is s times that in X, which its slopes take back."""


def stretched(terms: Terms, s: float, moved: bool = False) -> Terms:
    """The terms, of all unknowns, in X = x / s. ``moved``: whether what carries is a velocity, not a vorticity."""
    moved = moved or terms.velocity_advection is not None
    changed: dict[str, Any] = {}
    for name in terms.names():
        value = getattr(terms, name)
        if not value:
            continue
        powers = (-1,) if name == "passive_advection" and moved else POWERS[name]
        if isinstance(value, tuple):
            powers = powers if len(powers) == len(value) else powers * len(value)
            changed[name] = tuple(_times(one, s**power) for one, power in zip(value, powers, strict=True))
        else:
            changed[name] = _times(value, s ** powers[0])
    return replace(terms, **changed, others=tuple(stretched(other, s, moved) for other in terms.others))


def _times(function: Function, factor: float) -> Function:
    return function if factor == 1.0 else function.map(lambda values: factor * values)
