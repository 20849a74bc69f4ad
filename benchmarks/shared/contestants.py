"""Methods of pdemill at work on systems, without certificates and stores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched
from typing import Any

from benchmarks.shared.race import Answer
from benchmarks.shared.sequences import make
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Solver


class Method:
    """A method by its options, for example ``{"method": "cg", "preconditioner": "icc"}``.

    ``kept``: analysis, buffers and recycled spaces outlive a call, as they do in a long shard; otherwise a call is a
    shard of its own. ``carried=False`` forgets the recycled space after every system.
    """

    def __init__(self, options: dict[str, Any], kept: bool = False, carried: bool = True) -> None:
        self.options, self._kept, self._carried = options, kept, carried
        self._solver: Solver[Any] | None = None
        self._state: Any = None

    def __call__(self, systems: Sequence[System]) -> list[Answer]:
        if self._solver is None or not self._kept:
            self._solver = make(self.options).solver()
            self._state = self._solver.start()
        answers = []
        first = systems[0].matrix
        together = self._solver.batch(first.pattern, first.properties.constant) if self._carried else 1
        for part in batched(systems, together):
            solutions = self._solver.solve_batch(list(part), self._state)
            self._state = solutions[-1].state if self._carried else self._solver.start()
            answers += [Answer(solution.value, solution.stats.iterations) for solution in solutions]
        return answers
