"""What residuals need of PyTorch: its functions, and stencils that it differentiates. Loads PyTorch."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch

from pdemill.points import Array
from pdemill.solvers.residuals.stencil import Stencil
from pdemill.solvers.residuals.values import Value


class TorchOps:
    """Of PyTorch, in the type and on the device of a tensor."""

    def __init__(self, like: Any) -> None:
        self._like = like
        self.place: Hashable = (like.dtype, like.device)

    def constant(self, values: Array) -> Any:
        return torch.tensor(values).to(self._like)

    def where(self, condition: Any, yes: Value, no: Value) -> Any:
        return torch.where(condition, yes, no)

    def expm1(self, values: Any) -> Any:
        return torch.expm1(values)

    def roll(self, values: Any, axis: int) -> Any:
        return torch.roll(values, -1, axis)

    def largest(self, values: Any, dimension: int) -> Any:
        return torch.amax(values, tuple(range(-dimension, 0)), keepdim=True)

    def mean(self, values: Any, dimension: int) -> Any:
        return torch.mean(values, tuple(range(-dimension, 0)), keepdim=True)

    def copy(self, values: Value, shape: tuple[int, ...]) -> Any:
        if isinstance(values, int | float):
            return self._like.new_full(shape, values)
        return values.expand(shape).clone(memory_format=torch.contiguous_format)


class _Applied(torch.autograd.Function):  # type: ignore[misc]
    """b - A u. Its adjoint is written by hand: -A'g in u, and what coefficients change in g . (b - A u)."""

    @staticmethod
    def forward(ctx: Any, stencil: Stencil, u: Any, *parts: Value) -> Any:
        ctx.stencil = stencil.without_parts()
        ctx.others = [
            (isinstance(part, torch.Tensor), None if isinstance(part, torch.Tensor) else part) for part in parts
        ]
        ctx.save_for_backward(u, *(part for part in parts if isinstance(part, torch.Tensor)))
        return stencil.with_parts(parts).applied(u, TorchOps(u))

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, g: Any) -> Any:
        u, *tensors = ctx.saved_tensors
        left = iter(tensors)
        parts = [next(left) if kept else other for kept, other in ctx.others]
        stencil = ctx.stencil.with_parts(parts)
        ops = TorchOps(u)
        of_u = stencil.adjoint(g, ops) if ctx.needs_input_grad[1] else None
        if not any(ctx.needs_input_grad[2:]):
            return (None, of_u, *(None for _ in parts))
        found = stencil.of_parts(u, g, ops)
        wanted = zip(found, parts, ctx.needs_input_grad[2:], strict=True)
        return (None, of_u, *(_summed(make(), part) if needed else None for make, part, needed in wanted))


def _summed(gradient: Any, part: Any) -> Any:
    """A gradient, summed where its coefficient was spread."""
    return gradient.sum_to_size(part.shape) if gradient.shape != part.shape else gradient


def applied(stencil: Stencil, u: Any) -> Any:
    """b - A u, differentiable in u and in every coefficient."""
    return _Applied.apply(stencil, u, *stencil.parts())
