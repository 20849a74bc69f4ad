"""Assembled systems of a spec, and the order in which a sorting solver takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.system import System
from pdemill.solvers.ordering.order import solve_order
from pdemill.spec import Spec, validate
from pdemill.spec.method import LinearMethod, methods

LEVEL: dict[str, Any] = {"field": "gaussian", "alpha": 2, "tau": 3, "boundary": "neumann"}


def threshold(low: float, high: float) -> dict[str, Any]:
    """A coefficient of two values."""
    return {"field": "threshold", "low": low, "high": high, "of": LEVEL}


FIELDS: dict[str, dict[str, Any]] = {
    "3 and 12": threshold(3, 12),
    "lognormal": {"field": "lognormal", "std": 1},
    "1 and 100": threshold(1, 100),
    "1 and 1000": threshold(1, 1000),
}
"""Coefficients of Darcy's equation, from harmless to hard."""


def darcy(resolution: Sequence[int], coefficient: dict[str, Any]) -> dict[str, Any]:
    """Darcy's equation with f = 1, and u = 0 on all sides."""
    return {"family": "darcy", "resolution": list(resolution), "coefficient": coefficient, "source": 1}


def make(options: dict[str, Any]) -> LinearMethod:
    """A method by its options, whatever problem it is for."""
    method = methods.choose(options)
    assert isinstance(method, LinearMethod)
    return method


@dataclass(frozen=True)
class Drawn:
    """The first samples of a split."""

    job: FieldJob
    instances: tuple[Instance, ...]
    systems: tuple[System, ...]

    @classmethod
    def of(cls, spec: Spec | dict[str, Any], samples: int) -> Drawn:
        """Draw and assemble; a dictionary is a problem."""
        whole = spec if isinstance(spec, Spec) else validate({"problem": spec, "samples": samples})
        job = FieldJob(whole)
        split = next(iter(whole.splits))
        instances = tuple(job.instance(split, sample) for sample in range(samples))
        return cls(job, instances, tuple(job.discretisation.assemble(instance) for instance in instances))

    @property
    def unknowns(self) -> int:
        return self.job.discretisation.pattern.size

    def greedy(self) -> list[System]:
        """The systems, each after the one that is most like it."""
        features = np.array([self.job.features(instance) for instance in self.instances])
        return [self.systems[i] for i in solve_order("greedy", features)]
