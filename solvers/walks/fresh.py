"""Fresh labels for training: the samples of a spec, walked anew in every epoch."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.errors import Fault, SolverError, SpecError, WorkerError
from pdemill.process import child_environment, module_command, worker_status
from pdemill.solvers.job import open_job
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.threads import one_thread
from pdemill.solvers.walks.frames import read_frame
from pdemill.spec.job import Spec
from pdemill.store.layout import Shard

type Sample = dict[str, Any]

AHEAD = 16


class Fresh:
    """Labels of a pointwise spec by epoch; epoch 0 is what its store holds."""

    @one_thread()
    def __init__(self, spec: Spec) -> None:
        self.job = open_job(spec)
        self._labellers: dict[tuple[str, int], Any] = {}

    @one_thread()
    def sample(self, split: str, epoch: int, number: int) -> Sample:
        """One sample as ``pdemill.open`` gives it, and ``sample`` and ``epoch``. Raises SolverError where it fails."""
        from pdemill.solvers.walks.shard import Rows, solve_samples

        key = (split, epoch)
        job: Any
        job, own = self.job.part(split)
        if key not in self._labellers:
            from pdemill.solvers.walks.labels import Labeller

            self._labellers = {key: Labeller(job, own, epoch)}
        rows = Rows(job, Shard(own, 0, number, number + 1))
        ((_, (result, reason)),) = solve_samples(self._labellers[key], rows, [number], Stopwatch())
        if not result.ok:
            raise SolverError(f"sample {number} of {split} has no label in epoch {epoch}: {reason}")
        arrays = {name: np.asarray(values[0]) for name, values in rows.arrays.items()}
        names = {"x": "input", "points": "points", "stderr": "stderr", "boundary_points": "boundary_points"}
        names |= {"boundary": "boundary_input", "gradient": "gradient", "batches": "batches"}
        found: Sample = {n: arrays[a].astype(np.float32) for n, a in names.items() if a in arrays}
        return found | {"y": arrays["solution"][None].astype(np.float32), "sample": number, "epoch": epoch}


def walk_labels(
    spec: Spec,
    epochs: Iterable[int],
    split: str,
    workers: int = 1,
    ahead: int = AHEAD,
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
    if workers == 0:
        fresh = Fresh(spec)
        return (fresh.sample(split, epoch, number) for epoch, number in wanted)
    return _from_pool(spec, wanted, split, min(workers, spec.groups[split]), max(ahead, workers))


def _wanted(spec: Spec, epochs: Iterable[int], split: str, shuffle: bool) -> Iterator[tuple[int, int]]:
    for epoch in epochs:
        if isinstance(epoch, bool) or not hasattr(epoch, "__index__") or epoch < 0:
            raise ValueError(f"epoch should be a whole number from 0 on, not {epoch!r}")
        numbers: NDArray[np.intp] = np.arange(spec.groups[split])
        if shuffle:
            levels = Draw(spec.seed, split, epoch, "order of walk labels").uniform(len(numbers))
            numbers = np.argsort(levels, kind="stable")
        for number in numbers.tolist():
            yield int(epoch), number


def _from_pool(spec: Spec, wanted: Iterator[tuple[int, int]], split: str, workers: int, ahead: int) -> Iterator[Sample]:
    """Requests go round the workers, and answers are taken in the same order."""
    pool = [_Worker(spec) for _ in range(workers)]
    asked = taken = 0
    try:
        for epoch, number in wanted:
            pool[asked % workers].ask({"split": split, "epoch": epoch, "sample": number})
            asked += 1
            if asked - taken >= ahead:
                yield pool[taken % workers].answer()
                taken += 1
        while taken < asked:
            yield pool[taken % workers].answer()
            taken += 1
    finally:
        for worker in pool:
            worker.stop()


class _Worker:
    """One process, and a thread that takes what it sends."""

    def __init__(self, spec: Spec) -> None:
        self._process = subprocess.Popen(
            module_command("pdemill.solvers.walks.label_worker", str(os.getpid())),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(),
        )  # fmt: skip
        self._inbox: Queue[Any] = Queue()
        self._write(json.dumps(spec.model_dump(mode="json")))
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        atexit.register(self.stop)  # later a pipe that a thread reads cannot be closed any more

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._inbox.put(read_frame(self._process.stdout))
        except EOFError:
            self._inbox.put(None)

    def ask(self, request: dict[str, Any]) -> None:
        """Ask for a sample; that the process has died is noticed when its answer is taken."""
        self._write(json.dumps(request))

    def answer(self) -> Sample:
        """The next sample, in the order in which they were asked for."""
        found = self._inbox.get()
        if found is None:
            status = self._process.wait()
            raise WorkerError(f"a process that walks ended ({worker_status(status)})")
        if isinstance(found, Exception):
            raise found
        sample: Sample = found
        return sample

    def stop(self) -> None:
        """End the process; may be called again."""
        atexit.unregister(self.stop)
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
