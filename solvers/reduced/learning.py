"""The basis of a job, from samples that are drawn for it alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.reduced.basis import Basis
from pdemill.solvers.sketch import Sketch
from pdemill.solvers.solution import Solver

ENOUGH = 1e-6
"""The part of a right-hand side that the basis may leave of a sample, as sketches tell: a step or two do the rest, and
cost less than more vectors do."""
PATIENCE = 20
"""Samples in a row of which the basis leaves no more, after which it is good enough."""
DRAWS = 8
"""Most samples per vector."""


def learnt(drawn: Callable[[int], System | None], direct: Solver[None], most: int) -> tuple[Basis, Matrix] | None:
    """A basis of at most so many solutions, and the mean of the matrices that were seen; None where no sample could
    be solved. Samples are taken as they come, and solved where the basis leaves too much of them."""
    basis: Basis | None = None
    total, seen, good = None, 0, 0
    last: Matrix | None = None
    sketch: Sketch | None = None
    for number in count():
        if number >= DRAWS * most or good >= PATIENCE or (basis is not None and (basis.rows.full or basis.closed)):
            break
        system = drawn(number)
        if system is None:
            continue
        if basis is None or sketch is None:
            basis, sketch = Basis.begun(system.matrix.pattern, most), Sketch(len(system.rhs))
        last, seen = system.matrix, seen + 1
        total = last.values.copy() if total is None else total + last.values
        if left(basis, system, sketch) <= ENOUGH:
            good += 1
            continue
        good, solution = 0, direct.solve(system, None)
        if solution.result.ok:
            basis = basis.extended(last, solution.value, sketch)
    if basis is None or last is None or total is None or not basis.rows.count:
        return None
    return basis, Matrix(last.pattern, total / seen, last.properties, last.null_space, {}, last.kept)


def left(basis: Basis, system: System, sketch: Sketch) -> float:
    """The part of the right-hand side of a system that its solution in the basis leaves, as sketches tell; infinite
    where there is none."""
    matrix = basis.of(system.matrix)
    if matrix is None:
        return float("inf")
    return matrix.left(matrix.solve(basis.vectors @ system.rhs), sketch(system.rhs))
