"""Deep conjugate directions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pdemill.arrays import find
from pdemill.errors import ArrayError, Fault
from pdemill.solvers.directions.admission import missing
from pdemill.solvers.methods.multigrid import MultigridSolver
from pdemill.spec.array_file import without_file
from pdemill.spec.method import Iterations, LinearMethod
from pdemill.spec.model import Model, refuse
from pdemill.spec.problem import Problem

if TYPE_CHECKING:
    from pdemill.solvers.directions.network import Network
    from pdemill.solvers.directions.solver import DcdmSolver

CORRECTIONS = 200
"""Most iterations by multigrid, which finds the corrections that certify a solution: they owe the network nothing."""


class TrainedDirections(Model):
    """A network of ``pdemill train-directions``: ``array``, the id of its content; the command line and Python also
    take ``file``, the NPZ file that was written."""

    array: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, value: Any) -> Any:
        return without_file(value)

    @model_validator(mode="after")
    def _is_network(self) -> TrainedDirections:
        try:
            assert self.network
        except ArrayError as error:
            raise refuse(("array",), str(error), self.array) from None
        return self

    @cached_property
    def network(self) -> Network:
        """Raises ArrayError where there is no such array, or it is no network."""
        from pdemill.solvers.directions.network import Network  # late: few specs have one

        array = find(self.array)
        return Network.of(array.row(0).reshape(-1), array.facts.shape)


class Dcdm(LinearMethod):
    """Deep conjugate directions, Kaneda et al. 2023 (ICML): the directions of an iteration for symmetric definite
    matrices come from a network that was trained on matrices like them, each made A-orthogonal to the two before.
    Boxes of two and three axes without periodic sides.

    ``directions``: the network, ``{array: id}``, or ``{file: net.npz}`` on the command line and in Python. Samples
    whose residual it does not reduce go on with conjugate gradients and icc, which the column ``method`` tells.
    """

    method: Literal["dcdm"]
    directions: TrainedDirections
    max_iterations: Iterations = 1_000
    within: ClassVar[float | None] = 0.3
    stand_ins: ClassVar[tuple[str, ...]] = ("cg",)

    @property
    def array_ids(self) -> tuple[str, ...]:
        return (self.directions.array,)

    def objection(self, problem: Problem) -> Fault | None:
        if reason := missing(problem):
            return Fault(("method",), f"dcdm needs {reason}: use direct or auto")
        dimension = self.directions.network.architecture.dimension
        if dimension != problem.dimension:
            message = f"is a network for {dimension} dimensions, and the problem has {problem.dimension}"
            return Fault(("directions",), f"{message}: train one for it")
        return None

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return 2e-4 + 6e-7 * unknowns

    def memory(self, problem: Problem, unknowns: int) -> float:
        return 1200.0 * unknowns

    def solver(self) -> DcdmSolver:
        from pdemill.solvers.directions.solver import DcdmSolver  # late: a spec must not load the compiler
        from pdemill.solvers.multigrid.solver import GridSolver

        corrections = MultigridSolver(GridSolver, self.rtol, CORRECTIONS)
        return DcdmSolver(self.directions.network, self.rtol, self.max_iterations, corrections)
