"""Marching samples whose equation is not linear in what is stiff: stages by Newton's iteration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.equation import NonlinearEquation
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.schemes.in_step import in_step
from pdemill.solvers.schemes.steps import Asking, Servant, StepSolver
from pdemill.solvers.tableaus import Tableau

ROUNDING = 1e-12
"""Part of what a stage starts from below which its defect is rounding."""
FORCING = 5e-2
"""The part of a defect that one correction may leave."""
SLOW, MOST = 0.03, 12
"""A correction that leaves more than this part of the defect was the last one with its Jacobian; most of a stage."""


class ImplicitMarch:
    """u' = -R(u) of several samples, one row each, by the implicit tableau of a scheme (ESDIRK). A stage z with
    c (z - known) + R(z) = 0, c = 1 / (gamma dt), is found by Newton's iteration with an earlier Jacobian, also of
    another stage or step, as long as its corrections leave little. A row that fails becomes NaN.

    ``tolerance``: the most that the defects of the stages of a unit of time may add up to, relative to what varies.
    """

    def __init__(
        self, equations: Sequence[NonlinearEquation], tableau: Tableau, servant: Servant, tolerance: float
    ) -> None:  # fmt: skip
        self.equations, self.tableau, self._servant, self._tolerance = equations, tableau, servant, tolerance
        self._systems = [StepSolver(equation, servant) for equation in equations]
        self.left = np.zeros((len(equations), 1))

    def advance(self, u: Array, interval: float, steps: int, begin: float = 0.0) -> None:
        """Advance the states u [rows, n] in place by so many equal steps, from whatever time: the equations do not
        know."""
        states = [one.content(row.copy()) for one, row in zip(self.equations, u, strict=True)]
        for _ in range(steps):
            tasks = [self._step(row, state, interval / steps) for row, state in enumerate(states)]
            with np.errstate(all="ignore"):
                found = in_step(tasks, self._servant.serve)
            states = [state for state, _ in found]
            self.left[:, 0] += [left for _, left in found]
        for row, (one, state) in enumerate(zip(self.equations, states, strict=True)):
            u[row] = one.values(state)

    def _step(self, row: int, u: Array, step: float) -> Asking[tuple[Array, float]]:
        tableau, shift = self.tableau, 1.0 / (self.tableau.gamma * step)
        share = self._tolerance * step / tableau.amplification[1:].sum()
        values = self.equations[row].values(u)
        limit = share * two_norm(values - values.mean())
        slopes, z, left = [self.equations[row].residual(u)], u, 0.0
        for i in range(1, tableau.stages):
            known = _combined(u, slopes, step * tableau.implicit[i, :i])
            expected = known + np.tensordot(tableau.predictor[i, :i], np.stack(slopes), 1) / shift
            enough = max(limit, ROUNDING * two_norm(known))
            found = yield from self._stage(row, expected, known, shift, enough)
            if found is None:
                found = yield from self._stage(row, z, known, shift, enough)
            if found is None:
                return np.full_like(u, np.nan), np.inf
            z, defect = found
            slopes.append(shift * (z - known))
            left += float(tableau.amplification[i]) * defect
        return _combined(u, slopes, step * tableau.weights), left

    def _stage(
        self, row: int, guess: Array, known: Array, shift: float, limit: float
    ) -> Asking[tuple[Array, float] | None]:
        """z and its defect in units of z; None where the iteration does not end."""
        equation, systems, z, before = self.equations[row], self._systems[row], guess, np.inf
        for _ in range(MOST):
            rest = shift * (known - z) + equation.residual(z)
            defect = two_norm(rest) / shift
            if defect <= limit:
                return z + rest.mean() / shift if equation.keeps_sums else z, defect
            if not np.isfinite(defect):
                return None
            d = yield from systems.chord(z, rest, FORCING, shift, renew=defect > SLOW * before)
            if d is None:
                return None
            z, before = z + d, defect
        return None


def _combined(u: Array, slopes: list[Array], weights: Array) -> Array:
    out = u.copy()
    for slope, weight in zip(slopes, weights, strict=True):
        if weight:
            out += weight * slope
    return out
