"""An independent solution on the unit square: dense Chebyshev collocation, by numpy alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from pdemill.points import Array, CloudPoints
from pdemill.solvers.instance import Instance
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms
from pdemill.testing.compliance import ComplianceError

DEGREE = 22
KNOWN = ("diffusion", "source", "convection", "reaction")
SIDES = tuple(side for pair in BOX_SIDES[:2] for side in pair)


class Square:
    """-∇·(k ∇u) + b·∇u + c u = f at the Chebyshev points of [0, 1]^2, with a row of each side's condition there.

    Values are flat, y running fastest. Source: Trefethen 2000, "Spectral methods in MATLAB", chapters 6, 7 and 13.
    """

    def __init__(self, degree: int = DEGREE) -> None:
        self.nodes = 0.5 - 0.5 * np.cos(np.pi * np.arange(degree + 1) / degree)
        self._weights = (-1.0) ** np.arange(degree + 1)
        self._weights[[0, -1]] *= 0.5
        slope, unit = self._slope(), np.eye(degree + 1)
        self.gradient = np.kron(slope, unit), np.kron(unit, slope)
        self._second = np.kron(slope @ slope, unit), np.kron(unit, slope @ slope)
        self.places = np.stack([part.ravel() for part in np.meshgrid(self.nodes, self.nodes, indexing="ij")])
        self.points = CloudPoints(self.places, (0.0, 0.0), (1.0, 1.0))

    def _slope(self) -> Array:
        apart = self.nodes[:, None] - self.nodes + np.eye(len(self.nodes))
        matrix = self._weights / self._weights[:, None] / apart
        np.fill_diagonal(matrix, 0.0)
        return np.asarray(matrix - np.diag(matrix.sum(axis=1)))

    def values(self, function: Function) -> Array:
        """A function at the points."""
        return np.array(np.broadcast_to(function(self.points), self.points.shape), dtype=float)

    def operator(self, terms: Terms) -> Array:
        """The matrix of all terms but the source."""
        unknown = [name for name, _ in terms.present() if name not in KNOWN]
        if unknown:
            raise ComplianceError(
                f"the reference knows no {unknown[0]} term: add it to solvers/compliance/reference.py"
            )
        k = [self.values(function) for function in terms.diffusion]
        b = [self.values(function) for function in terms.convection]
        matrix = np.zeros((len(self.places[0]),) * 2)
        for axis in range(2):
            along = k[axis % len(k)]
            matrix -= along[:, None] * self._second[axis]
            matrix -= (self.gradient[axis] @ along)[:, None] * self.gradient[axis]
            if b:
                matrix += b[axis][:, None] * self.gradient[axis]
        if terms.reaction is not None:
            matrix += np.diag(self.values(terms.reaction))
        return matrix

    def solution(self, sample: Instance) -> Array:
        """u of a sample, at the points; where a Dirichlet side meets another one its data hold."""
        matrix, rhs = self.operator(sample.terms), self.values(sample.terms.source)
        for side in sorted(SIDES, key=lambda side: sample.problem.conditions[side].essential):
            rows = self.on(side)
            condition, data = sample.condition(side)
            values = {name: self.along(sample, side, function) for name, function in data.items()}
            match condition.kind():
                case "dirichlet":
                    matrix[rows], rhs[rows] = np.eye(len(rhs))[rows], values["dirichlet"]
                case "neumann":
                    matrix[rows], rhs[rows] = self.flux(sample.terms, side), values["neumann"]
                case "robin":
                    exchange = values["coefficient"][:, None] * np.eye(len(rhs))[rows]
                    matrix[rows], rhs[rows] = self.flux(sample.terms, side) + exchange, values["value"]
                case other:
                    raise ComplianceError(f"the reference knows no {other} sides: leave them out of boundary")
        return np.asarray(np.linalg.solve(matrix, rhs))

    def on(self, side: str) -> Any:
        """The numbers of the points on a side."""
        axis, end = divmod(SIDES.index(side), 2)
        return np.flatnonzero(self.places[axis] == float(end))

    def along(self, sample: Instance, side: str, function: Function) -> Array:
        """The data of a side at its points: functions of the other axis alone where the sides of its place are."""
        rows, axis = self.on(side), SIDES.index(side) // 2
        points = CloudPoints(
            self.places[:, rows], (0.0, 0.0), (1.0, 1.0), axis if sample.problem.flat_sides else None, lasting=False
        )
        return np.array(np.broadcast_to(function(points), points.shape), dtype=float)

    def flux(self, terms: Terms, side: str) -> Array:
        """The rows of k du/dn on a side."""
        axis, end = divmod(SIDES.index(side), 2)
        k = self.values(terms.diffusion[axis % len(terms.diffusion)])
        rows = self.on(side)
        return np.asarray((2 * end - 1) * k[rows, None] * self.gradient[axis][rows])

    def at(self, values: Array, places: Array) -> Array:
        """The polynomial through ``values`` at places [2, ...]."""
        across, along = (self._interpolation(part.ravel()) for part in places)
        table = values.reshape(len(self.nodes), -1)
        return np.asarray(np.einsum("pi,ij,pj->p", across, table, along).reshape(places.shape[1:]))

    def _interpolation(self, x: Array) -> Array:
        apart = x[:, None] - self.nodes
        hit = np.abs(apart) < 1e-14
        matrix = self._weights / np.where(hit, 1.0, apart)
        matrix[hit.any(axis=1)] = hit[hit.any(axis=1)]
        return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


@cache
def square() -> Square:
    """The reference, made once."""
    return Square()
