"""Box grids, for steady nonlinear equations: finite volumes, solved by Newton's iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.solvers.discretisers.box import OnBox, WholeBoxPlace
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.methods.multigrid import Multigrid
from pdemill.spec.discretiser import Takes
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem
from pdemill.spec.properties import Properties

if TYPE_CHECKING:
    from pdemill.planning import Plan
    from pdemill.solvers.field_job import FieldJob
    from pdemill.solvers.operators.box import BoxGrid
    from pdemill.solvers.schemes.scheme import Scheme
    from pdemill.spec.job import Spec

LEAST_CELLS = 256
"""Cells from which on multigrid takes less time than factors."""


class NonlinearBoxPlace(WholeBoxPlace):
    """A box of 1, 2 or 3 axes, divided into equal cells."""

    @property
    def systems(self) -> float:
        return 6.0

    @property
    def singular(self) -> bool:
        return False

    @cached_property
    def preconditioned(self) -> Properties:
        return replace(self.properties, symmetric=True, definite=True, compact=True)

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        from pdemill.solvers.operators.nonlinear_box import NonlinearBoxGrid  # late: a spec must load no solver

        return NonlinearBoxGrid(self.resolution, self.lengths, self.joined, self.properties, self.preconditioned)

    def scheme(self) -> Scheme:
        from pdemill.solvers.schemes.newton import Newton  # late: as above

        return Newton()


class OnBoxNonlinear(OnBox):
    """Second-order finite volumes and Newton's iteration; see ``pdemill.solvers.operators.nonlinear_box``."""

    name: ClassVar[str] = "box"
    points: ClassVar[str] = "cells"
    registered: ClassVar[bool] = False  # box leads here
    where: ClassVar[str] = "on box grids, by Newton's iteration"
    place = NonlinearBoxPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "diffusion_law", "reaction", "law", "source"}),
        conditions=frozenset({"dirichlet", "neumann", "robin", "periodic"}),
    )

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return not (family.linear or family.evolves or family.weak)

    @classmethod
    def leaves_open(cls, spec: Spec) -> bool:
        return False

    @classmethod
    def automatic(cls, problem: Problem, options: LinearMethod) -> Method:
        """Multigrid where it can and there is something to gain, else factors."""
        given = {"rtol": options.rtol, "sort": options.sort, "guess": options.guess}
        fast = Multigrid.model_validate({"method": "multigrid", **given})
        slow = problem.size < LEAST_CELLS or fast.objection(problem) is not None
        return Direct.model_validate({"method": "direct", **given}) if slow else fast

    @classmethod
    def plan(cls, job: FieldJob, always: bool) -> Plan:
        raise SpecError([Fault(("solver",), "solves the systems of Newton's steps by a rule: nothing to plan")])
