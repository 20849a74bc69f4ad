"""Additive Runge-Kutta schemes: a diagonally implicit tableau for what is stiff and linear, an explicit one beside."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from pdemill.points import Array

NEAREST = 2
"""Stages that the slope at another one is predicted from: three take more corrections than two."""


@dataclass(frozen=True, eq=False)
class Tableau:
    """u' = L(u) + N(u): z_i = u + dt sum_j (implicit_ij L(z_j) + explicit_ij N(z_j)), and the step is
    u + dt sum_i weights_i L(z_i) + explicit_weights_i N(z_i).

    The first stage is u itself; all others have the same ``gamma`` on the diagonal of ``implicit``, so that a step has
    one matrix.
    """

    order: int
    implicit: Array
    explicit: Array
    weights: Array
    explicit_weights: Array

    @property
    def stages(self) -> int:
        return len(self.weights)

    @property
    def gamma(self) -> float:
        """The diagonal of the implicit tableau."""
        return float(self.implicit[-1, -1])

    @cached_property
    def nodes(self) -> Array:
        """Where in the step the stages are, the same of both tableaus: z_i is near u(t + nodes_i dt)."""
        return np.asarray(self.implicit.sum(axis=1))

    @cached_property
    def predictor(self) -> Array:
        """What L is about at each stage, from those before: by the line through the two nearest in time."""
        times, found = self.nodes, np.zeros_like(self.implicit)
        for i in range(1, self.stages):
            near = np.argsort(np.abs(times[:i] - times[i]), kind="stable")[:NEAREST]
            for j in near:
                others = times[near[near != j]]
                found[i, j] = np.prod((times[i] - others) / (times[j] - others))
        return found

    @cached_property
    def amplification(self) -> Array:
        """For each stage: the most that a defect of its system, in units of u, adds to the step, for u' = z u and all
        z <= 0."""
        z = -np.concatenate([[0.0], np.logspace(-3.0, 8.0, 1111)])
        found = np.zeros(self.stages)
        for stage in range(1, self.stages):
            slopes = np.zeros((self.stages, z.size))  # dt L(z_j), as it is computed from the solved system
            for i in range(1, self.stages):
                known = self.implicit[i, :i] @ slopes[:i]
                value = (known + (1.0 if i == stage else 0.0)) / (1.0 - self.gamma * z)
                slopes[i] = (value - known) / self.gamma
            found[stage] = np.abs(self.weights @ slopes).max()
        return found


@dataclass(frozen=True, eq=False)
class ExplicitTableau:
    """z_i = u + dt sum_j matrix_ij f(z_j) for j < i, and the step is u + dt sum_i weights_i f(z_i). ``reach``: for u' =
    i w u and u' = -w u it is stable as long as w dt is at most this."""

    order: int
    matrix: Array
    weights: Array
    reach: float

    @cached_property
    def nodes(self) -> Array:
        """Where in the step the stages are."""
        return np.asarray(self.matrix.sum(axis=1))


R = Fraction
type Row = list[Fraction]


def _tableau(order: int, implicit: list[Row], explicit: list[Row], weights: Row, others: Row) -> Tableau:
    def square(rows: list[Row]) -> Array:
        made = np.zeros((len(weights), len(weights)))
        for i, row in enumerate(rows, 1):
            made[i, : len(row)] = [float(entry) for entry in row]
        return made

    first, second = (np.array([float(b) for b in row]) for row in (weights, others))
    return Tableau(order, square(implicit), square(explicit), first, second)


def _ark4() -> Tableau:
    g = R(1, 4)
    weights = [R(82889, 524892), R(0), R(15625, 83664), R(69875, 102672), R(-2260, 8211), g]
    implicit = [
        [g, g],
        [R(8611, 62500), R(-1743, 31250), g],
        [R(5012029, 34652500), R(-654441, 2922500), R(174375, 388108), g],
        [R(15267082809, 155376265600), R(-71443401, 120774400), R(730878875, 902184768), R(2285395, 8070912), g],
        weights,
    ]
    explicit = [
        [R(1, 2)],
        [R(13861, 62500), R(6889, 62500)],
        [
            R(-116923316275, 2393684061468), R(-2731218467317, 15368042101831), R(9408046702089, 11113171139209),
        ],
        [
            R(-451086348788, 2902428689909), R(-2682348792572, 7519795681897), R(12662868775082, 11960479115383),
            R(3355817975965, 11060851509271),
        ],
        [
            R(647845179188, 3216320057751), R(73281519250, 8382639484533), R(552539513391, 3454668386233),
            R(3354512671639, 8306763924573), R(4040, 17871),
        ],
    ]  # fmt: skip
    return _tableau(4, implicit, explicit, weights, weights)


def _ark3() -> Tableau:
    g = R(1767732205903, 4055673282236)
    weights = [
        R(1471266399579, 7840856788654), R(-4482444167858, 7529755066697), R(11266239266428, 11593286722821), g,
    ]  # fmt: skip
    implicit = [[g, g], [R(2746238789719, 10658868560708), R(-640167445237, 6845629431997), g], weights]
    explicit = [
        [R(1767732205903, 2027836641118)],
        [R(5535828885825, 10492691773637), R(788022342437, 10882634858940)],
        [
            R(6485989280629, 16251701735622), R(-4246266847089, 9704473918619), R(10755448449292, 10357097424841),
        ],
    ]  # fmt: skip
    return _tableau(3, implicit, explicit, weights, weights)


def _ars2() -> Tableau:
    g = R(1.0 - 0.5**0.5)
    d = 1 - 1 / (2 * g)
    return _tableau(2, [[R(0), g], [R(0), 1 - g, g]], [[g], [d, 1 - d]], [R(0), 1 - g, g], [d, 1 - d, R(0)])


ARK4, ARK3, ARS2 = _ark4(), _ark3(), _ars2()
"""ARK4(3)6L[2]SA and ARK3(2)4L[2]SA: Kennedy and Carpenter 2003, "Additive Runge-Kutta schemes for
convection-diffusion-reaction equations", Appl. Numer. Math. 44, appendix C. ARS(2,2,2): Ascher, Ruuth and Spiteri 1997,
"Implicit-explicit Runge-Kutta methods", Appl. Numer. Math. 25, section 2.6. All are L-stable in what is implicit."""

RK4 = ExplicitTableau(
    4, np.diag([0.5, 0.5, 1.0], -1), np.array([1.0, 2.0, 2.0, 1.0]) / 6.0, 2.78,
)  # fmt: skip
"""Kutta 1901, "Beitrag zur näherungsweisen Integration totaler Differentialgleichungen"."""
