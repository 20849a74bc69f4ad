"""The base of discretisers of equations in time, whose jobs march."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.spec.certify import Certify
from pdemill.spec.discretiser import Discretiser
from pdemill.spec.evolution import Evolution, is_in_time
from pdemill.spec.method import Method
from pdemill.spec.problem import Problem
from pdemill.spec.time_method import TIME_OPTIONS

if TYPE_CHECKING:
    import zarr

    from pdemill.planning import Plan
    from pdemill.solvers.estimate import Cost
    from pdemill.solvers.progress import Progress
    from pdemill.solvers.stopwatch import Stopwatch
    from pdemill.solvers.trajectories.job import TrajectoryJob
    from pdemill.spec.job import Spec
    from pdemill.store.layout import Shard
    from pdemill.store.store import ShardData


class Trajectories(Discretiser):
    """Base of the discretisers of equations in time; see ``pdemill.solvers.trajectories``."""

    place: ClassVar[type[Problem]]
    scheme: ClassVar[type[Method]]
    """The scheme that ``auto`` tries first."""
    preview_points: ClassVar[Mapping[int, int]]
    """Points along the longest axis of a preview, by dimension."""

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return is_in_time(problem)

    @classmethod
    def misfit(cls, problem: Mapping[str, Any]) -> str | None:
        return None if cls.suits(problem) else f"{cls.name} is for equations in time, such as heat or navier_stokes"

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return issubclass(family, Evolution) and not family.implicit

    @classmethod
    def leaves_open(cls, spec: Spec) -> bool:
        """The first step, unless the spec names one or wants no trial."""
        named = getattr(spec.solver, "step", None) or getattr(spec.solver, "first_step", None)
        return named is None and getattr(spec.solver, "trial", "auto") != "never"

    @classmethod
    def uncertified(cls, problem: Problem, certify: Certify) -> tuple[str, str] | None:
        assert isinstance(problem, Evolution)
        if certify.valid_until is not None and certify.valid_until > problem.times[-1]:
            return "valid_until", f"is after the last stored time, {problem.times[-1]:g}"
        if certify.valid_until is not None and certify.valid_until < problem.time.first:
            return "valid_until", f"is before the first stored time after 0, {problem.time.first:g}"
        return None

    @classmethod
    def cost(cls, spec: Spec) -> Cost:
        from pdemill.solvers.trajectories.cost import cost  # late: as above

        return cost(spec)

    @classmethod
    def automatic(cls, problem: Problem, options: Any) -> Method:
        given = {name: getattr(options, name) for name in TIME_OPTIONS}
        return cls.scheme.model_validate({"method": get_args(cls.scheme.model_fields["method"].annotation)[0], **given})

    @classmethod
    def solve(cls, job: TrajectoryJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        from pdemill.solvers.trajectories.shard import solve_trajectories  # late: as above

        return solve_trajectories(job, shard, report)

    @classmethod
    def check(cls, job: TrajectoryJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        from pdemill.solvers.trajectories.check import check_trajectories  # late: as above

        return check_trajectories(job, group, shard, rows)

    @classmethod
    def audit(
        cls, job: TrajectoryJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]
    ) -> tuple[list[float], list[str]]:
        return [], []  # walks know no time

    @classmethod
    def plan(cls, job: TrajectoryJob, always: bool) -> Plan:
        from pdemill.solvers.trajectories.trial import make_plan  # late: as above

        if not job.planned:
            raise SpecError([Fault(("solver",), "names the step, or no trial: nothing to plan")])
        return make_plan(job)

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        assert isinstance(problem, Evolution)
        points = data["problem"]["resolution"]
        most = cls.preview_points[len(points)] / len(problem.channels) ** (1.0 / len(points))
        scale = min(1.0, most / max(points))
        data["problem"]["resolution"] = [max(8, round(number * scale)) for number in points]
        data["solver"] = {"method": "auto", "time_rtol": 1e-3}
        data["problem"]["time"] = {"times": [0.0, problem.time.lengths[0]]}
        data.get("certify", {}).pop("valid_until", None)
