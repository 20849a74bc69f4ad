"""What users hold: residuals and energies of batches."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pdemill.errors import Fault, SpecError
from pdemill.solvers.residuals.box import stencil_of
from pdemill.solvers.residuals.stencil import Stencil
from pdemill.solvers.residuals.terms import Grid
from pdemill.solvers.residuals.values import NumpyOps, Ops


def is_tensor(values: Any) -> bool:
    """Whether it is one of PyTorch's, which is not loaded to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


class Residual(ABC):
    """What u leaves over in its discrete equation, for arrays of numpy and for tensors of PyTorch alike. Tensors stay
    on their device, in their type, and on the way of gradients. What is called with depends on the kind: inputs and u
    on boxes, with times where it is in time; the operator, its right-hand side and u where a store keeps these."""

    @abstractmethod
    def __call__(self, *batch: Any) -> Any:
        """b - A u, shaped as u."""

    @abstractmethod
    def energy(self, *batch: Any) -> Any:
        """u'A u / 2 - b'u, in units of an integral, per sample [n], of symmetric problems."""


class OfBoxes(Residual):
    """What residuals on boxes share."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.shape, self.volume = grid.shape, grid.volume
        self.channels = tuple(grid.channels)

    def __repr__(self) -> str:
        cells = " x ".join(map(str, self.shape))
        return f"{type(self).__name__}({self.grid.problem.family}, {cells} cells, inputs {', '.join(self.channels)})"

    def _stencil(self, inputs: Any) -> Stencil:
        ops = ops_of(inputs)
        return stencil_of(self.grid, self.grid.terms(inputs, ops), ops)

    def _check(self, inputs: Any, u: Any, *behind: int) -> None:
        """Raise ValueError unless both have the shapes of a batch; ``behind``: axes of u behind that of the sample."""
        check_kinds(inputs, u)
        wanted = (len(self.channels), *self.shape)
        if len(inputs.shape) != len(wanted) + 1 or tuple(inputs.shape[1:]) != wanted:
            raise ValueError(f"inputs should have the shape [n, {', '.join(map(str, wanted))}], not {told(inputs)}")
        last = (*behind, *self.shape)
        if tuple(u.shape) not in ((len(inputs), *last), (len(inputs), 1, *last)):
            raise ValueError(f"u should have the shape {[len(inputs), *last]}, not {told(u)}")


class OnBox(OfBoxes):
    """On boxes, made of inputs [n, C, *space] as a store holds them.

    ``residual(inputs, u)`` with u [n, *space] or [n, 1, *space] is, in every cell, the mean of
    f + div(k grad u) - b . grad u - c u, in the units of f: what the certificate of a store calls b - A u. Both
    arguments are of one type. It is differentiable in u and in the inputs, once.
    ``energy(inputs, u)`` [n] is the integral of k |grad u|^2 / 2 + c u^2 / 2 - f u with what sides add, up to a
    constant; its gradient in u is minus the residual times ``volume``, that of a cell.
    """

    def __call__(self, inputs: Any, u: Any) -> Any:
        self._check(inputs, u)
        flat = u[:, 0] if len(u.shape) == len(self.shape) + 2 else u
        return applied(self._stencil(inputs), flat).reshape(u.shape)

    def energy(self, inputs: Any, u: Any) -> Any:
        self._check(inputs, u)
        flat = u[:, 0] if len(u.shape) == len(self.shape) + 2 else u
        stencil = self._stencil(inputs)
        if not stencil.symmetric:
            fault = Fault(("problem", "velocity"), "has no energy: its operator is not symmetric")
            raise SpecError([fault])
        left, load = applied(stencil, flat), applied(stencil, 0.0 * flat)
        return -0.5 * self.volume * ((left + load) * flat).reshape(len(flat), -1).sum(1)


def ops_of(inputs: Any) -> Ops:
    """The functions of the library of an array."""
    if is_tensor(inputs):
        from pdemill.solvers.residuals.with_torch import TorchOps  # late: loads PyTorch

        return TorchOps(inputs.detach())
    return NumpyOps(inputs.dtype)


def applied(stencil: Stencil, u: Any) -> Any:
    """b - A u, of tensors differentiable."""
    if is_tensor(u):
        from pdemill.solvers.residuals import with_torch  # late: loads PyTorch

        return with_torch.applied(stencil, u)
    return stencil.applied(u, NumpyOps(u.dtype))


def check_kinds(inputs: Any, u: Any, name_of_inputs: str = "inputs") -> None:
    """Raise ValueError unless both are arrays of numbers of one type, of one library and on one device."""
    for name, value in ((name_of_inputs, inputs), ("u", u)):
        if not is_tensor(value) and not isinstance(value, np.ndarray):
            raise ValueError(f"{name} should be an array of numpy or a tensor of PyTorch, not {type(value).__name__}")
    if is_tensor(inputs) != is_tensor(u) or inputs.dtype != u.dtype:
        raise ValueError(f"{name_of_inputs} and u should be of one type, not {_kind(inputs)} and {_kind(u)}")
    if not str(u.dtype).endswith(("float32", "float64")):
        raise ValueError(f"u should be of float32 or float64, not {_kind(u)}")
    if is_tensor(u) and inputs.device != u.device:
        raise ValueError(f"{name_of_inputs} and u should be on one device, not {inputs.device} and {u.device}")


def _kind(values: Any) -> str:
    return f"{type(values).__name__} of {str(values.dtype).removeprefix('torch.')}"


def told(values: Any) -> list[int]:
    return list(values.shape)
