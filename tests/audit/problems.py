"""Problems whose solutions are known, and their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.audit import Auditor, Verdict
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.solution import Solver
from pdemill.spec.audit import Audit
from pdemill.spec.load import validate

type Json = dict[str, Any]

WAVES = {
    "field": "expression",
    "formula": "2*pi**2*sin(pi*x)*sin(pi*y) + 13*pi**2*a*sin(2*pi*x)*sin(3*pi*y)",
    "where": {"a": {"uniform": [-1, 1]}},
}
"""-Δu of ``waves``."""
Q, QX, QY = "0.7*sin(2*pi*x)*cos(pi*y)", "1.4*pi*cos(2*pi*x)*cos(pi*y)", "-0.7*pi*sin(2*pi*x)*sin(pi*y)"
UX, UY = "pi*cos(pi*x)*sin(pi*y)", "pi*sin(pi*x)*cos(pi*y)"
CONDUCTIVITY = {"field": "expression", "formula": f"exp({Q})"}
LOAD = {"field": "expression", "formula": f"exp({Q})*(2*pi**2*sin(pi*x)*sin(pi*y) - ({QX})*({UX}) - ({QY})*({UY}))"}
"""-∇·(k ∇u) of u = sin πx sin πy."""


def poisson(cells: int, **changes: Any) -> Json:
    return {"family": "poisson", "resolution": [cells, cells], "source": WAVES, **changes}


def darcy(cells: int, **changes: Any) -> Json:
    return {"family": "darcy", "resolution": [cells, cells], "coefficient": CONDUCTIVITY, "source": LOAD, **changes}


class Bench:
    """A job of one split with its auditor and a direct solver."""

    def __init__(self, problem: Json, **options: Any) -> None:
        self.job = FieldJob(validate({"problem": problem, "samples": 1000, "seed": 7}))
        self.auditor = Auditor(self.job, "train", Audit(samples=1, **options))
        self._solver: Solver[Any] = Direct(method="direct").solver()

    def label(self, sample: int) -> Array:
        instance, grid = self.job.instance("train", sample), self.job.discretisation
        return grid.to_field(self._solver.solve(grid.assemble(instance), self._solver.start()).value, instance)

    def audit(self, sample: int, label: Array, guide: Array | None = None) -> Verdict:
        found = self.auditor.audit(self.job.instance("train", sample), label, guide)
        assert found is not None
        return found

    def exact(self, sample: int) -> Array:
        """sin πx sin πy, and in the Poisson problem a sin 2πx sin 3πy with the sample's a."""
        x, y = (np.pi * axis for axis in self.job.discretisation.points.coordinates.values())
        a = self.job.instance("train", sample).parameters().get("source.a", 0.0)
        return np.asarray(np.sin(x) * np.sin(y) + a * np.sin(2 * x) * np.sin(3 * y))


def relative_error(label: Array, exact: Array) -> float:
    return float(np.sqrt(np.mean((label - exact) ** 2) / np.mean(label**2)))
