"""Measuring methods on the first samples of a job."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from time import process_time
from typing import Any

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.ordering.order import resolve_sort
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec.method import LinearMethod


@dataclass(frozen=True)
class Trial:
    """``seconds``: CPU seconds per sample of a whole shard; ``certified`` and ``failed``: samples that the method
    solved by itself, and those it did not."""

    seconds: float
    iterations: float
    certified: int
    failed: int


class Trials:
    """The equations of a job's first samples, and how long methods take for them.

    What is measured is CPU time from right-hand side to certified solution, fallback included, so that all methods are
    compared at the same accuracy. A first solve loads libraries and compiled code, and does not count.
    """

    def __init__(self, job: FieldJob, samples: int) -> None:
        self._job = job
        self._split, available = next(iter(job.spec.splits.items()))
        self._shard = min(job.layout.shard_samples, available)
        self._equations: list[DiscreteEquation] = []
        for sample in range(min(samples, available)):
            try:
                self._equations.append(job.discretisation.equation(job.instance(self._split, sample)))
            except InvalidSample:  # the shard that holds it will tell
                continue

    def __len__(self) -> int:
        return len(self._equations)

    def run(self, method: LinearMethod, count: int, most_seconds: float) -> Trial:
        """Solve and certify ``count`` equations, fewer if they take longer than ``most_seconds``.

        The first half learns, the second half tells what the rest of a shard will take. What a method learns from
        samples of its own, once per process, is spread over the job.
        """
        scheme, kept, begin = self._job.scheme, dict[Any, Any](), process_time()
        drawn = self._job.drawn_apart if method.learns else None
        scheme.labels(self._equations[:1], Sequence(method, kept, drawn=drawn), Stopwatch())
        learning = (process_time() - begin) / self._job.spec.samples if method.learns else 0.0
        sequence, begin = Sequence(method, kept if method.learns else None, drawn=drawn), process_time()
        labels: list[Label] = []
        size = sequence.batch(self._job.discretisation.pattern, self._job.problem.properties.constant)
        for part in batched(self._equations[:count], size):
            labels += scheme.labels(list(part), sequence, Stopwatch())
            if process_time() - begin > most_seconds:
                break
        half = len(labels) // 2
        first, later = (sum(label.seconds for label in part) for part in (labels[:half], labels[half:]))
        rest = later / (len(labels) - half) * max(0, self._shard - half)
        own = sum(label.unknowns is not None and label.method == method.method for label in labels)
        iterations = sum(label.iterations for label in labels) / len(labels)
        seconds = (first + rest) / max(self._shard, half) + self._sorting(method) + learning
        return Trial(seconds, iterations, own, len(labels) - own)

    def _sorting(self, method: LinearMethod) -> float:
        """Seconds that ordering adds to a sample: it is drawn once more, for its features."""
        sort = resolve_sort(method.sort, method.recycles)
        if sort == "none":
            return 0.0
        begin, instance = process_time(), self._job.instance(self._split, 0)
        _ = self._job.coarse_solution(instance) if sort == "clusters" else self._job.features(instance)
        return process_time() - begin
