"""Meshes of triangles and tetrahedra, for weak forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.errors import Fault, Path, SpecError
from pdemill.solvers.discretisers.form_place import FormPlace
from pdemill.solvers.discretisers.form_resolution import Refinements
from pdemill.solvers.discretisers.whole_fields import WholeFields
from pdemill.solvers.methods.auto import Auto
from pdemill.solvers.methods.direct import Direct
from pdemill.spec.discretiser import Takes
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem
from pdemill.spec.shown import knowing, undecided
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown

if TYPE_CHECKING:
    from pdemill.planning import Plan
    from pdemill.solvers.field_job import FieldJob
    from pdemill.solvers.weak.elements import Traits
    from pdemill.spec.job import Spec

MOST = 4
"""Unknowns of one form."""
KINDS = {"constant": "a number", "nodes": "a field", "cells": "one value in each cell"}
"""What coefficients are, in words."""
PREVIEW_VALUES = 5000


class WeakForms(WholeFields):
    """P1 and P2 elements for weak forms; see ``pdemill.solvers.weak``."""

    name: ClassVar[str] = "weak"
    where: ClassVar[str] = "on meshes of triangles or tetrahedra"
    place = FormPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"form", "diffusion", "source"}),  # the latter are 0 in a weak form
        conditions=frozenset({"given"}),
        unknowns=frozenset(
            kinds for count in range(1, MOST + 1) for kinds in product((ScalarUnknown, VectorUnknown), repeat=count)
        ),
    )

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return "points" not in problem

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return family.weak

    @classmethod
    def leaves_open(cls, spec: Spec) -> bool:
        return cls.is_linear(spec.problem) and super().leaves_open(spec)

    @classmethod
    def is_linear(cls, problem: Problem) -> bool:
        assert isinstance(problem, FormPlace)
        return problem.is_linear

    @classmethod
    def expected(cls, problem: Problem) -> Problem:
        """Linear forms of one unknown that is differentiated as often as its test are likely to be definite."""
        assert isinstance(problem, FormPlace)
        if not undecided(problem) or not problem.likely_definite:
            return problem
        return knowing(problem, replace(problem.properties, symmetric=True, definite=True, shown=True))

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> FieldJob:
        """The job; raises SpecError where the form does not compile, or leaves something open."""
        from pdemill.solvers.weak.compiling import FormError  # late: as above
        from pdemill.solvers.weak.elements import Traits, WeakElements, units_of
        from pdemill.solvers.weak.joining import Misfit, check_data
        from pdemill.solvers.weak.levels import Outside
        from pdemill.solvers.weak.rank import Overdetermined, Undetermined, check_rank

        assert isinstance(spec.problem, FormPlace)
        try:
            job = super().open(spec, stored, chosen)
            if not job.discretisation.pattern.size:
                raise SpecError(
                    [Fault(("problem", "resolution"), "has no node whose value is not given: make it finer")]
                )
            first = job.instance(next(iter(spec.splits)), 0)
            grid, coarse = job.discretisation, spec.problem.coarse()
            assert isinstance(grid, WeakElements)
            if spec.problem.joined_sides and not any(value.is_random for _, _, value in spec.problem.side_slots()):
                check_data(grid, first)
            looked = coarse.with_traits(Traits(units_of(coarse, first)))
            shown = check_rank(looked, first, spec.problem.channels)
            job.discretisation = grid.with_traits(replace(shown, units=units_of(grid, first)))
            cls._settle(job, shown, chosen)
        except FormError as fault:
            raise SpecError([Fault(("problem", *spec.problem.form_place), str(fault))]) from None  # type: ignore[attr-defined]
        except Outside as fault:
            raise SpecError([Fault(("problem", "constraints"), str(fault))]) from None
        except Overdetermined as fault:
            told = f"fixes {fault}, which the form and its sides determine already: leave it out"
            raise SpecError([Fault(("problem", "constraints"), told)]) from None
        except (Misfit, Undetermined) as fault:
            raise SpecError([Fault(("problem", "boundary"), str(fault))]) from None
        return job

    @classmethod
    def unlike(cls, problem: Problem, other: Problem) -> tuple[Path, str] | None:
        assert isinstance(problem, FormPlace)
        assert isinstance(other, FormPlace)
        if problem.template_shapes != other.template_shapes:
            return ("domain",), "has another template than that of the spec: all measures must have the same medians"
        known = {one.drawn or one.name: one for one in other._form.coefficients}
        for one in problem._form.coefficients:
            there = known.get(one.drawn or one.name)
            if there is not None and one.where != there.where:
                told = f"is {KINDS[there.where]} here and {KINDS[one.where]} in the problem of the spec"
                path: Path = problem.coefficient_place(one.name)  # type: ignore[attr-defined]
                return path, f"{told}: all splits have the same form"
        if problem._form.described() != other._form.described():
            return ("boundary",), "gives another form than the problem of the spec: of sides only data can change"
        return None

    @classmethod
    def no_operator(cls, problem: Problem) -> str | None:
        return f"is not kept of weak forms, such as {problem.family}"

    @classmethod
    def automatic(cls, problem: Problem, options: LinearMethod) -> Method:
        if cls.is_linear(problem):
            return super().automatic(problem, options)
        given = {"rtol": options.rtol, "sort": options.sort, "guess": options.guess}
        return Direct.model_validate({"method": "direct", **given})

    @classmethod
    def plan(cls, job: FieldJob, always: bool) -> Plan:
        if not cls.is_linear(job.problem):
            raise SpecError([Fault(("solver",), "solves forms that are not linear by factors: nothing to plan")])
        return super().plan(job, always)

    @classmethod
    def _settle(cls, job: FieldJob, traits: Traits, chosen: Method | None) -> None:
        """Tell a job what its matrices have shown, and choose its method by it. Raises SpecError where the method that
        the spec names does not suit them."""
        known = replace(
            job.problem.properties, symmetric=traits.symmetric, definite=traits.definite, hollow=traits.hollow,
            shown=traits.shown,
        )  # fmt: skip
        job.problem = knowing(job.problem, known)
        if not isinstance(job.spec.solver, Auto):
            if (objection := job.method.objection(job.problem)) is not None:
                raise SpecError([Fault(("solver", *objection.path), objection.message)])
        elif chosen is None:
            method = cls.automatic(job.problem, job.spec.solver)
            assert isinstance(method, LinearMethod)
            job.method = method

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        assert isinstance(problem, FormPlace)
        scale = (PREVIEW_VALUES / problem.size) ** (1.0 / problem.dimension)
        if scale < 1.0:
            if isinstance(problem.resolution, tuple):
                data["problem"]["resolution"] = [max(2, round(n * scale)) for n in problem.resolution]
            elif isinstance(problem.resolution, Refinements):
                data["problem"]["resolution"]["refine"] = 0
            else:
                data["problem"]["resolution"]["h"] /= scale
        data["solver"] = {"method": "direct"}
