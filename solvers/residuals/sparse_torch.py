"""Products of many sparse matrices on one pattern, that PyTorch differentiates. Loads PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pdemill.solvers.residuals.stored import Pattern


class TorchPattern:
    """A pattern on a device."""

    def __init__(self, pattern: Pattern, device: Any) -> None:
        parts = pattern.rows, pattern.columns, pattern.unknowns
        self.rows, self.columns, self.unknowns = (torch.tensor(part, device=device) for part in parts)

    def applied(self, values: Any, rhs: Any, u: Any) -> Any:
        """b - A u for unknowns u [n, rows]."""
        return _Applied.apply(self, values, rhs, u)

    def placed(self, values: Any, rhs: Any, u: Any) -> Any:
        """The same for all values u [n, values], 0 where these are no unknowns."""
        found = self.applied(values, rhs, u[:, self.unknowns])
        return torch.zeros_like(u).index_copy(1, self.unknowns, found)


class _Applied(torch.autograd.Function):  # type: ignore[misc]
    """b - A u. Its adjoint is written by hand: -A'g in u, g in b, -g_i u_j in the entry (i, j) of A."""

    @staticmethod
    def forward(ctx: Any, pattern: TorchPattern, values: Any, rhs: Any, u: Any) -> Any:
        ctx.pattern = pattern
        ctx.save_for_backward(values, u)
        return rhs.clone().index_add_(1, pattern.rows, values * u[:, pattern.columns], alpha=-1.0)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, g: Any) -> Any:
        values, u = ctx.saved_tensors
        rows, columns = ctx.pattern.rows, ctx.pattern.columns
        spread = g[:, rows]
        of_values = -spread * u[:, columns] if ctx.needs_input_grad[1] else None
        of_u = (
            torch.zeros_like(u).index_add_(1, columns, values * spread, alpha=-1.0) if ctx.needs_input_grad[3] else None
        )
        return None, of_values, g if ctx.needs_input_grad[2] else None, of_u
