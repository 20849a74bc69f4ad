"""Walk-on-Spheres: u at points, by random walks instead of a mesh."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from pdemill.errors import Fault
from pdemill.solvers.methods.walk_admission import objection, walk_seconds
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.spec.method import Method
from pdemill.spec.model import AsNumber, refuse
from pdemill.spec.problem import Problem

LEAST_ADAPTIVE = 512
LEAST_BLOCKS = 32
DEFAULT_WALKS, DEFAULT_MOST = 1024, 262_144
ALONE = ("target_stderr", "control_variate", "sobol", "gradients", "returned")
"""Options of independent walks that shared ones do not have."""


class Walks(Method):
    """Walk-on-Spheres (Muller 1956) and its kin: every point for itself, with a standard error, on any domain.

    ``walks`` per point (default 1024), or ``target_stderr`` (absolute): walks are added in batches of 256, at least
    512, until the standard error is there or ``max_walks`` is reached; a point above it makes a failed sample.
    ``epsilon``: distance from the boundary, relative to the domain's diameter, at which a walk ends. It causes a bias
    that no standard error shows: about 0.1 % at 1e-3, and it halves with epsilon.
    ``max_steps``: a walk that takes more is cut off and counted as truncated.
    ``estimator``: ``independent`` walks for every sample, which is ``auto``; or ``shared`` walks for all samples,
    where domain and points are shared: errors of different samples are then correlated, and many walks cost little.
    ``control_variate``: ``harmonic`` subtracts an exact solution fitted to the boundary data (method of fundamental
    solutions), ``grid`` a solution on a grid of a box; walks estimate what is left. ``auto`` takes, on a fixed domain,
    ``grid`` where it is possible and a sample has 100,000 walks or more, else ``harmonic`` where it is possible; none
    with fewer than 256 walks per point, which are wanted for their noise.
    ``sobol``: the first steps of each block of 256 walks follow a shifted Sobol sequence.
    ``gradients``: also the gradient of u. ``return``: ``per_batch`` also stores the mean of every batch.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    method: Literal["walks"]
    solves: ClassVar[Literal["systems", "walks", "steps", "any"]] = "walks"
    misplaced: ClassVar[str] = "walks give u at points: replace problem.resolution by problem.points"
    walks: Annotated[int, Field(ge=2, le=100_000_000)] | None = None
    target_stderr: Annotated[float, Field(gt=0), AsNumber] | None = None
    max_walks: Annotated[int, Field(ge=LEAST_ADAPTIVE, le=100_000_000)] = DEFAULT_MOST
    epsilon: Annotated[float, Field(ge=1e-8, le=0.1), AsNumber] = 1e-3
    max_steps: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    estimator: Literal["auto", "independent", "shared"] = "auto"
    control_variate: Literal["auto", "none", "harmonic", "grid"] = "auto"
    sobol: bool = False
    gradients: bool = False
    returned: Literal["mean", "per_batch"] = Field(default="mean", alias="return")

    @model_validator(mode="after")
    def _consistent(self) -> Walks:
        if self.walks is not None and self.target_stderr is not None:
            raise refuse(("walks",), "give either walks or target_stderr, not both", self.walks)
        least = LEAST_BLOCKS * BATCH
        if self.sobol and (self.walks or DEFAULT_WALKS) < least:
            raise refuse(("walks",), f"sobol takes its standard error from blocks of 256: at least {least}", self.walks)
        if self.returned == "per_batch" and self.target_stderr is not None:
            raise refuse(("return",), "per_batch needs a fixed number of walks", self.returned)
        if self.estimator == "shared":
            for name in ALONE:
                field = type(self).model_fields[name]
                if getattr(self, name) not in (field.default, "none"):
                    raise refuse((field.alias or name,), "is possible with independent walks only", None)
        return self

    def objection(self, problem: Problem) -> Fault | None:
        return objection(self, problem)

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return walk_seconds(problem) * unknowns * self.most_walks * (3 if self.gradients else 1)

    @property
    def most_walks(self) -> int:
        """Walks per point, at most."""
        return self.max_walks if self.target_stderr is not None else self.walks or DEFAULT_WALKS
