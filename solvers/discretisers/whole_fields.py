"""The base of discretisers of whole fields, whose jobs solve linear systems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.solvers.methods.auto import Auto
from pdemill.solvers.methods.candidates import candidates, for_few
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.residuals.taken import objection
from pdemill.spec.discretiser import Discretiser
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    import zarr

    from pdemill.planning import Plan
    from pdemill.solvers.estimate import Cost
    from pdemill.solvers.field_job import FieldJob
    from pdemill.solvers.progress import Progress
    from pdemill.solvers.stopwatch import Stopwatch
    from pdemill.spec.job import Spec
    from pdemill.store.layout import Shard
    from pdemill.store.store import ShardData


class WholeFields(Discretiser):
    """Base of the discretisers that make linear systems, each solved by a ``LinearMethod``."""

    place: ClassVar[type[Problem]]

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        return family.linear and not family.evolves

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> FieldJob:
        from pdemill.solvers.field_job import FieldJob  # late: a spec must load no solver

        return FieldJob(spec, stored, chosen)

    @classmethod
    def cost(cls, spec: Spec) -> Cost:
        from pdemill.solvers.field_cost import cost  # late: as above

        return cost(spec)

    @classmethod
    def automatic(cls, problem: Problem, options: LinearMethod) -> Method:
        """The method with the lowest estimate; a job may find a better one by trial."""
        known = candidates(problem, problem.size, options.rtol, options.sort, options.guess)
        given = {"rtol": options.rtol, "sort": options.sort, "guess": options.guess}
        return known[0] if known else Direct.model_validate({"method": "direct", **given})

    @classmethod
    def solve(cls, job: FieldJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        from pdemill.solvers.field_shard import solve_shard  # late: as above

        return solve_shard(job, shard, report)

    @classmethod
    def check(cls, job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        from pdemill.solvers.field_check import check_certificates  # late: as above

        return check_certificates(job, group, shard, rows)

    @classmethod
    def audit(cls, job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> tuple[list[float], list[str]]:
        from pdemill.solvers.audit.stored import audit_stored  # late: only audits load compiled walks

        return audit_stored(job, group, shard, rows)

    @classmethod
    def unestimated(cls, problem: Problem) -> str | None:
        finer = problem.size * 2**problem.dimension
        if for_few(problem, finer, Auto(method="auto").rtol) is not None:
            return None
        return (
            f"is not possible here: no method is known to solve {finer:,} unknowns, cells of half the size, in memory"
        )

    @classmethod
    def estimate(cls, job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[float]:
        from pdemill.solvers.field_estimates import estimate_stored  # late: as above

        return estimate_stored(job, group, shard, rows)

    @classmethod
    def no_operator(cls, problem: Problem) -> str | None:
        if not problem.linear:
            return f"is of linear equations, and the operator of {problem.family} depends on u"
        if objection(problem) is None:
            return "is not kept where pdemill.residual makes it of the spec and the inputs, as it does here"
        return None

    @classmethod
    def plan(cls, job: FieldJob, always: bool) -> Plan:
        solver = job.spec.solver
        if not isinstance(solver, Auto):
            raise SpecError([Fault(("solver", "method"), f"asks for {solver.method}; only auto is planned")])
        from pdemill.solvers.planning.planner import make_plan  # late: most jobs have their method already

        return make_plan(job, always or solver.trial == "always")
