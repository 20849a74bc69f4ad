"""What discretisers of whole fields have in common: their jobs solve linear systems."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from pdemill.spec.discretiser import Discretiser
from pdemill.spec.method import LinearMethod, Method
from pdemill.spec.problem import Problem
from solvers.methods.direct import Direct
from solvers.planning.candidates import candidates

if TYPE_CHECKING:
    from pdemill.spec.job import Spec
    from solvers.estimate import Cost
    from solvers.field_job import FieldJob
    from solvers.operators.discretisation import Discretisation
    from solvers.schemes.scheme import Scheme


class WholeFieldPlace(Problem):
    """Base of the places whose problems are solved for whole fields."""

    @abstractmethod
    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> Discretisation:
        """The grid or mesh of a job; ``stored`` holds the arrays of the store if there is one already."""

    def scheme(self) -> Scheme:
        """How its equations are solved: at once, by default."""
        from solvers.schemes.steady import Steady  # late: a spec must load no solver

        return Steady()


class WholeFields(Discretiser):
    """Base of the discretisers that make linear systems, each solved by a ``LinearMethod``."""

    place: ClassVar[type[Problem]]

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> FieldJob:
        from solvers.field_job import FieldJob  # late: a spec must load no solver

        return FieldJob(spec, stored, chosen)

    @classmethod
    def cost(cls, spec: Spec) -> Cost:
        from solvers.field_cost import cost  # late: as above

        return cost(spec)

    @classmethod
    def automatic(cls, problem: Problem, options: LinearMethod) -> Method:
        """The method with the lowest estimate; a job may find a better one by trial."""
        known = candidates(problem, problem.size, options.rtol, options.sort, options.guess)
        given = {"rtol": options.rtol, "sort": options.sort, "guess": options.guess}
        return known[0] if known else Direct.model_validate({"method": "direct", **given})
