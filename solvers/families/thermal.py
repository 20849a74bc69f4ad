"""Heat conduction in a plate of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import Field

from pdemill.solvers.families.poisson import UNIT, ZERO
from pdemill.spec.field import AnyField, Function, NonNegativeField, at_least
from pdemill.spec.problem import Coefficient, Problem, Terms


class Thermal(Problem):
    """-∇·(k ∇u) + c u = f; u is the temperature: darcy under the name that heat conduction in plates has here.

    Sides: a temperature (dirichlet), an inward heat flux (neumann; 0 insulates), or convective exchange
    (robin). Input: the conductivity k, the loss c, the heat source f and the data on the sides, those that are
    random. Output: u. Operator: symmetric, definite, the same for every sample unless k, c or a Robin
    coefficient is random. Defaults: k = 1, c = 0, f = 0, u = 0 on all sides. P1 elements are second
    order in h, P2 third, on convex shapes; corners that turn inwards lower the order to about 4/3.
    """

    family: Literal["thermal"]
    coefficient: Coefficient = UNIT
    source: AnyField = ZERO
    reaction: NonNegativeField = Field(default=ZERO, exclude_if=lambda value: value == ZERO)
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)
    not_negative: ClassVar[tuple[str, ...]] = ("reaction",)

    @property
    def damped(self) -> bool:
        return at_least(self.reaction) > 0

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (reaction,), (source,) = drawn("reaction"), drawn("source")
        return Terms(diffusion=drawn("coefficient"), source=source, reaction=reaction)
