"""The base of discretisers: where a problem is solved, and which equations they take there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pdemill.errors import Path
from pdemill.spec.registry import Register
from pdemill.spec.unknowns import ScalarUnknown, Unknown

if TYPE_CHECKING:
    from pdemill.spec.certify import Certify
    from pdemill.spec.method import Method
    from pdemill.spec.problem import Problem


@dataclass(frozen=True)
class Takes:
    """The equations that a discretiser can discretise; whatever else an equation or a spec asks for is refused.

    terms       names of fields of ``Terms``
    conditions  keys of conditions on sides
    unknowns    one tuple of kinds for each set of unknowns
    tensor      whether the diffusion may be one function per axis
    negative    whether the reaction may be negative somewhere
    uniform     terms that must not vary in space: numbers, one per sample
    in_time     terms that may depend on t
    sides_in_time   whether data on sides may, other than what enters the matrix
    fluxes      ways to take convection that a spec may name
    """

    terms: frozenset[str]
    conditions: frozenset[str]
    unknowns: frozenset[tuple[type[Unknown], ...]] = frozenset({(ScalarUnknown,)})
    tensor: bool = True
    negative: bool = True
    uniform: frozenset[str] = frozenset()
    in_time: frozenset[str] = frozenset()
    sides_in_time: bool = False
    fluxes: frozenset[str] = frozenset({"auto"})


class Discretiser(ABC):
    """Base of all discretisers; none is ever instantiated. A subclass is one file that says what it takes and where its
    problems live, and opens their jobs. It registers itself under ``name``."""

    name: ClassVar[str]
    place: ClassVar[type[Problem]]
    """The keys of a spec that say where the problem is solved, such as ``domain`` and ``resolution``."""
    where: ClassVar[str]
    """In words: for whom lists the keys of a family."""
    suffix: ClassVar[str] = ""
    """Added to the name of a family's class."""
    takes: ClassVar[Takes]
    registered: ClassVar[bool] = True
    """Whether a spec can name it; else another one leads to it by ``of``."""
    points: ClassVar[str] = ""
    """Where on its grid fields are evaluated: at the centres of ``cells`` or at ``periodic`` points; empty without a
    grid."""
    general: ClassVar[bool] = False
    """Whether others that take a problem go first."""

    @classmethod
    def of(cls, family: type[Problem]) -> type[Discretiser]:
        """The discretiser that a family has under this name: one that no spec can name and that takes it, else this
        one."""
        return next((by for by in _relatives if by.name == cls.name and by.may_take(family)), cls)

    @classmethod
    @abstractmethod
    def suits(cls, problem: Mapping[str, Any]) -> bool:
        """Whether the ``problem`` part of a spec, not validated yet, reads as one of this discretiser."""

    @classmethod
    def misfit(cls, problem: Mapping[str, Any]) -> str | None:
        """Why it cannot be asked for beside these keys, the ``problem`` part of a spec; None where it can."""
        return None

    @classmethod
    def may_take(cls, family: type[Problem]) -> bool:
        """Whether there are problems of a family that it takes, as far as the class tells."""
        return True

    @classmethod
    def leaves_open(cls, spec: Any) -> bool:
        """Whether a spec leaves to a trial what solves it, so that a plan beside its store counts."""
        return bool(spec.solver.method == "auto")

    @classmethod
    def is_linear(cls, problem: Problem) -> bool:
        """Whether the matrices of a problem are the same whatever u is."""
        return problem.linear

    @classmethod
    def expected(cls, problem: Problem) -> Problem:
        """A problem with what its matrices are likely to be, where that is only shown when a job is opened."""
        return problem

    @classmethod
    def uncertified(cls, problem: Problem, certify: Certify) -> tuple[str, str] | None:
        """The option of ``certify`` that means nothing here, and why; None where there is none."""
        if certify.valid_until is not None:
            return "valid_until", f"is for equations in time, and {problem.family} is none"
        return None

    @classmethod
    def unlike(cls, problem: Problem, other: Problem) -> tuple[Path, str] | None:
        """What keeps two problems of one family from being splits of one store: where, and why; None where nothing."""
        return None

    @classmethod
    def no_operator(cls, problem: Problem) -> str | None:
        """Why ``store.operator`` is refused; None where a sample has one sparse operator that is worth keeping."""
        return f"is kept of steady linear equations on grids and meshes: {problem.family} has no one operator here"

    @classmethod
    def state_numbers(cls, spec: Any) -> int:
        """Numbers of a state from which marching goes on with the same bits, in float64; 0 where there is none."""
        return 0

    @classmethod
    @abstractmethod
    def open(cls, spec: Any, stored: Mapping[str, Any] | None, chosen: Method | None) -> Any:
        """The job of a spec; ``stored`` holds the shared arrays of a store that exists already, ``chosen`` the method
        that was planned for it."""

    @classmethod
    @abstractmethod
    def cost(cls, spec: Any) -> Any:
        """The cost of a spec, by estimate."""

    @classmethod
    @abstractmethod
    def automatic(cls, problem: Problem, options: Any) -> Method:
        """The method that ``auto`` stands for, as far as estimates tell."""

    @classmethod
    @abstractmethod
    def solve(cls, job: Any, shard: Any, report: Any) -> Any:
        """The rows of a shard of a job, and the seconds they took; see ``pdemill.solvers.job.Job.solve``."""

    @classmethod
    @abstractmethod
    def check(cls, job: Any, group: Any, shard: Any, rows: Any) -> list[str]:
        """Draw some rows of a stored shard anew and check them; returns their faults."""

    @classmethod
    @abstractmethod
    def audit(cls, job: Any, group: Any, shard: Any, rows: Any) -> tuple[list[float], list[str]]:
        """The errors of some stored labels against the continuous equation, and what is wrong with them."""

    @classmethod
    def unestimated(cls, problem: Problem) -> str | None:
        """Why the discretisation errors of its labels cannot be estimated; None where they can."""
        return None

    @classmethod
    @abstractmethod
    def estimate(cls, job: Any, group: Any, shard: Any, rows: Any) -> list[float]:
        """The estimated discretisation errors of some stored labels; NaN where there is no estimate."""

    @classmethod
    @abstractmethod
    def plan(cls, job: Any, always: bool) -> Any:
        """Choose a method by trial. Raises SpecError where there is nothing to choose."""

    @classmethod
    @abstractmethod
    def preview(cls, problem: Problem, data: dict[str, Any]) -> None:
        """Make a spec, ``data``, so small that a picture of its first sample takes a moment."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            cls.place.discretised_by = cls
            if cls.registered:
                discretisers.add(cls.name, cls)
            else:
                _relatives.append(cls)


discretisers: Register[Discretiser] = Register("discretiser")
_relatives: list[type[Discretiser]] = []
"""Those that are not registered."""
