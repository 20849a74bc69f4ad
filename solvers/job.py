"""What all shards of a job share: the discretisation, the channels, the layout of the store."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from copy import copy
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill import __version__
from pdemill.draws import SCHEME
from pdemill.points import Array
from pdemill.spec.field import Function
from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod, Method
from pdemill.store.layout import SCHEMA, ArrayLayout, StoreLayout, shard_samples
from solvers.draws import CompiledDraw
from solvers.instance import Instance
from solvers.operators.system import Discretisation, System
from solvers.ordering.order import resolve_sort
from solvers.planning.candidates import refining

FAILED, FALLBACK = "failed", "direct"
AUDITED = ("audit_error", "audit_interval")
"""Columns of jobs with an audit."""
RECORDED = (
    "numpy", "scipy", "zarr", "scikit-fem", "netgen-mesher", "dolfinx-solver-real", "petsc", "numba", "llvmlite",
)  # fmt: skip


class Job:
    """A spec, ready to be solved. ``stored`` holds the shared arrays of a store that exists already, ``chosen`` the
    method that was planned for it."""

    def __init__(
        self, spec: Spec, stored: Mapping[str, NDArray[Any]] | None = None, chosen: Method | None = None
    ) -> None:
        self.spec = spec
        self.problem = spec.problem
        self.discretisation: Discretisation = self.problem.discretise(stored)
        method = chosen or spec.solver.resolve(self.problem)
        assert isinstance(method, LinearMethod)
        self.method = method
        self._fixed: dict[str, Function] = {}
        first = self.instance(next(iter(spec.splits)), 0)
        self.channels = self._channels([name for name, _ in first.named()])
        self.parameters = tuple(first.parameters())
        self._refined: Discretisation | None = None

    def _channels(self, drawn: list[str]) -> tuple[str, ...]:
        """What is drawn; the source where nothing is, and where its mean is subtracted sample by sample."""
        projected = self.problem.singular and self.problem.compatibility == "project"
        shown = [*drawn, "source"] if projected and "source" not in drawn else drawn
        return tuple(shown or ["source"])

    def using(self, method: LinearMethod) -> Job:
        """The same job, solved by another method."""
        other = copy(self)
        other.method = method
        return other

    @property
    def refined(self) -> Discretisation:
        """The discretisation with cells of half the size, made when it is first asked for."""
        if self._refined is None:
            self._refined = self.discretisation.refined()
        return self._refined

    def instance(self, split: str, sample: int) -> Instance:
        """Sample number ``sample`` of a split."""
        return Instance(self.problem, CompiledDraw(self.spec.seed, split, sample), self._fixed)

    def features(self, instance: Instance) -> Array:
        """The numbers by which samples are compared."""
        return instance.features(self.discretisation.points, self.discretisation.side_points)

    def inputs(self, instance: Instance, system: System) -> Array:
        """The input channels of a sample, shape (channels, ...)."""
        grid = self.discretisation
        sides = {f"{side}_{name}": (side, f) for side, fs in instance.sides.items() for name, f in fs.items()}
        drawn = {"source": instance.terms.source, **dict(instance.named())}
        fields = []
        for name in self.channels:
            function: Function = drawn[name]
            values = grid.spread(*sides[name]) if name in sides else function(grid.points)
            fields.append(np.broadcast_to(values - system.shift if name == "source" else values, grid.points.shape))
        return np.stack(fields)

    def layout(self) -> StoreLayout:
        """The layout of the store."""
        grid, dtype = self.discretisation, self.spec.store.dtype
        shape = grid.points.shape
        fields = (
            ArrayLayout("input", dtype, (len(self.channels), *shape), ("channel", *grid.axes)),
            ArrayLayout("solution", dtype, (1, *shape), ("solution_channel", *grid.axes)),
        )
        columns = (
            ArrayLayout("params", "float64", (len(self.parameters),), ("parameter",)),
            ArrayLayout("rel_residual", "float64"),
            ArrayLayout("error_estimate", "float32"),
            *(ArrayLayout(name, "float32") for name in AUDITED if self.spec.certify.audit),
            ArrayLayout("iterations", "int32", fill=-1),
            ArrayLayout("solve_seconds", "float32"),
            ArrayLayout("method", "int8", fill=-1, attributes=self.flags()),
            ArrayLayout("sample_id", "int64", fill=-1),
        )
        arrays = fields + tuple(c for c in columns if c.name != "params" or self.parameters)
        samples = self.spec.store.shard or shard_samples(max(part.sample_bytes for part in fields))
        return StoreLayout(self.spec.splits, samples, arrays, grid.arrays(), self._attributes(samples))

    def _attributes(self, samples: int) -> dict[str, Any]:
        sort = resolve_sort(self.method.sort, self.method.recycles)
        refined = self.refined_method() if self.spec.certify.refine else None
        return {
            "schema": SCHEMA,
            "spec": self.spec.model_dump(mode="json"),
            "spec_sha256": self.spec.sha256(),
            "versions": software(),
            "seed_scheme": SCHEME,
            "plan": {
                **self.method.model_dump(mode="json"),
                "sort": sort,
                "refined": refined.method if refined else "none",
            },
            "input_channels": list(self.channels),
            "solution_channels": ["u"],
            "parameters": list(self.parameters),
            "boundary": {s: c.model_dump(mode="json") for s, c in self.problem.conditions.items()},
            "sides": list(self.problem.sides),
            "unknowns": self.discretisation.pattern.size,
            "shard_samples": samples,
            "complete": False,
        }

    def method_names(self) -> list[str]:
        """What the codes of the ``method`` column stand for: a failure, the plan's method, the one to fall back on."""
        return list(dict.fromkeys([FAILED, self.method.method, FALLBACK]))

    def flags(self) -> tuple[tuple[str, Any], ...]:
        """The codes as attributes, after the CF convention for flags."""
        names = self.method_names()
        return (("flag_values", tuple(range(len(names)))), ("flag_meanings", " ".join(names)))

    def refined_method(self) -> LinearMethod | None:
        """How the refined problem is solved: by the lowest estimate; None where that takes too much memory."""
        return refining(self.problem, self.discretisation.pattern.size, self.method.rtol)


@cache
def software() -> dict[str, str]:
    """Versions that the bits of a store depend on."""
    found = {"pdemill": __version__, "python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
