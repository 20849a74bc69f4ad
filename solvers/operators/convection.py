"""How convection weights the couplings of a cell with its neighbours on a box grid.

Along one axis, with the conductance g = k / h^2 of a face and z = b h / k there, the row of cell P is

    g_e w(z_e) (u_P - u_E) + g_w w(-z_w) (u_P - u_W),    w(-z) - w(z) = z

which is exact for linear u. w > 0 makes the matrix an M-matrix: no oscillations, whatever z is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pdemill.points import Array

MOST_CENTRAL = 2.0
"""Cell Peclet number up to which central differences make an M-matrix."""
FAR = 700.0
"""Where exp is still finite."""


def _central(z: Array) -> Array:
    return 1.0 - 0.5 * z


def _upwind(z: Array) -> Array:
    return 1.0 + np.maximum(-z, 0.0)


def _fitted(z: Array) -> Array:
    """z / (e^z - 1), exact for u = 1, x and exp(b x / k): Il'in 1969, "Differencing scheme for a differential equation
    with a small parameter affecting the highest derivative", Math. Notes 6; Scharfetter and Gummel 1969."""
    near = np.minimum(z, FAR)
    return np.divide(near, np.expm1(near), out=np.ones_like(near), where=near != 0.0)


WEIGHTS: Mapping[str, Callable[[Array], Array]] = {"central": _central, "upwind": _upwind, "fitted": _fitted}
"""w(z) of every flux: central differences, second order, w > 0 for |z| < 2 only; upwind ones, first order; fitted to
exponentials: second order for small z, upwind for large."""
