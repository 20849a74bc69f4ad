"""Box grids, for equations of second order in time: finite volumes, stepped through explicitly."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.solvers.discretisers.trajectories import Trajectories
from pdemill.solvers.methods.rk4 import Rk4
from pdemill.solvers.stepping.place import WavePlace
from pdemill.spec.certify import Certify
from pdemill.spec.discretiser import Takes
from pdemill.spec.evolution import Evolution
from pdemill.spec.method import Method
from pdemill.spec.problem import Problem
from pdemill.spec.unknowns import ScalarUnknown

if TYPE_CHECKING:
    from pdemill.solvers.stepping.waves import WaveJob
    from pdemill.spec.job import Spec


class OnBoxOfWaves(Trajectories):
    """Second-order finite volumes; see ``pdemill.solvers.stepping.waves``."""

    name: ClassVar[str] = "box"
    points: ClassVar[str] = "cells"
    registered: ClassVar[bool] = False  # box leads here
    general: ClassVar[bool] = True
    suffix: ClassVar[str] = ""
    where: ClassVar[str] = "on box grids, in time"
    place = WavePlace
    scheme: ClassVar[type[Method]] = Rk4
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "source", "initial", "rate", "speed", "damping"}),
        conditions=frozenset({"dirichlet", "neumann", "robin", "periodic", "absorbing"}),
        unknowns=frozenset({(ScalarUnknown, ScalarUnknown)}),
        in_time=frozenset({"source"}),
        sides_in_time=True,
    )
    preview_points: ClassVar[Mapping[int, int]] = {1: 128, 2: 40, 3: 12}

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return issubclass(family, Evolution) and family.second_order

    @classmethod
    def uncertified(cls, problem: Problem, certify: Certify) -> tuple[str, str] | None:
        if certify.algebraic_rtol != type(certify).model_fields["algebraic_rtol"].default:
            return "algebraic_rtol", "means nothing here: no linear systems are solved"
        return super().uncertified(problem, certify)

    @classmethod
    def state_numbers(cls, spec: Spec) -> int:
        return 2 * prod(spec.problem.cells)

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> WaveJob:
        from pdemill.solvers.stepping.waves import WaveJob  # late: a spec must load no solver

        return WaveJob(spec, chosen)
