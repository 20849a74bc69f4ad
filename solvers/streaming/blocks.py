"""The blocks of a stream: runs of consecutive samples of a split of its own, each solved as a shard of a store is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.solvers.job import Job, open_job
from pdemill.solvers.progress import Counts
from pdemill.solvers.threads import one_thread
from pdemill.spec.job import Spec
from pdemill.spec.load import validate
from pdemill.spec.method import methods
from pdemill.store.kept_operator import OPERATOR, RHS
from pdemill.store.layout import Shard
from pdemill.streaming.blocks import Shape

MOST = 64
"""Samples of a block, unless ``store.shard`` says otherwise: what is waited for before the first one comes."""
ARRAYS = {"x": "input", "y": "solution", OPERATOR: OPERATOR, RHS: RHS, "points": "points"}
"""By what samples call them; the last ones are where the spec keeps operators, or gives samples meshes of their own."""
AT_POINTS = {"points": "points", "stderr": "stderr", "boundary_points": "boundary_points", "gradient": "gradient",
             "boundary": "boundary_input"}  # fmt: skip


class Blocks:
    """Solves the blocks of a stream. Block k holds the samples from k times their number on; what is in it depends on
    the spec, the name of its split and k alone."""

    @one_thread()
    def __init__(self, spec: Spec, split: str, method: Mapping[str, Any] | None = None) -> None:
        job = open_job(own(spec, split), None)
        if method is not None:
            job = job.using(methods[method["method"]].model_validate(dict(method)))
        elif job.planned and (plan := job.plan(always=True)).measured:
            job = job.using(methods[plan.method["method"]].model_validate(dict(plan.method)))
        self.job: Job = job
        self._split = split
        parts = {part.name: part for part in job.layout.arrays_of(split)}
        wanted = ARRAYS | (AT_POINTS if job.problem.pointwise else {})
        self._names = {key: name for key, name in wanted.items() if name in parts}
        arrays = {key: (parts[name].shape, np.dtype(parts[name].dtype)) for key, name in self._names.items()}
        if job.problem.pointwise:
            arrays |= {key: (arrays[key][0], np.dtype(np.float32)) for key in AT_POINTS if key in arrays}
            arrays["y"] = (1, *arrays["y"][0]), arrays["y"][1]
        self.shape = Shape(job.spec.splits[split], arrays)

    @property
    def method(self) -> dict[str, Any]:
        """How samples are solved."""
        found: dict[str, Any] = self.job.method.model_dump(mode="json")
        return found

    @one_thread()
    def solve(self, number: int, out: Mapping[str, NDArray[Any]]) -> list[int]:
        """Solve a block into arrays; returns the rows that hold no certified sample."""
        count = self.shape.samples
        shard = Shard(self._split, number, number * count, (number + 1) * count)
        data, _ = self.job.solve(shard, Counts())
        for key, name in self._names.items():
            out[key][:] = data.arrays[name].reshape(out[key].shape)
        return [int(failure["row"]) for failure in data.failures]


def own(spec: Spec, split: str) -> Spec:
    """The spec of a stream: its problem, with one split that has the samples of a block. Raises SpecError."""
    if split in spec.splits:
        raise SpecError([Fault(("splits", split), "is the name of the stream, whose samples are no others: rename it")])
    if spec.array_ids:
        raise SpecError([Fault(("problem",), "takes no arrays in a stream, which never ends: they do")])
    told = spec.model_dump(mode="json", exclude={"fidelities"}) | {"splits": {split: 1}}
    size = open_job(validate(told), None).layout.shard_samples
    return validate(told | {"splits": {split: spec.store.shard or min(size, MOST)}})
