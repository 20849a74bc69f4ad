"""The terms of an equation, and which of them a family uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator
from pydantic import Field as Limits

from pdemill.errors import FamilyError
from pdemill.points import CloudPoints, Points
from pdemill.spec.field import AnyField, Field, Function, PositiveField, choose_field, positive
from pdemill.spec.field import fields as known_fields
from pdemill.spec.model import Model, as_tuple
from pdemill.spec.registry import Slot


class Diagonal(Model):
    """A diagonal tensor: one positive field per axis; ``{diagonal: [k_x, k_y]}``."""

    diagonal: Annotated[tuple[PositiveField, ...], Limits(min_length=1), BeforeValidator(as_tuple)]

    @property
    def is_random(self) -> bool:
        return any(entry.is_random for entry in self.diagonal)


class CoefficientSlot(Slot):
    """A positive field, or a diagonal tensor."""

    @staticmethod
    def chosen(value: object) -> Diagonal | Field:
        if isinstance(value, Diagonal) or (isinstance(value, dict) and "diagonal" in value):
            return Diagonal.model_validate(value)
        return positive(choose_field(value))

    def _validate(self, value: object) -> object:
        return self.chosen(value)


Coefficient = Annotated[Diagonal | Field, CoefficientSlot(known_fields, Field, "Coefficient")]
Vector = Annotated[tuple[AnyField, ...], Limits(min_length=1), BeforeValidator(as_tuple)]


@dataclass(frozen=True)
class Terms:
    """The terms of -div(k grad u) + b . grad u + c u = f for one sample, or of

        u_t - div(k grad u) + b . grad u + div(v u) + c u + r(u) + p sum_i d_i^3 u + q Lap^2 u
            + s sum_i d_i(u^2 / 2) + a (rot^-1 u) . grad u - m Lap g(u) = f.

    ``diffusion`` k is one function, or one per axis for a diagonal tensor; ``convection`` b and ``advection`` v are one
    function per axis; ``spectral_viscosity`` is k once more, for the modes alone of more than m waves in the box, and
    m; ``dispersion`` is p, ``hyperdiffusion`` q, ``self_advection`` s, ``vorticity_advection`` a, with the velocity
    (d_y psi, -d_x psi) of -Lap psi = u in two dimensions; ``passive_advection`` is the same for another unknown, which
    the velocity of the first one, or of the first ones, carries; ``planetary`` is b in + b v_y, v that velocity;
    ``deformation`` is a radius r, with which (u + psi / r^2)_t stands for u_t; ``law`` is r, whose function knows the
    unknowns as well; ``diffusion_law`` is a factor of k that knows u; ``potential`` is m and the law g;
    ``oscillation``, of two unknowns u and v, is c and the law g in u_t = v, v_t = c^2 Lap u - g(u) + ..; ``layered``,
    of two unknowns, the potential vorticities of two layers, is the radius of deformation, the ratio of depths, beta,
    both mean flows and the drag at the bottom; ``storage`` is s in (u + s(u))_t, which stands for u_t then;
    ``equations`` is more of u_t, as a user wrote it; ``form`` stands for a weak form, which its problem knows;
    ``initial`` is u at the start. Of several unknowns, these are the terms of the first, and ``others`` those of the
    others: ``law`` and ``equations`` are those of all, and stand here;
    ``velocity_advection`` too, for the unknowns as a velocity v: that many times (v . grad) v + grad p, with the p that
    keeps v, and f and the initial state, free of divergence. Of second order in time, u_tt + d u_t - c^2 div(k grad u)
    = f, with ``damping`` d, ``speed`` c, and ``rate``: u_t at the start. What is absent is zero. Every field of this
    class is a term: a discretiser takes it by name, or refuses the equations that have it.
    """

    diffusion: tuple[Function, ...]
    source: Function
    convection: tuple[Function, ...] = ()
    reaction: Function | None = None
    advection: tuple[Function, ...] = ()
    spectral_viscosity: tuple[Function, ...] = ()
    dispersion: Function | None = None
    hyperdiffusion: Function | None = None
    self_advection: Function | None = None
    vorticity_advection: Function | None = None
    passive_advection: Function | None = None
    planetary: Function | None = None
    deformation: Function | None = None
    velocity_advection: Function | None = None
    layered: tuple[Function, ...] = ()
    law: Function | None = None
    diffusion_law: Function | None = None
    potential: tuple[Function, ...] = ()
    oscillation: tuple[Function, ...] = ()
    storage: Function | None = None
    equations: Function | None = None
    form: Function | None = None
    initial: Function | None = None
    rate: Function | None = None
    speed: Function | None = None
    damping: Function | None = None
    others: tuple[Terms, ...] = ()

    def __post_init__(self) -> None:
        lists = {"diffusion", "convection", "advection", "spectral_viscosity", "potential", "oscillation", "layered"}
        single = Terms.__dataclass_fields__.keys() - lists
        for name in self.names():
            value = getattr(self, name)
            entries = value if isinstance(value, tuple) else (value,)
            wrong = (name in lists and not isinstance(value, tuple)) or (name in single and isinstance(value, tuple))
            wrong |= name == "diffusion" and not value
            absent = value is None and name != "source"
            if wrong or not (absent or all(isinstance(entry, Function) for entry in entries)):
                kind = "a tuple of functions" if name in lists else "one function"
                raise FamilyError(f"the {name} of Terms should be {kind}, as drawn(name) gives them, not {value!r:.60}")

    def fits(self, axes: int) -> bool:
        """Whether tuples have a function for each axis, or as few as they may."""
        lists = all(len(part) in (0, axes) for part in (self.convection, self.advection))
        return len(self.diffusion) in (1, axes) and lists and all(other.fits(axes) for other in self.others)

    def present(self) -> Iterator[tuple[str, tuple[Function, ...]]]:
        """The terms that are there, by name."""
        for name in self.names():
            value = getattr(self, name)
            functions = value if isinstance(value, tuple) else () if value is None else (value,)
            if functions:
                yield name, functions
        for other in self.others:
            yield from other.present()

    def without(self, name: str) -> Terms:
        """The terms but one, of all unknowns."""
        nothing: Any = () if isinstance(getattr(self, name), tuple) else None
        others = tuple(other.without(name) for other in self.others)
        return replace(self, **{name: nothing, "others": others})

    def at_time(self, t: float) -> Terms:
        """The terms as they are at the time t, of all unknowns."""
        now: dict[str, Any] = {}
        for name in self.names():
            value = getattr(self, name)
            if isinstance(value, tuple):
                now[name] = tuple(function.at_time(t) for function in value)
            elif value is not None:
                now[name] = value.at_time(t)
        return replace(self, **now, others=tuple(other.at_time(t) for other in self.others))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all terms."""
        return tuple(name for name in cls.__dataclass_fields__ if name != "others")


NOWHERE = CloudPoints(np.zeros((1, 0)), (0.0,), (1.0,), lasting=False)
"""Where stand-ins are evaluated."""


def checked_terms(found: object, family: str, axes: int) -> Terms:
    """What ``terms`` of a family returned; a FamilyError where that is no Terms, or has too few functions."""
    if not isinstance(found, Terms):
        raise FamilyError(f"terms() of {family} should return Terms, not {found!r:.60}")
    if not found.fits(axes):
        raise FamilyError(
            f"terms() of {family} should give 1 or {axes} functions of diffusion and 0 or {axes} of convection and of "
            "advection"
        )
    return found


def placeholder(name: str, zero: list[bool]) -> tuple[Function, ...]:
    """Stand-ins for the drawn functions of the field ``name``, which show where a term comes from: 0 for those that are
    the number 0, else 1."""
    return tuple(Function(_zero if vanishes else _one, origin=name) for vanishes in zero)


def _zero(points: Points) -> float:
    return 0.0


def _one(points: Points) -> float:
    return 1.0
