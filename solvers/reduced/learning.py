"""The basis of a job, from samples that are drawn for it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.reduced import BATCH
from pdemill.solvers.reduced.basis import Basis
from pdemill.solvers.reduced.steps import Path, Reference
from pdemill.solvers.sketch import Sketch
from pdemill.solvers.solution import Solver

ENOUGH = 1e-6
"""The part of a right-hand side that the basis may leave of a sample, as sketches tell: a step or two do the rest, and
cost less than more vectors do."""
PATIENCE = 20
"""Samples in a row of which the basis leaves no more, after which it is good enough."""
DRAWS = 8
"""Most samples per vector."""
FACTORISED = 24
"""Vectors from samples that were solved by factors, before later ones are solved by steps."""
REACH, EXACT, ROUGH = 1e-1, 1e-4, 1e-2
"""The part of a right-hand side that the basis may leave if steps are to do the rest, and the parts of it that they are
to leave and may leave, after the most steps: what is new in a solution is as exact as that."""


def learnt(
    drawn: Callable[[int], System | None], factors: Callable[[], Solver[None]], most: int
) -> tuple[Basis, Matrix] | None:
    """A basis of at most so many solutions, and the mean of the matrices that were seen; None where no sample could
    be solved. Samples are taken as they come, and solved where the basis leaves too much of them: the first by
    factors, later ones side by side by steps, and by factors where these do not take them."""
    learner = _Learner(factors, most)
    samples = (system for system in map(drawn, range(DRAWS * most)) if system is not None)
    while not learner.done and (met := learner.gathered(samples)):
        learner.learn(met)
    return learner.found()


class Loads:
    """V b of a basis that grows: of the last right-hand side it is kept, which as a rule is that of all samples."""

    def __init__(self) -> None:
        self._rhs, self._found = np.empty(0), np.empty(0)

    def of(self, basis: Basis, rhs: Array) -> Array:
        if not np.array_equal(rhs, self._rhs):
            self._rhs, self._found = rhs, np.empty(0)
        if len(self._found) < basis.rows.count:
            self._found = np.concatenate([self._found, basis.vectors[len(self._found) :] @ rhs])
        return self._found


class _Learner:
    """A basis that grows."""

    def __init__(self, factors: Callable[[], Solver[None]], most: int) -> None:
        self._factors, self._direct, self._most = factors, factors(), most
        self._basis: Basis | None = None
        self._sketch, self._loads = Sketch(0), Loads()
        self._later: list[System] = []
        self._last: Matrix | None = None
        self._total: Array = np.empty(0)
        self._seen = self._good = 0
        self._reference: Reference | None = None

    @property
    def done(self) -> bool:
        basis = self._basis
        return self._good >= PATIENCE or (basis is not None and (basis.rows.full or basis.closed))

    def gathered(self, samples: Iterator[System]) -> list[System | None]:
        """The next samples, until as many need a solve as are solved side by side, or none is left; None for those of
        which the basis leaves no more than enough. Those that came within reach of steps since are the first."""
        met: list[System | None] = [*self._later]
        self._later.clear()
        room, good = (BATCH if self._stepping else 1) - len(met), self._good
        for system in samples if room else ():
            self._meet(system)
            rest = self._left(system)
            met.append(None if rest <= ENOUGH else system)
            room, good = (room, good + 1) if rest <= ENOUGH else (room - 1, 0)
            if not room or good >= PATIENCE:
                break
        return met

    def learn(self, met: list[System | None]) -> None:
        """From samples, in order, until the basis is good enough. One that the basis has come near to meanwhile is left
        for the next time."""
        stepping = self._stepping
        paths = self._paths([system for system in met if system is not None]) if stepping else {}
        for system in met:
            basis = self._basis
            if basis is None or self.done:
                return
            rest = self._left(system) if stepping and system is not None else float("inf")
            if system is None or rest <= ENOUGH:
                self._good += 1
                continue
            self._good, path = 0, paths.get(id(system))
            if path is None and rest <= REACH:
                self._later.append(system)
            elif path is not None and two_norm(path.r) * EXACT <= ROUGH * path.target:
                self._basis = basis.extended(system.matrix, path.u, self._sketch)
            elif (solution := self._direct.solve(system, None)).result.ok:
                self._basis = basis.extended(system.matrix, solution.value, self._sketch)

    def found(self) -> tuple[Basis, Matrix] | None:
        """What was learnt."""
        return None if self._basis is None or not self._basis.rows.count else (self._basis, self._mean())

    @property
    def _stepping(self) -> bool:
        return self._basis is not None and self._basis.rows.count >= FACTORISED

    def _meet(self, system: System) -> None:
        """Have the matrix of a system in the mean."""
        self._last, self._seen = system.matrix, self._seen + 1
        if self._basis is None:
            self._basis, self._sketch = Basis.begun(system.matrix.pattern, self._most), Sketch(len(system.rhs))
            self._total = np.zeros(len(system.matrix.values))
        self._total += system.matrix.values

    def _left(self, system: System) -> float:
        assert self._basis is not None
        return left(self._basis, system, self._sketch, self._loads)

    def _mean(self) -> Matrix:
        last = self._last
        assert last is not None
        return Matrix(last.pattern, self._total / self._seen, last.properties, last.null_space, {}, last.kept)

    def _paths(self, systems: list[System]) -> dict[int, Path]:
        """The ways of systems within reach of steps, as far as these go, by the identity of the system."""
        basis, paths = self._basis, dict[int, Path]()
        assert basis is not None
        near = [
            (system, rest, matrix)
            for system in systems
            if (rest := self._left(system)) <= REACH and (matrix := basis.of(system.matrix)) is not None
        ]
        if near:
            found = [matrix.solve(self._loads.of(basis, system.rhs)) for system, _, matrix in near]
            for (system, rest, matrix), u in zip(near, np.stack(found) @ basis.vectors, strict=True):
                paths[id(system)] = Path(system, matrix, u, system.residual(u), EXACT * rest * system.size)
            self._reference = self._reference or Reference(self._mean(), self._factors())
            self._reference.bring(list(paths.values()), lambda path: path.small)
        return paths


def left(basis: Basis, system: System, sketch: Sketch, loads: Loads | None = None) -> float:
    """The part of the right-hand side of a system that its solution in the basis leaves, as sketches tell; infinite
    where there is none."""
    matrix = basis.of(system.matrix)
    if matrix is None:
        return float("inf")
    return matrix.left(matrix.solve((loads or Loads()).of(basis, system.rhs)), sketch(system.rhs))
