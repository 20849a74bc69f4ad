"""Heat conduction in a plate of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Terms
from solvers.families.mesh import MeshProblem
from solvers.families.poisson import UNIT
from solvers.fields.constant import Constant


class Thermal(MeshProblem):
    """-∇·(k ∇u) = f on a polygon with holes; u is the temperature.

    Sides: a temperature (dirichlet), an inward heat flux (neumann; 0 insulates), or convective exchange
    (robin). Input: the conductivity k, the heat source f and the data on the sides, those that are
    random. Output: u at the nodes. Operator: symmetric, definite, the same for every sample unless k or
    a Robin coefficient is random. Defaults: k = 1, f = 0, u = 0 on all sides. P1 elements are second
    order in h, P2 third, on convex shapes; corners that turn inwards lower the order to about 4/3.
    """

    family: Literal["thermal"]
    coefficient: PositiveField = UNIT
    source: AnyField = Constant(constant=0.0)
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient",)
    positive: ClassVar[tuple[str, ...]] = ("coefficient",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,) = drawn("source")
        return Terms(diffusion=drawn("coefficient"), source=source)
