"""Discretisers: they solve what they say they take, and refuse the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import ValidationError

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.compliance.family import check_equation
from pdemill.solvers.compliance.probes import with_term, with_terms
from pdemill.solvers.compliance.sides import formula
from pdemill.solvers.compliance.solved import on_grid, places_of, points_of, spec_of
from pdemill.solvers.job import open_job
from pdemill.solvers.threads import one_thread
from pdemill.spec.condition import conditions
from pdemill.spec.discretiser import Discretiser, discretisers
from pdemill.spec.field import AnyField, Function
from pdemill.spec.forms import form_of
from pdemill.spec.problem import Coefficient, Problem, Terms, Vector
from pdemill.spec.terms import placeholder
from pdemill.testing.compliance import ComplianceError, Places
from pdemill.testing.parts import temporary_parts

NAME = "compliance_probe"
VARIED = formula("1.5 + 0.4*sin(2*x + y)")
HELD: dict[str, tuple[str, Any, Any]] = {
    "diffusion": ("coefficient", Coefficient, VARIED),
    "source": ("source", AnyField, formula("2 + cos(3*x)")),
    "convection": ("velocity", Vector, [formula("2 + x"), formula("1 - 2*y")]),
    "reaction": ("reaction", AnyField, formula("1 + x*y")),
}
"""For each term: the field that holds it, what it may be, a value."""
ON_SIDES: dict[str, Any] = {
    "dirichlet": {"dirichlet": 0}, "neumann": {"neumann": 0}, "robin": {"robin": {"coefficient": 1, "value": 0}},
    "periodic": "periodic",
}  # fmt: skip
ROUNDING = 1e-10


class ProbeEquation(Problem):
    """The equation of the terms in ``held``, each of which is one field."""

    held: ClassVar[tuple[str, ...]] = ()

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        found: dict[str, Any] = {term: drawn(HELD[term][0]) for term in self.held}
        single = {term: found[term][0] for term in ("source", "reaction") if term in found}
        return Terms(**(found | single))


def probe_of(held: tuple[str, ...], definite: bool = True) -> type[Problem]:
    """A family with these terms."""
    annotations = {"family": Literal["compliance_probe"]} | {HELD[term][0]: HELD[term][1] for term in held}
    kind: Any = type(ProbeEquation)
    symmetric = "convection" not in held
    namespace = {
        "__module__": __name__, "__annotations__": annotations, "held": held, "symmetric": symmetric,
        "operator_fields": tuple(HELD[term][0] for term in held if term != "source"),
        "definite": property(lambda self: definite and symmetric),
    }  # fmt: skip
    made: type[Problem] = kind("Probe", (ProbeEquation,), namespace)
    return made


def keys(held: tuple[str, ...], tensor: bool = False) -> dict[str, Any]:
    """The keys of such a family."""
    found = {HELD[term][0]: HELD[term][2] for term in held}
    return found | ({"coefficient": {"diagonal": [VARIED, formula("2 + x*y")]}} if tensor else {})


@one_thread()
def check_discretiser(name: str, places: Places) -> None:
    """See ``pdemill.testing.check_discretiser``."""
    by, grids = discretisers[name], places_of(name, places)
    taken = tuple(term for term in HELD if term in by.takes.terms)
    for tensor in (False, True) if by.takes.tensor else (False,):
        with temporary_parts():
            probe_of(taken)
            try:
                check_equation(NAME, keys(taken, tensor), grids)
            except SpecError as fault:
                raise ComplianceError(
                    f"{name} says that it takes {', '.join(taken)}, and refuses them: {fault}"
                ) from None
    _refusals(by, grids[0])
    _transfer(grids[0])


def _refusals(by: type[Discretiser], place: dict[str, Any]) -> None:
    takes = by.takes
    plain = ("diffusion", "source")
    base = {"family": NAME, **place, **keys(plain)}
    for term in Terms.names():
        if term not in takes.terms:
            with temporary_parts():
                form = with_terms(form_of(probe_of(plain), by), _adding(term))
                _refused(by, f"a {term} term", form, base)
    with temporary_parts():
        form = form_of(probe_of(plain), by)
        for kind in conditions:
            if kind not in takes.conditions and kind in ON_SIDES:
                _refused(by, f"{kind} sides", form, {**base, "boundary": {"left": ON_SIDES[kind]}})
        if not takes.tensor:
            _refused(by, "a diagonal tensor", form, {**base, **keys(plain, tensor=True)})
    if not takes.negative:
        with temporary_parts():
            held = (*plain, "reaction")
            form = form_of(probe_of(held, definite=False), by)
            _refused(by, "a reaction that may be negative", form, {**base, **keys(held)})


def _adding(term: str) -> Callable[[Terms], Terms]:
    several = isinstance(next(part.default for part in fields(Terms) if part.name == term), tuple)
    one = placeholder("", [False, False])
    return lambda terms: with_term(terms, term, one if several else one[0])


def _refused(by: type[Discretiser], what: str, form: type[Problem], problem: dict[str, Any]) -> None:
    try:
        form.model_validate(problem)
    except ValidationError as refusal:
        if all(fault["loc"] for fault in refusal.errors()):
            return
        raise ComplianceError(f"{by.name} refuses {what} without a path") from None
    raise ComplianceError(f"{by.name} does not take {what}, and does not refuse it")


def _transfer(place: dict[str, Any]) -> None:
    """Fields to unknowns and back, to a finer grid and back, and into the layout of a store."""
    plain = ("diffusion", "source")
    with temporary_parts():
        probe_of(plain)
        job = open_job(spec_of({"family": NAME, **place, **keys(plain)}))
        if not on_grid(job):
            return
        grid, name = job.discretisation, place["discretiser"]
        unknowns = np.random.default_rng(0).standard_normal(grid.pattern.size)
        if not np.array_equal(grid.from_fields(grid.to_fields(unknowns, job.instance("train", 0))), unknowns):
            raise ComplianceError(f"{name}: from_fields does not give back the unknowns that went into to_fields")
        degree = 3 if job.problem.structured else 1
        coarse, fine = (_polynomial(points_of(g), degree).reshape(g.points.shape) for g in (grid, job.refined))
        if not np.abs(job.discretisation.restrict(fine) - coarse).max() <= ROUNDING * np.abs(coarse).max():
            raise ComplianceError(f"{name}: restrict() is not exact for polynomials of degree {degree}")
        if job.refined.order != grid.order:
            raise ComplianceError(f"{name}: the refined discretisation states another order")
        half = grid.coarsened()
        if half is not None and half.refined().pattern.shape != grid.pattern.shape:
            raise ComplianceError(f"{name}: the refined discretisation of coarsened() is another one")
        known = dict(zip(grid.axes, grid.points.shape, strict=True))
        for part, (axes, values) in job.layout.shared.items():
            if len(axes) != values.ndim or any(known.get(a, n) != n for a, n in zip(axes, values.shape, strict=True)):
                raise ComplianceError(f"{name}: the array {part} has axes {axes}, the shape {values.shape}: no match")


def _polynomial(places: Array, degree: int) -> Array:
    x, y = places
    return np.asarray((1.0 + 2.0 * x - y) ** degree + x)
