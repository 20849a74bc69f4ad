"""Audits of labels that were made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.audit.auditor import Auditor
from pdemill.solvers.audit.verdict import Verdict
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.solution import Solver
from pdemill.spec.audit import Audit
from pdemill.spec.job import Spec
from pdemill.spec.load import validate


def audit_labels(
    job: FieldJob | Spec | Mapping[str, Any],
    split: str,
    samples: ArrayLike,
    labels: ArrayLike,
    options: Audit | None = None,
) -> list[Verdict | None]:
    """Measure labels, whoever made them, against the continuous equation.

    job      a spec, or the FieldJob made of it
    samples  [n]: the numbers of the samples of ``split`` that the labels belong to
    labels   [n, ...]: u at the places of the job's discretisation, as in a store's ``solution`` without its channel
    options  default: those of the spec's ``certify.audit``, or Audit's own

    Returns a Verdict per label, None where walks cannot measure its error. Raises PdemillError where walks cannot audit
    the problem, SolverError for labels of another shape.
    """
    if not isinstance(job, FieldJob):
        part, split = open_job(job if isinstance(job, Spec) else validate(dict(job))).part(split)
        assert isinstance(part, FieldJob)
        job = part
    numbers, values = np.atleast_1d(np.asarray(samples, np.intp)), np.asarray(labels, np.float64)
    shape = (len(numbers), *job.discretisation.points.shape)
    if values.shape != shape:
        raise SolverError(f"labels have the shape {list(values.shape)}, but should have {list(shape)}")
    return list(verdicts(job, split, zip(numbers.tolist(), values, strict=True), options))


def verdicts(
    job: FieldJob, split: str, labels: Iterator[tuple[int, Array]], options: Audit | None = None
) -> Iterator[Verdict | None]:
    """A Verdict per (number of the sample, label).

    The control variate comes from a solution made here, since a label of unknown origin may be rough, and walks with a
    rough control variate see little.
    """
    auditor = Auditor(job, split, options or job.spec.certify.audit or Audit(samples=1))
    solver: Solver[Any] = Direct(method="direct").solver()
    grid = job.discretisation
    for number, label in labels:
        instance = job.instance(split, number)
        solution = solver.solve(grid.assemble(instance), solver.start())
        guide = grid.to_field(solution.value, instance) if solution.result.ok else label
        yield auditor.audit(instance, label, guide)
