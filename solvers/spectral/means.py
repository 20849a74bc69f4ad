"""What equations that users wrote say of the means of their unknowns, where they say it without the rest.

The mean of a derivative is 0. So where all products of an equation stand under derivatives, the mean of its unknown
obeys a linear equation, m' = A m + f, with the terms that are free of derivatives.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from pdemill.points import Array
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.symbolic.equations import EquationsFunction, evaluated
from pdemill.solvers.symbolic.split import Split
from pdemill.spec.terms import Terms

ROUNDED = 1e-13
"""Part of the 2-norm that rounding explains."""


def known_means(split: Split) -> tuple[int, ...]:
    """The numbers of the unknowns whose means obey linear equations of these means alone."""
    found = set(range(len(split.unknowns)))
    found -= {one.target for one in split.products if not all(any(orders) for orders in one.orders)}
    while lost := {
        one.target for one in split.linear if one.target in found and one.source not in found and not any(one.orders)
    }:
        found -= lost
    return tuple(sorted(found))


def mean_defect(terms: Terms, grid: PeriodicGrid, times: Array, states: Spectra) -> float:
    """How far the known means in states [T, numbers] are from their equations, exactly solved, at most; relative to the
    largest 2-norm of their unknowns until then."""
    equations = terms.equations
    assert isinstance(equations, EquationsFunction)
    split, names = equations.split, equations.names
    known = known_means(split)
    place = {unknown: number for number, unknown in enumerate(known)}
    system = np.zeros((len(known) + 1, len(known) + 1))  # the last of m is 1
    for one in split.linear:
        if one.target in place and not any(one.orders):
            system[place[one.target], place[one.source]] += evaluated(one.coefficient, names)
    for target, value in split.constants:
        if target in place:
            system[place[target], -1] += evaluated(value, names)
    for unknown, part in enumerate((terms, *terms.others)):
        if unknown in place:
            system[place[unknown], -1] += float(np.mean(part.source(grid.refined.points)))
    parts = np.split(states, len(split.unknowns), axis=1)
    means = np.stack([parts[unknown][:, 0].real for unknown in known], axis=1)
    energy = sum(np.square(np.abs(parts[unknown])) @ grid.multiplicity for unknown in known)
    whole = np.maximum.accumulate(np.sqrt(energy))
    exact = np.append(means[0], 1.0)
    worst = 0.0
    for frame, span in enumerate(np.diff(times), 1):
        exact = expm(span * system) @ exact
        off = float(np.abs(means[frame] - exact[:-1]).max()) - ROUNDED * float(whole[frame])
        worst = max(worst, off / float(whole[frame]) if whole[frame] > 0.0 else (np.inf if off > 0.0 else 0.0))
    return worst
