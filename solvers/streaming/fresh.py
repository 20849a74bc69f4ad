"""Fresh labels for training: the samples of a spec at points, walked anew in every epoch; a stream whose blocks are
single samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.errors import Fault, SolverError, SpecError
from pdemill.solvers.job import open_job
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.streaming.pool import Pool
from pdemill.solvers.threads import one_thread
from pdemill.solvers.walks.labels import Labeller
from pdemill.solvers.walks.shard import Rows, solve_samples
from pdemill.spec.job import Spec
from pdemill.store.layout import Shard
from pdemill.streaming.blocks import Shape

type Sample = dict[str, Any]

NAMES = {
    "x": "input", "y": "solution", "points": "points", "stderr": "stderr", "boundary_points": "boundary_points",
    "boundary": "boundary_input", "gradient": "gradient", "batches": "batches",
}  # fmt: skip
"""Arrays of a sample, by the names of those of the store."""


class Labels:
    """Labels of a split of a spec at points: block k holds sample k mod N, of N, in epoch k div N. Epoch 0 is what the
    store holds."""

    @one_thread()
    def __init__(self, spec: Spec, split: str, method: Mapping[str, Any] | None = None) -> None:
        self._job: Any
        self._job, self._own = open_job(spec).part(split)
        self._split, self._many = split, spec.groups[split]
        self._labeller: tuple[int, Labeller] | None = None
        parts = {part.name: part for part in self._job.layout.arrays_of(self._own)}
        shapes = {key: parts[name].shape for key, name in NAMES.items() if name in parts}
        shapes["y"] = (1, *shapes["y"])
        self.shape = Shape(1, {key: (shape, np.dtype(np.float32)) for key, shape in shapes.items()})
        self.method: dict[str, Any] = self._job.method.model_dump(mode="json")

    @one_thread()
    def solve(self, number: int, out: Mapping[str, NDArray[Any]]) -> list[int]:
        """Walk a block into arrays. Raises SolverError where it fails."""
        epoch, sample = divmod(number, self._many)
        if self._labeller is None or self._labeller[0] != epoch:
            self._labeller = epoch, Labeller(self._job, self._own, epoch)
        rows = Rows(self._job, Shard(self._own, 0, sample, sample + 1))
        ((_, (result, reason)),) = solve_samples(self._labeller[1], rows, [sample], Stopwatch())
        if not result.ok:
            raise SolverError(f"sample {sample} of {self._split} has no label in epoch {epoch}: {reason}")
        for key, values in out.items():
            values[:] = rows.arrays[NAMES[key]].reshape(values.shape)
        return []


def walk_labels(
    spec: Spec,
    epochs: Iterable[int],
    split: str,
    workers: int = 1,
    ahead: int = 16,
    shuffle: bool = False,
) -> Iterator[Sample]:
    """The samples of a split, epoch after epoch; ``workers`` processes stay up to ``ahead`` samples ahead.

    What a sample holds depends on the spec, its number and the epoch alone. ``shuffle`` takes another order in each
    epoch, drawn from the seed. ``workers`` 0 walks in this process, when a sample is asked for.
    """
    if not spec.problem.pointwise:
        raise SpecError([Fault(("problem", "points"), "is missing: fresh labels are values at points")])
    if spec.array_ids:
        raise SpecError([Fault(("problem",), "takes no arrays here: worker processes do not know them")])
    if split not in spec.groups:
        raise SpecError([Fault(("splits",), f"has no split {split!r}; there are {', '.join(spec.groups)}")])
    wanted = _wanted(spec, epochs, split, shuffle)
    pool = Pool(spec, split, None, min(workers, spec.groups[split]), max(ahead, workers), Labels)
    return _samples(pool, wanted, spec.groups[split])


def _samples(pool: Pool, wanted: Iterator[int], many: int) -> Iterator[Sample]:
    with closing(pool.blocks(wanted)) as feed:
        for block in feed:
            epoch, sample = divmod(block.number, many)
            yield {key: values[0].copy() for key, values in block.arrays.items()} | {"sample": sample, "epoch": epoch}


def _wanted(spec: Spec, epochs: Iterable[int], split: str, shuffle: bool) -> Iterator[int]:
    many = spec.groups[split]
    for epoch in epochs:
        if isinstance(epoch, bool) or not hasattr(epoch, "__index__") or epoch < 0:
            raise ValueError(f"epoch should be a whole number from 0 on, not {epoch!r}")
        numbers: NDArray[np.intp] = np.arange(many)
        if shuffle:
            levels = Draw(spec.seed, split, epoch, "order of walk labels").uniform(len(numbers))
            numbers = np.argsort(levels, kind="stable")
        for number in numbers.tolist():
            yield int(epoch) * many + number
