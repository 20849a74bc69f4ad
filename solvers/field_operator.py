"""What a store keeps of the operators of its samples: A u = b, with the values of A on a pattern that it keeps once."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.store.kept_operator import INDICES, INDPTR, OPERATOR, RHS, UNKNOWNS
from pdemill.store.layout import ArrayLayout


def arrays(grid: Discretisation, dtype: str) -> tuple[ArrayLayout, ...]:
    """The arrays of every sample."""
    entries, rows = len(grid.pattern.indices), grid.pattern.size
    return (
        ArrayLayout(OPERATOR, dtype, (entries,), ("operator_entry",), is_field=True),
        ArrayLayout(RHS, dtype, (rows,), ("operator_row",), is_field=True),
    )


def shared(grid: Discretisation) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.int32]]]:
    """The pattern, and which of the stored values of u, counted one after the other, are the unknowns."""
    numbers = np.arange(prod(grid.solution_shape), dtype=np.float64).reshape(1, *grid.solution_shape)
    return {
        INDPTR: (("operator_begin",), np.asarray(grid.pattern.indptr, np.int32)),
        INDICES: (("operator_entry",), np.asarray(grid.pattern.indices, np.int32)),
        UNKNOWNS: (("operator_row",), grid.from_fields(numbers).astype(np.int32)),
    }


def rows(equation: DiscreteEquation) -> dict[str, Array]:
    """Those of a sample, whose equation is linear: A u = b of u itself, whatever level it is solved without."""
    system = equation.linearised(equation.start())
    rhs = system.rhs
    if equation.level:
        rhs = rhs + equation.level * (system.matrix.sparse() @ np.ones(len(rhs)))
    return {OPERATOR: system.matrix.values, RHS: rhs}
