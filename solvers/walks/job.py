"""A pointwise job, shared by all its shards: the domain, the points, the layout of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import SCHEME, Draw
from pdemill.errors import Fault, SolverError, SpecError
from pdemill.points import Array
from pdemill.solvers import flags
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.job import FAILED, Job
from pdemill.solvers.methods.walk_admission import grid_fits, harmonic_fits
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.methods.walks import DEFAULT_WALKS, Walks
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.domains import geometry_of
from pdemill.solvers.walks.drawn import drawn_arrays, summary
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.philox import Key
from pdemill.solvers.walks.place import GridPoints, PointPlace, RandomPoints
from pdemill.solvers.walks.sample import PointSample
from pdemill.solvers.walks.shared import PILOTS, Shared
from pdemill.spec.field import Function
from pdemill.spec.job import Spec
from pdemill.store.layout import ArrayLayout, Shard, StoreLayout, shard_samples

SHARD_SECONDS = 30.0
"""A shard is about so long, for progress; its size never changes what is in it."""
LEAST_CONTROLLED = 256
"""Walks per point from which ``auto`` takes a control variate: fewer are wanted for their noise."""
LEAST_GRIDDED = 100_000
"""Walks per sample from which a grid solution is worth its cost as a control variate."""
WALK_SCHEME = "philox4x32-10; key = sha256(seed, split, purpose); counter = (step, walk, point, sample)"


def key_of(seed: int, split: str, purpose: str) -> Key:
    """The two words under which the walks of a split are drawn."""
    digest = sha256(f"{seed}/{split}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


class PointJob(Job):
    """A pointwise spec, ready to be solved; such stores share no arrays."""

    problem: PointPlace
    method: Walks

    def __init__(self, spec: Spec) -> None:
        assert isinstance(spec.problem, PointPlace)
        self.spec, self.problem = spec, spec.problem
        method = spec.solver.resolve(self.problem)
        assert isinstance(method, Walks)
        self.method = method
        self.kept = {}
        self._fixed: dict[str, Function] = {}
        self._geometry: Geometry | None = None
        self._points: Array | None = None
        self._shared: tuple[int, Shared] | None = None
        first = self.sample(next(iter(spec.splits)), 0)
        _ = first.terms
        inside = [name for name, _ in first.named() if name in self._inside(first)]
        self.channels = tuple(inside or ["source"])
        self.parameters = tuple(first.parameters())
        moving = self.problem.random_domain or any(f.random for fs in first.sides.values() for f in fs.values())
        self._sensors = self.problem.sensors if moving else 0
        if not self.problem.random_domain:
            self._check_domain(first)
        self.kinds = tuple(dict.fromkeys(name for functions in first.sides.values() for name in functions))

    def _check_domain(self, first: PointSample) -> None:
        """Refuse a fixed domain that is none, and fixed points that are not in it."""
        try:
            geometry = self.geometry(first)
        except InvalidSample as fault:
            raise SpecError([Fault(("problem", "domain"), str(fault).removeprefix("domain: "))]) from None
        if isinstance(self.problem.points, RandomPoints):
            try:
                geometry.interior(1, (0, 0), 0, self.epsilon(geometry))
            except SolverError as fault:
                raise SpecError([Fault(("problem", "domain"), str(fault))]) from None
            return
        try:
            count = len(self.points(first, geometry))
        except InvalidSample as fault:
            raise SpecError([Fault(("problem", "points"), str(fault))]) from None
        if not count:
            raise SpecError([Fault(("problem", "points"), "none of them is inside the domain")])

    @cached_property
    def sensors(self) -> int:
        """Places on the boundary at which side data is stored: at least one per side."""
        if not self._sensors or self.problem.random_domain:
            return self._sensors
        return len(self.geometry(self.sample(next(iter(self.spec.splits)), 0)).boundary(self._sensors)[0])

    @staticmethod
    def _inside(sample: PointSample) -> dict[str, Function]:
        """The functions on the domain, by the name of their channel."""
        sides = {f"{side}_{name}" for side, functions in sample.sides.items() for name in functions}
        found = {name: f for name, f in sample.named() if name not in sides and not name.startswith("domain.")}
        return {"source": sample.terms.source, **found}

    def sample(self, split: str, number: int) -> PointSample:
        """Sample ``number`` of a split."""
        return PointSample(self.problem, self.drawing(Draw, split, number), self._fixed)

    def geometry(self, sample: PointSample) -> Geometry:
        """The domain of a sample; raises InvalidSample where the drawn measures make none."""
        if self._geometry is not None:
            return self._geometry
        walks = self.problem.size * (self.method.walks or DEFAULT_WALKS)
        insulated = [side for side, c in self.problem.conditions.items() if not c.essential]
        geometry = geometry_of(self.problem.domain, self.problem.dimension, sample.measures, walks, insulated)
        if not self.problem.random_domain:
            self._geometry = geometry
        return geometry

    def epsilon(self, geometry: Geometry) -> float:
        """Distance from the boundary at which walks end, in length units."""
        return min(self.method.epsilon * geometry.diameter, geometry.largest_epsilon)

    def points(self, sample: PointSample, geometry: Geometry) -> Array:
        """Where u is wanted, [P, d]; raises InvalidSample for points that are not inside."""
        if self._points is not None:
            return self._points
        points = self._place(sample, geometry)
        if self.problem.shared_points:
            self._points = points
        return points

    def _place(self, sample: PointSample, geometry: Geometry) -> Array:
        wanted, epsilon = self.problem.points, self.epsilon(geometry)
        if isinstance(wanted, RandomPoints):
            split, stream = ("", 0) if wanted.shared else (sample.draw.split, sample.draw.sample)
            try:
                return geometry.interior(wanted.random, key_of(self.spec.seed, split, "points"), stream, epsilon)
            except SolverError as fault:
                raise InvalidSample(str(fault)) from None
        if isinstance(wanted, GridPoints):
            axes = [(np.arange(n) + 0.5) / n for n in wanted.grid]
            cells = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
            places = geometry.lower + geometry.extent * cells
            return np.asarray(places[geometry.distance(places) > epsilon])
        places = np.array(wanted.list, dtype=float)
        far = geometry.distance(places) > epsilon
        if not far.all():
            number = int(np.flatnonzero(~far)[0])
            where = f"outside the domain or within epsilon ({epsilon:.2g}) of its boundary"
            raise InvalidSample(f"number {number}, {places[number].tolist()}, is {where}")
        return places

    def inputs(self, sample: PointSample, data: Data, points: Array) -> Array:
        """The channels inside, at the points: [C, P]."""
        functions = self._inside(sample)
        return np.stack([data.evaluate(functions[name], points) for name in self.channels])

    def at_sensors(self, sample: PointSample, data: Data) -> tuple[Array, Array]:
        """Places on the boundary [B, d], and data of each kind there [K, B], 0 on sides of another kind."""
        places, sides = data.geometry.boundary(self._sensors)
        names = [next(iter(sample.sides[side])) for side in data.geometry.sides]
        of_kind = [np.array([name == kind for name in names])[sides] for kind in self.kinds]
        values = data.on_sides(places, sides)
        return places, np.stack([np.where(mask, values, 0.0) for mask in of_kind])

    def drawn(self, split: str, sample: int) -> dict[str, Array]:
        one = self.sample(split, sample)
        geometry = self.geometry(one)
        return drawn_arrays(self, one, Data(one, geometry), self.points(one, geometry))

    def keeps(self, shard: Shard, splits: Mapping[str, int]) -> bool:
        if self.method.estimator != "shared":
            return True
        before, now = (min(PILOTS, next(iter(each.values()))) for each in (splits, self.spec.splits))
        return before == now

    @property
    def resolved_only(self) -> tuple[str, ...]:
        return ("labels but at two points of each sample",)

    def summary(self, arrays: Mapping[str, NDArray[Any]], shard: Shard | None) -> dict[str, Any]:
        return summary(arrays)

    @cached_property
    def layout(self) -> StoreLayout:
        dtype, count, axes = self.spec.store.dtype, self._count(), self.problem.dimension
        at = ("point",)
        options = self.method
        parts = [
            ArrayLayout("points", "float64", (count, axes), (*at, "axis")),
            ArrayLayout("input", dtype, (len(self.channels), count), ("channel", *at)),
            ArrayLayout("solution", dtype, (count,), at, is_field=True),
            ArrayLayout("stderr", "float32", (count,), at, is_field=True),
            ArrayLayout("walks", "int32", (count,), at, fill=-1, is_field=True),
            ArrayLayout("truncated", "int32", (count,), at, fill=-1, is_field=True),
            ArrayLayout("epsilon", "float32", (count,), at, is_field=True),
            ArrayLayout("steps", "float32", (count,), at, is_field=True),
        ]
        if options.gradients:
            parts.append(ArrayLayout("gradient", dtype, (count, axes), (*at, "axis")))
            parts.append(ArrayLayout("gradient_stderr", "float32", (count, axes), (*at, "axis")))
        if options.returned == "per_batch":
            number = -(-(options.walks or DEFAULT_WALKS) // BATCH)
            parts.append(ArrayLayout("batches", dtype, (number, count), ("batch", *at)))
        if self.sensors:
            parts.append(ArrayLayout("boundary_points", "float64", (self.sensors, axes), ("sensor", "axis")))
            parts.append(ArrayLayout("boundary_input", dtype, (len(self.kinds), self.sensors), ("kind", "sensor")))
        if self.parameters:
            parts.append(ArrayLayout("params", "float64", (len(self.parameters),), ("parameter",)))
        parts += [
            ArrayLayout("error_estimate", "float32"),
            ArrayLayout("largest_weight", "float32"),
            *((flags.column(),) if self.schema > 1 else ()),
            ArrayLayout("solve_seconds", "float32"),
            ArrayLayout("method", "int8", fill=-1, attributes=self.method_codes()),
            ArrayLayout("sample_id", "int64", fill=-1),
        ]
        samples = self.spec.store.shard or self._shard_samples(max(part.sample_bytes for part in parts))
        return StoreLayout(self.spec.splits, samples, tuple(parts), {}, self._attributes(samples))

    def _count(self) -> int:
        if isinstance(self.problem.points, RandomPoints):
            return self.problem.points.random
        sample = self.sample(next(iter(self.spec.splits)), 0)
        return len(self.points(sample, self.geometry(sample)))

    def _shard_samples(self, sample_bytes: int) -> int:
        seconds = self.method.seconds(self.problem, self.problem.size)
        fitting = 1 << max(0, int(log2(max(SHARD_SECONDS / seconds, 1.0))))
        return min(shard_samples(sample_bytes), fitting)

    def _attributes(self, samples: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in self.attributes(samples, self._count()).items():
            found[name] = value
            if name == "schema":
                found["layout"] = "pointwise"
            elif name == "solution_channels":
                found["boundary_channels"] = list(self.kinds) if self.sensors else []
        return found

    @property
    def seed_scheme(self) -> str:
        return f"{SCHEME}; walks: {WALK_SCHEME}"

    @cached_property
    def control(self) -> str:
        """The control variate, ``auto`` resolved: a grid solution pays from about 100,000 walks per sample on."""
        if self.method.control_variate != "auto":
            return self.method.control_variate
        if self.method.estimator == "shared" or self.problem.random_domain:
            return "none"
        walks = self.method.walks or DEFAULT_WALKS
        if walks < LEAST_CONTROLLED:
            return "none"
        if grid_fits(self.problem) and walks * self.problem.size >= LEAST_GRIDDED:
            return "grid"
        return "harmonic" if harmonic_fits(self.problem) else "none"

    def shared(self, epoch: int) -> Shared:
        """The walks that all samples share, made once per process and epoch."""
        if self._shared is None or self._shared[0] != epoch:
            self._shared = epoch, Shared(self, key_of(self.spec.seed, "", f"shared walks of epoch {epoch}"))
        return self._shared[1]

    def bank_id(self) -> str:
        """Identity of a bank of walks: equal for two stores whose labels come from the same walks."""
        domain, points = (self.spec.model_dump(mode="json")["problem"][key] for key in ("domain", "points"))
        m = self.method
        problem = self.spec.model_dump(mode="json")["problem"]
        operator = [problem[name] for name in self.problem.operator_fields]
        text = json.dumps([domain, points, operator, self.spec.seed, m.walks, m.epsilon, m.max_steps], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]

    def shown_plan(self) -> dict[str, Any]:
        estimator = "shared" if self.method.estimator == "shared" else "independent"
        resolved: dict[str, Any] = {"estimator": estimator, "control_variate": self.control}
        if estimator == "shared":
            walks = self.method.walks or DEFAULT_WALKS
            resolved["bank"] = {"id": self.bank_id(), "walks": walks, "points": self._count()}
        return self.method.model_dump(mode="json") | resolved

    def method_names(self) -> list[str]:
        return [FAILED, self.method.method]
