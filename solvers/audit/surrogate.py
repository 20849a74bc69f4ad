"""A smooth function near a label on a mesh: the control variate of its audit.

On a grid that is the quintic spline through the cells (``walks.control.OnGrid``).
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline, NdBSpline
from scipy.sparse import block_diag, csc_array, csr_array, diags_array, eye_array, hstack, kron
from scipy.sparse.linalg import splu

from pdemill.points import Array
from pdemill.solvers.audit.corners import Singular, singular_functions
from pdemill.solvers.walks.control import Control
from pdemill.solvers.walks.equation import Equation
from pdemill.spec.domain import Polygon

DEGREE = 5
NODES_PER_KNOT = 3.0
"""Distance of the knots, in distances of nodes: splines then smooth what is rough in finite elements."""
SMOOTHING = 1e-6
"""Weight of squared third differences of coefficients, against 1 for a node: it decides outside the domain."""


class OnMesh(Control):
    """A tensor-product spline plus singular functions of corners."""

    def __init__(self, spline: NdBSpline, strengths: Array, functions: list[Singular], equation: Equation) -> None:
        self._spline, self._singular, self._equation = spline, list(zip(strengths, functions, strict=True)), equation

    def value(self, places: Array) -> Array:
        total = np.asarray(self._spline(places))
        for strength, function in self._singular:
            total = total + strength * function.value(places)
        return total

    def applied(self, places: Array) -> Array:
        value = np.asarray(self._spline(places))
        gradient = np.stack([self._spline(places, nu=(1, 0)), self._spline(places, nu=(0, 1))], axis=-1)
        laplacian = np.asarray(self._spline(places, nu=(2, 0)) + self._spline(places, nu=(0, 2)))
        for strength, function in self._singular:
            s, slope, bend = function.derivatives(places)
            value, gradient, laplacian = value + strength * s, gradient + strength * slope, laplacian + strength * bend
        return self._equation.applied(places, value, gradient, laplacian)


class Fit:
    """Least-squares fits to nodal values of one mesh, whose normal matrix is factorised once.

    nodes: [N, 2]; domain: the polygon that they fill.
    """

    def __init__(self, nodes: Array, domain: Polygon, area: float) -> None:
        self._functions = singular_functions(domain)
        lower, extent = domain.bounding_box()
        spacing = NODES_PER_KNOT * np.sqrt(area / len(nodes))
        self._knots = tuple(_knots(low, size, spacing) for low, size in zip(lower, extent, strict=True))
        bases = [BSpline.design_matrix(nodes[:, i], knots, DEGREE) for i, knots in enumerate(self._knots)]
        self._shape = tuple(basis.shape[1] for basis in bases)
        singular = [csr_array(function.value(nodes)[:, None]) for function in self._functions]
        self._columns = csr_array(hstack([_products(*map(csr_array, bases)), *singular]))
        penalty = block_diag([_roughness(self._shape), 1e-3 * eye_array(len(singular))])
        self._factors = splu(csc_array(self._columns.T @ self._columns + SMOOTHING * penalty))

    def __call__(self, values: Array, equation: Equation) -> OnMesh:
        """The fit to values at the nodes, [N]."""
        found = self._factors.solve(self._columns.T @ values)
        size = self._shape[0] * self._shape[1]
        spline = NdBSpline(self._knots, found[:size].reshape(self._shape), DEGREE)
        return OnMesh(spline, found[size:], self._functions, equation)


def _knots(lower: float, extent: float, spacing: float) -> Array:
    """Equal intervals over [lower, lower + extent], with the ends' knots repeated."""
    inner = np.linspace(lower, lower + extent, max(2, round(extent / spacing) + 1))
    return np.concatenate([np.full(DEGREE, inner[0]), inner, np.full(DEGREE, inner[-1])])


def _products(first: csr_array, second: csr_array) -> csr_array:
    """Row by row the products of all entries of two matrices with equally many entries in all rows."""
    rows, columns = first.shape[0], second.shape[1]
    (a, i), (b, j) = ((m.data.reshape(rows, -1), m.indices.reshape(rows, -1)) for m in (first, second))
    values = (a[:, :, None] * b[:, None, :]).reshape(rows, -1)
    places = (i[:, :, None].astype(np.int64) * columns + j[:, None, :]).reshape(rows, -1)
    start = np.arange(rows + 1) * values.shape[1]
    return csr_array((values.ravel(), places.ravel(), start), shape=(rows, first.shape[1] * columns))


def _roughness(shape: tuple[int, int]) -> csr_array:
    """The sum of squares of third differences along both axes of coefficients."""
    parts = []
    for count in shape:
        difference = diags_array([-1.0, 3.0, -3.0, 1.0], offsets=[0, 1, 2, 3], shape=(count - 3, count))
        parts.append(difference.T @ difference)
    return csr_array(kron(parts[0], eye_array(shape[1])) + kron(eye_array(shape[0]), parts[1]))
