"""Periodic boxes: pseudo-spectral methods, for equations in time."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.solvers.discretisers.trajectories import Trajectories
from pdemill.solvers.methods.etdrk4 import Etdrk4
from pdemill.solvers.spectral.place import PeriodicPlace
from pdemill.spec.certify import Certify
from pdemill.spec.discretiser import Takes
from pdemill.spec.evolution import Evolution
from pdemill.spec.method import Method
from pdemill.spec.problem import Problem
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown

if TYPE_CHECKING:
    from pdemill.solvers.spectral.job import SpectralJob
    from pdemill.spec.job import Spec

CONSTANT = frozenset({
    "diffusion", "convection", "advection", "reaction", "spectral_viscosity", "dispersion", "hyperdiffusion",
    "self_advection", "vorticity_advection", "passive_advection", "velocity_advection", "planetary", "law", "potential",
    "oscillation", "layered", "deformation",
})  # fmt: skip
"""Terms with coefficients that are numbers."""


class OnPeriodicBox(Trajectories):
    """Trigonometric polynomials, products without aliasing; see ``pdemill.solvers.spectral``."""

    name: ClassVar[str] = "spectral"
    points: ClassVar[str] = "periodic"
    where: ClassVar[str] = "on periodic boxes, in time"
    place = PeriodicPlace
    scheme: ClassVar[type[Method]] = Etdrk4
    preview_points: ClassVar[Mapping[int, int]] = {1: 256, 2: 48, 3: 12}
    takes: ClassVar[Takes] = Takes(
        terms=CONSTANT | {"equations", "source", "initial"},
        conditions=frozenset({"periodic"}),
        unknowns=frozenset(
            [*((ScalarUnknown,) * count for count in (1, 2, 3)), (VectorUnknown,), (VectorUnknown, ScalarUnknown)]
        ),
        uniform=CONSTANT,
    )

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return super().may_take(family) and issubclass(family, Evolution) and not family.second_order

    @classmethod
    def uncertified(cls, problem: Problem, certify: Certify) -> tuple[str, str] | None:
        if certify.algebraic_rtol != type(certify).model_fields["algebraic_rtol"].default:
            return "algebraic_rtol", "means nothing here: no linear systems are solved"
        return super().uncertified(problem, certify)

    @classmethod
    def state_numbers(cls, spec: Spec) -> int:
        problem = spec.problem
        cuts = [(n - 1) // 3 for n in getattr(spec.solver, "simulate_resolution", None) or problem.cells]
        modes = prod(2 * cut + 1 for cut in cuts[:-1]) * (cuts[-1] + 1)
        return 2 * modes * sum(len(one.channels(problem.dimension)) for one in problem.solved_for)

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> SpectralJob:
        from pdemill.solvers.spectral.job import SpectralJob  # late: a spec must load no solver

        return SpectralJob(spec, chosen)
