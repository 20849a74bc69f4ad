"""Residuals of the sparse operators that a store keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import Fault, SpecError
from pdemill.solvers.residuals.residual import Residual, check_kinds, is_tensor, told

type Numbers = NDArray[np.int64]


class Pattern:
    """Rows and columns of the entries of matrices, and where the unknowns stand among the values of u."""

    def __init__(self, indptr: Numbers, indices: Numbers, unknowns: Numbers) -> None:
        self.begins = np.asarray(indptr[:-1], np.int64)
        self.columns = np.asarray(indices, np.int64)
        self.rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        self.unknowns = np.asarray(unknowns, np.int64)

    def applied(self, values: Any, rhs: Any, u: Any) -> Any:
        """b - A u for unknowns u [n, rows], in numpy."""
        return rhs - np.add.reduceat(values * u[:, self.columns], self.begins, axis=1)


class Stored(Residual):
    """Of a store that keeps operators, whose batches hold ``operator`` [n, entries] and ``rhs`` [n, rows].

    ``residual(operator, rhs, u)`` with u as the store holds solutions, [n, *space] or [n, 1, *space], is b - A u at the
    unknowns, shaped as u, and 0 where u is given by the sides: there u is not looked at, its data are in b. On meshes
    b - A u is weak, the integral of (f + div(k grad u) - b . grad u - c u) with each basis function; on boxes it is the
    mean over a cell. It is what certificates are made of, to the type that the store has. It is differentiable in all
    three, once. ``energy(operator, rhs, u)`` is u'A u / 2 - b'u [n], of symmetric problems; its gradient in u is minus
    the residual.
    """

    def __init__(self, pattern: Pattern, shape: tuple[int, ...], symmetric: bool) -> None:
        self.pattern, self.shape, self.symmetric = pattern, shape, symmetric
        self._placed: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"Stored({len(self.pattern.begins):,} rows, {len(self.pattern.columns):,} entries)"

    def __call__(self, operator: Any, rhs: Any, u: Any) -> Any:
        self._check(operator, rhs, u)
        flat = u.reshape(len(u), -1)
        if is_tensor(u):
            return self._of_tensors(u).placed(operator, rhs, flat).reshape(u.shape)
        found = np.zeros_like(flat)
        found[:, self.pattern.unknowns] = self.pattern.applied(operator, rhs, flat[:, self.pattern.unknowns])
        return found.reshape(u.shape)

    def energy(self, operator: Any, rhs: Any, u: Any) -> Any:
        """u'A u / 2 - b'u, per sample [n]."""
        if not self.symmetric:
            raise SpecError([Fault(("problem", "family"), "has no energy: its operator is not symmetric")])
        self._check(operator, rhs, u)
        flat = u.reshape(len(u), -1)
        if is_tensor(u):
            pattern = self._of_tensors(u)
            unknowns = flat[:, pattern.unknowns]
            left = pattern.applied(operator, rhs, unknowns)
        else:
            unknowns = flat[:, self.pattern.unknowns]
            left = self.pattern.applied(operator, rhs, unknowns)
        return -0.5 * ((left + rhs) * unknowns).sum(1)

    def _of_tensors(self, u: Any) -> Any:
        from pdemill.solvers.residuals.sparse_torch import TorchPattern  # late: loads PyTorch

        if u.device not in self._placed:
            self._placed[u.device] = TorchPattern(self.pattern, u.device)
        return self._placed[u.device]

    def _check(self, operator: Any, rhs: Any, u: Any) -> None:
        for name, one in (("operator", operator), ("rhs", rhs)):
            check_kinds(one, u, name)
        lengths = {"operator": (operator, len(self.pattern.columns)), "rhs": (rhs, len(self.pattern.begins))}
        for name, (one, length) in lengths.items():
            if tuple(one.shape) != (len(u), length):
                raise ValueError(f"{name} should have the shape {[len(u), length]}, not {told(one)}")
        if tuple(u.shape[1:]) not in (self.shape, (1, *self.shape)):
            raise ValueError(f"u should have the shape {[len(u), *self.shape]}, not {told(u)}")
