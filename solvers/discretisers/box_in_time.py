"""Box grids, for equations in time: finite volumes, stepped through by Runge-Kutta schemes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.solvers.discretisers.trajectories import Trajectories
from pdemill.solvers.methods.ark4 import Ark4
from pdemill.solvers.stepping.place import BoxInTimePlace
from pdemill.spec.discretiser import Takes
from pdemill.spec.evolution import Evolution
from pdemill.spec.method import Method
from pdemill.spec.problem import Problem
from pdemill.spec.unknowns import ScalarUnknown

if TYPE_CHECKING:
    from pdemill.solvers.stepping.job import SteppingJob
    from pdemill.spec.job import Spec


class OnBoxInTime(Trajectories):
    """Second-order finite volumes; see ``pdemill.solvers.operators.box`` and ``pdemill.solvers.stepping``."""

    name: ClassVar[str] = "box"
    points: ClassVar[str] = "cells"
    registered: ClassVar[bool] = False  # box leads here
    general: ClassVar[bool] = True
    suffix: ClassVar[str] = "OnBox"
    where: ClassVar[str] = "on box grids, in time"
    place = BoxInTimePlace
    scheme: ClassVar[type[Method]] = Ark4
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "advection", "self_advection", "reaction", "source", "initial", "law"}),
        conditions=frozenset({"dirichlet", "neumann", "robin", "periodic"}),
        unknowns=frozenset((ScalarUnknown,) * count for count in (1, 2, 3)),
        uniform=frozenset({"self_advection"}),
        in_time=frozenset({"diffusion", "reaction", "source"}),
        sides_in_time=True,
    )
    preview_points: ClassVar[Mapping[int, int]] = {1: 128, 2: 32, 3: 10}

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return super().may_take(family) and issubclass(family, Evolution) and family.sided and not family.second_order

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> SteppingJob:
        from pdemill.solvers.stepping.job import SteppingJob  # late: a spec must load no solver

        return SteppingJob(spec, chosen)
