"""Periodic boxes: pseudo-spectral methods, for equations in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.solvers.methods.etdrk4 import Etdrk4
from pdemill.solvers.spectral.place import PeriodicPlace
from pdemill.spec.certify import Certify
from pdemill.spec.discretiser import Discretiser, Takes
from pdemill.spec.evolution import Evolution, is_in_time
from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TIME_OPTIONS

if TYPE_CHECKING:
    import zarr

    from pdemill.planning import Plan
    from pdemill.solvers.estimate import Cost
    from pdemill.solvers.progress import Progress
    from pdemill.solvers.spectral.job import TrajectoryJob
    from pdemill.solvers.stopwatch import Stopwatch
    from pdemill.spec.job import Spec
    from pdemill.spec.method import Method
    from pdemill.store.layout import Shard
    from pdemill.store.store import ShardData

PREVIEW_POINTS = {1: 256, 2: 48, 3: 12}
"""Points along the longest axis of a preview."""


class OnPeriodicBox(Discretiser):
    """Trigonometric polynomials, products without aliasing; see ``pdemill.solvers.spectral``."""

    name: ClassVar[str] = "spectral"
    where: ClassVar[str] = "on periodic boxes, in time"
    place = PeriodicPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({
            "diffusion", "convection", "reaction", "hyperdiffusion", "self_advection", "vorticity_advection", "source",
            "initial",
        }),
        conditions=frozenset({"periodic"}),
        uniform=frozenset({
            "diffusion", "convection", "reaction", "hyperdiffusion", "self_advection", "vorticity_advection",
        }),
    )  # fmt: skip

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return is_in_time(problem)

    @classmethod
    def misfit(cls, problem: Mapping[str, Any]) -> str | None:
        return None if cls.suits(problem) else "spectral is for equations in time, such as heat or navier_stokes"

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return family.evolves

    @classmethod
    def leaves_open(cls, spec: Spec) -> bool:
        """The first step, unless the spec names one or wants no trial."""
        named = getattr(spec.solver, "step", None) or getattr(spec.solver, "first_step", None)
        return named is None and getattr(spec.solver, "trial", "auto") != "never"

    @classmethod
    def uncertified(cls, problem: Problem, certify: Certify) -> tuple[str, str] | None:
        assert isinstance(problem, Evolution)
        if certify.algebraic_rtol != type(certify).model_fields["algebraic_rtol"].default:
            return "algebraic_rtol", "means nothing here: no linear systems are solved"
        if certify.valid_until is not None and certify.valid_until > problem.times[-1]:
            return "valid_until", f"is after the last stored time, {problem.times[-1]:g}"
        if certify.valid_until is not None and certify.valid_until < problem.time.first:
            return (
                "valid_until",
                f"is before the first stored time after 0, {problem.time.first:g}",
            )
        return None

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> TrajectoryJob:
        from pdemill.solvers.spectral.job import TrajectoryJob  # late: a spec must load no solver

        return TrajectoryJob(spec, chosen)

    @classmethod
    def cost(cls, spec: Spec) -> Cost:
        from pdemill.solvers.spectral.cost import cost  # late: as above

        return cost(spec)

    @classmethod
    def automatic(cls, problem: Problem, options: Any) -> Method:
        given = {name: getattr(options, name) for name in TIME_OPTIONS}
        return Etdrk4.model_validate({"method": "etdrk4", **given})

    @classmethod
    def solve(cls, job: TrajectoryJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        from pdemill.solvers.spectral.shard import solve_trajectories  # late: as above

        return solve_trajectories(job, shard, report)

    @classmethod
    def check(cls, job: TrajectoryJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        from pdemill.solvers.spectral.check import check_trajectories  # late: as above

        return check_trajectories(job, group, shard, rows)

    @classmethod
    def audit(
        cls, job: TrajectoryJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]
    ) -> tuple[list[float], list[str]]:
        return [], []  # walks know no time

    @classmethod
    def plan(cls, job: TrajectoryJob, always: bool) -> Plan:
        from pdemill.solvers.spectral.trial import make_plan  # late: as above

        if not job.planned:
            raise SpecError([Fault(("solver",), "names the step, or no trial: nothing to plan")])
        return make_plan(job)

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        assert isinstance(problem, Evolution)
        points = data["problem"]["resolution"]
        scale = min(1.0, PREVIEW_POINTS[len(points)] / max(points))
        data["problem"]["resolution"] = [max(8, round(number * scale)) for number in points]
        data["solver"] = {"method": "auto", "time_rtol": 1e-3}
        data["problem"]["time"] = {"times": [0.0, problem.time.lengths[0]]}
        data.get("certify", {}).pop("valid_until", None)
