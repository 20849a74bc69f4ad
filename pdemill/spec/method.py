"""The base of methods: options of a solver, and the problems it admits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from pdemill.errors import Fault, MissingExtra
from pdemill.spec.model import AsNumber, Model
from pdemill.spec.problem import Problem
from pdemill.spec.registry import Registry, Slot
from pdemill.spec.shown import undecided

MOST_RECYCLED = 16e9
"""Most bytes of a process for recycled vectors and what is worked on with them."""

Preconditioner = Literal["none", "jacobi", "bjacobi", "sor", "icc", "ilu", "asm", "gamg"]

Iterations = Annotated[int, Field(ge=1, le=2_000_000_000)]
"""Most iterations of a solve: PETSc counts them in 32 bits."""


class Method(Model):
    """Base of all methods. A subclass is one file: its options, whom it admits, and how it is made."""

    method: str
    solves: ClassVar[Literal["systems", "walks", "steps", "any"]]
    """The kind of problem that it solves: those that become linear systems, those at points, or those in time."""
    misplaced: ClassVar[str]
    """The fault of a spec that asks for it where it solves nothing."""

    def objection(self, problem: Problem) -> Fault | None:
        """Why this method cannot solve the problem, with what to choose instead; None when it can."""
        return None

    def missing(self) -> MissingExtra | None:
        """What to raise where it cannot run because something is not installed; None where everything is there."""
        return None

    @property
    def array_ids(self) -> tuple[str, ...]:
        """The ids of the users' arrays that it reads."""
        return ()

    written_out: ClassVar[Mapping[str, Any]] = {}
    """What the stores of earlier versions say of options that were left out, where another default has come since."""

    def resolve(self, problem: Problem) -> Method:
        """The method that will really run: itself, unless an option is ``auto``."""
        return self

    def meaning(self, problem: Problem) -> dict[str, Any]:
        """What the hash of a spec takes instead of options as they are written."""
        return {}

    def seconds(self, problem: Problem, unknowns: int) -> float:
        """About how many CPU seconds one system of this size takes; may be off by several times."""
        return 1e-5 * unknowns

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        annotation = cls.model_fields["method"].annotation
        if annotation is not str:
            methods.add(get_args(annotation)[0], cls)


class LinearMethod(Method):
    """Base of the methods that solve linear systems A u = b.

    ``rtol`` bounds the relative residual ||b - A u|| / ||b|| (2-norm) of every certified sample.
    ``sort`` is the order in which a shard is solved: greedy nearest neighbours, Hilbert curve, clusters of samples
    whose solutions on a coarse grid have small angles between them (boxes), or as drawn.
    ``guess`` is where the solves of one matrix begin: in the span of the shard's earlier solutions, or at zero.
    """

    solves: ClassVar[Literal["systems", "walks", "steps", "any"]] = "systems"
    misplaced: ClassVar[str] = (
        "solves for whole fields: give problem.resolution instead of problem.points, or use walks"
    )
    rtol: Annotated[float, Field(ge=1e-13, le=1e-1), AsNumber] = 1e-8
    sort: Literal["auto", "greedy", "hilbert", "clusters", "none"] = "auto"
    guess: Literal["span", "zero"] = "span"
    within: ClassVar[float | None] = None
    """The part of a right-hand side that a combination of earlier solutions may leave if a method is to begin there.
    0: combinations are of use as solutions only; None: the method costs no more than they do."""

    learns: ClassVar[bool] = False
    """Whether it begins with samples of its own, drawn for it alone: it is of no use for a few samples."""

    stand_ins: ClassVar[tuple[str, ...]] = ()
    """Methods that its solver may go on with by itself, beside ``direct``; solutions tell which."""

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        """The options with which ``auto`` should consider this method for such a problem; none by default.

        Those that ``objection`` refuses need not be left out.
        """
        return ()

    @property
    def title(self) -> str:
        """How a plan calls it."""
        return self.method

    @property
    def recycles(self) -> bool:
        """Whether solving similar systems one after another makes it faster."""
        return False

    def setup_seconds(self, problem: Problem, unknowns: int) -> float:
        """About how many CPU seconds every process takes once for a job."""
        return 0.0

    def factor_bytes(self, problem: Problem, unknowns: int) -> float:
        """About how many bytes the factors of a matrix have."""
        return 0.0

    def recycled_bytes(self, problem: Problem, unknowns: int) -> float:
        """About how many bytes recycled vectors have, and what is worked on with them."""
        return 0.0

    def memory(self, problem: Problem, unknowns: int) -> float:
        """About how many bytes a process needs to solve, beside the systems themselves."""
        return 500.0 * unknowns

    @abstractmethod
    def solver(self) -> Any:
        """A new solver with these options."""


methods: Registry[Method] = Registry("method", "method")
AnyMethod = Annotated[Method, Slot(methods, Method, "Method")]


def sort_objection(method: Method, problem: Problem) -> Fault | None:
    """Why the samples of a problem cannot be ordered as a method asks; None when they can."""
    if not isinstance(method, LinearMethod) or method.sort != "clusters":
        return None
    if problem.structured and problem.linear and not problem.evolves:
        return None
    why = "linear equations without time on boxes, whose grids can be coarsened: use greedy"
    return Fault(("sort",), f"clusters are of {why}")


def krylov_seconds(preconditioner: Preconditioner, problem: Problem, unknowns: int, per_step: float) -> float:
    """About how many CPU seconds a Krylov method takes: the iterations of a preconditioned elliptic operator grow
    with the unknowns along one axis, those of multigrid do not. ``per_step``: seconds per iteration and unknown."""
    if preconditioner == "gamg":
        return 5e-5 + 9e-7 * unknowns
    along = unknowns ** (1 / problem.dimension)
    iterations = along * {"none": 3.0, "jacobi": 2.5}.get(preconditioner, 1.0)
    if problem.dimension == 1 and preconditioner in ("icc", "ilu"):
        iterations = 3.0  # as long as factors and a step take: those of a tridiagonal matrix are complete
    return float(1e-5 + per_step * iterations * unknowns)


def needs_symmetry(preconditioner: str, problem: Problem) -> Fault | None:
    """The fault of an incomplete Cholesky factorisation of a matrix that has none."""
    known = problem.properties
    if preconditioner == "icc" and not (undecided(problem) or (known.symmetric and known.definite)):
        return Fault(
            ("preconditioner",), f"icc needs a symmetric definite operator, and {problem.family} is not: use ilu"
        )
    return None


def recycles_too_much(method: LinearMethod, problem: Problem) -> Fault | None:
    """The fault of recycled vectors that take more memory than a process should have."""
    needed = method.recycled_bytes(problem, problem.system_size)
    if needed <= MOST_RECYCLED:
        return None
    why = f"would take {needed:,.0f} bytes of every process for its vectors, more than {MOST_RECYCLED:,.0f}"
    return Fault(("recycle",), f"{why}; choose a smaller number, or another solver.method")
