"""Points: values of u where they are asked for, by random walks, on domains that need no mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.solvers.methods.walks import Walks
from pdemill.solvers.walks.place import PointPlace
from pdemill.spec.discretiser import Discretiser, Takes
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    import zarr

    from pdemill.planning import Plan
    from pdemill.solvers.estimate import Cost
    from pdemill.solvers.progress import Progress
    from pdemill.solvers.stopwatch import Stopwatch
    from pdemill.solvers.walks.job import PointJob
    from pdemill.spec.job import Spec
    from pdemill.spec.method import Method
    from pdemill.store.layout import Shard
    from pdemill.store.store import ShardData

PREVIEW_POINTS, PREVIEW_WALKS = 256, 128


class AtPoints(Discretiser):
    """Walk-on-Spheres and its kin, u at points; see ``pdemill.solvers.walks``."""

    name: ClassVar[str] = "walks"
    where: ClassVar[str] = "for values at points"
    suffix: ClassVar[str] = "AtPoints"
    place = PointPlace
    takes: ClassVar[Takes] = Takes(
        terms=frozenset({"diffusion", "reaction", "source"}),
        conditions=frozenset({"dirichlet", "neumann"}),
        tensor=False,
        negative=False,
    )

    @classmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        return "points" in problem

    @classmethod
    def misfit(cls, problem: Mapping[str, Any]) -> str | None:
        return None if cls.suits(problem) else "walks needs points instead of resolution: points: {random: 1024}"

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return family.symmetric and family.linear and not family.evolves

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> PointJob:
        from pdemill.solvers.walks.job import PointJob  # late: only pointwise jobs load compiled walks

        return PointJob(spec)

    @classmethod
    def cost(cls, spec: Spec) -> Cost:
        from pdemill.solvers.walks.cost import cost  # late: as above

        return cost(spec)

    @classmethod
    def automatic(cls, problem: Problem, options: Any) -> Method:
        return Walks(method="walks")

    @classmethod
    def solve(cls, job: PointJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        from pdemill.solvers.walks.shard import solve_points  # late: as above

        return solve_points(job, shard, report)

    @classmethod
    def check(cls, job: PointJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        from pdemill.solvers.walks.check import check_labels  # late: as above

        return check_labels(job, group, shard, rows)

    @classmethod
    def audit(cls, job: PointJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> tuple[list[float], list[str]]:
        return [], []  # labels at points come from walks already

    @classmethod
    def unestimated(cls, problem: Problem) -> str | None:
        return "is for whole fields: values at points have a standard error each; use solver.target_stderr"

    @classmethod
    def estimate(cls, job: PointJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[float]:
        return []  # there is no grid

    @classmethod
    def plan(cls, job: PointJob, always: bool) -> Plan:
        raise SpecError([Fault(("problem", "points"), "values at points are always found by walks: nothing to plan")])

    @classmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        points = data["problem"]["points"]
        if "random" in points:
            points["random"] = min(points["random"], PREVIEW_POINTS)
        epsilon = data["solver"].get("epsilon", 1e-3)
        data["solver"] = {"method": "walks", "walks": PREVIEW_WALKS, "epsilon": epsilon}
