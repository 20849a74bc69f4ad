"""Certificates: what rounding may add to a residual, which samples are refined or audited, and estimates of the
discretisation error. The residuals themselves are those of the discrete equation (``solvers.operators.equation``).

Nothing here knows how a solution was found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.points import Array
from pdemill.spec.job import Spec
from solvers.operators.equation import DiscreteEquation

LEAST_REFINED = 4
"""Samples per split whose discretisation error is estimated, where the split has as many."""


def rounding_residual(equation: DiscreteEquation, unknowns: Array, dtype: str) -> float:
    """The largest relative residual that rounding u to ``dtype`` can add: eps || |J| |u| || / size, J = A where the
    equation is linear."""
    spacing = float(np.finfo(dtype).eps) / 2.0
    smallest = float(np.finfo(dtype).smallest_subnormal) / 2.0
    return equation.amplified(unknowns, spacing * np.abs(unknowns) + smallest)


def refined_count(spec: Spec, split: str) -> int:
    """How many samples of a split have their discretisation error estimated."""
    samples = spec.splits[split]
    return min(samples, max(LEAST_REFINED, round(spec.certify.refine * samples))) if spec.certify.refine else 0


def refined_samples(spec: Spec, split: str) -> NDArray[np.intp]:
    """The samples of a split whose discretisation error is estimated, drawn from the seed."""
    return _chosen(spec, split, refined_count(spec, split), "certify")


def audited_count(spec: Spec, split: str) -> int:
    """How many samples of a split are audited."""
    return min(spec.splits[split], spec.certify.audit.samples) if spec.certify.audit else 0


def audited_samples(spec: Spec, split: str) -> NDArray[np.intp]:
    """The samples of a split that are audited, drawn from the seed."""
    return _chosen(spec, split, audited_count(spec, split), "audit")


def _chosen(spec: Spec, split: str, count: int, purpose: str) -> NDArray[np.intp]:
    if count == 0:
        return np.empty(0, dtype=np.intp)
    levels = Draw(spec.seed, split, 0, purpose).uniform(spec.splits[split])
    return np.sort(np.argsort(levels, kind="stable")[:count])


def discretisation_error(coarse: Array, fine: Array, order: int) -> float:
    """Relative L2 error of ``coarse`` by Richardson: ||u_h - R u_h/2|| 2^p / (2^p - 1) / ||R u_h/2||.

    ``fine`` is the solution on cells of half the size, restricted to the places of ``coarse``; p is the order for
    smooth solutions. Where jumps or inward corners lower the order, the estimate is up to 1.5 times too small.
    """
    size = float(np.linalg.norm(fine))
    factor = 2.0**order / (2.0**order - 1.0)
    difference = float(np.linalg.norm(coarse - fine))
    return factor * difference / size if size > 0 else factor * difference


def estimate_rounding(order: int, dtype: str) -> float:
    """The most that rounding u to ``dtype`` changes an estimate e, in units of 1 + e."""
    factor = 2.0**order / (2.0**order - 1.0)
    return 2.0 * factor * float(np.finfo(dtype).eps)
