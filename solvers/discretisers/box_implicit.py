"""Box grids, for equations in time that are not linear in what is stiff: all terms implicit, by Newton's iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.solvers.discretisers.box_in_time import OnBoxInTime
from pdemill.solvers.stepping.implicit_place import ImplicitPlace
from pdemill.spec.discretiser import Takes
from pdemill.spec.evolution import Evolution
from pdemill.spec.method import Method
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.stepping.implicit_job import ImplicitJob
    from pdemill.spec.job import Spec


class OnBoxImplicit(OnBoxInTime):
    """Second-order finite volumes; see ``pdemill.solvers.operators.nonlinear_box`` and ``pdemill.solvers.stepping``."""

    name: ClassVar[str] = "box"
    points: ClassVar[str] = "cells"
    registered: ClassVar[bool] = False  # box leads here
    suffix: ClassVar[str] = ""
    place = ImplicitPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "diffusion_law", "storage", "reaction", "law", "source", "initial"}),
        conditions=frozenset({"dirichlet", "neumann", "robin", "periodic"}),
    )

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return issubclass(family, Evolution) and family.implicit

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> ImplicitJob:
        from pdemill.solvers.stepping.implicit_job import ImplicitJob  # late: a spec must load no solver

        return ImplicitJob(spec, chosen)
