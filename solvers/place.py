"""The base of the places where whole fields are solved for: grids and meshes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.operators.discretisation import Discretisation
    from pdemill.solvers.schemes.scheme import Scheme


class WholeFieldPlace(Problem):
    """Base of the places whose problems are solved for whole fields."""

    @property
    def systems(self) -> float:
        """How many linear systems a sample takes, about, each of the cost of one of a scalar."""
        return 1.0

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the numbers that a sample's solution is asked for besides its fields."""
        return ()

    @property
    def moves(self) -> bool:
        """Whether every sample has a mesh of its own."""
        return any(scalar.is_random for _, scalar in self.measures())

    @abstractmethod
    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> Discretisation:
        """The grid or mesh of a job; ``stored`` holds the arrays of the store if there is one already."""

    def scheme(self) -> Scheme:
        """How its equations are solved: at once, by default."""
        from pdemill.solvers.schemes.steady import Steady  # late: a spec must load no solver

        return Steady()
