"""Certificates: what rounding may add to a residual, and estimates of the discretisation error. Residuals are those of
the discrete equation (``pdemill.solvers.operators.equation``).

Nothing here knows how a solution was found.
"""

from __future__ import annotations

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.norms import two_norm, unit_scale


def rounding_residual(equation: DiscreteEquation, unknowns: Array, dtype: str) -> float:
    """The largest relative residual that rounding u to ``dtype`` can add: eps || |J| |u| || / size, J = A where the
    equation is linear."""
    spacing = float(np.finfo(dtype).eps) / 2.0
    smallest = float(np.finfo(dtype).smallest_subnormal) / 2.0
    return equation.amplified(unknowns, spacing * np.abs(unknowns) + smallest)


def common(*fields: Array) -> tuple[Array, ...]:
    """Fields that are 0 wherever one of them is NaN: cut out of the domain on its grid."""
    missing = np.isnan(sum(fields))
    return tuple(np.where(missing, 0.0, field) for field in fields) if missing.any() else fields


def discretisation_error(coarse: Array, fine: Array, order: int) -> float:
    """Relative L2 error of ``coarse`` by Richardson: ||u_h - R u_h/2|| 2^p / (2^p - 1) / ||R u_h/2||.

    ``fine`` is the solution on cells of half the size, restricted to the places of ``coarse``; p is the order for
    smooth solutions. Where the order q is lower the estimate is too small by (1 - 2^-p) / (1 - 2^-q), or more where
    cells of half the size are not fine enough for any order; docs/trust.md tells what was measured.
    """
    scale = unit_scale(fine) if fine.any() else unit_scale(coarse)
    size = two_norm(fine * scale)
    factor = 2.0**order / (2.0**order - 1.0)
    difference = two_norm((coarse - fine) * scale)
    return factor * difference / size if size > 0 else factor * difference / scale


def estimate_rounding(order: int, dtype: str) -> float:
    """The most that rounding u to ``dtype`` changes an estimate e, in units of 1 + e."""
    factor = 2.0**order / (2.0**order - 1.0)
    return 2.0 * factor * float(np.finfo(dtype).eps)
