"""Steps from what a reduced basis gives to the solution: a near inverse, and the basis, as a preconditioner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pdemill.points import Array
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.reduced.basis import Projected
from pdemill.solvers.reduced.inverses import inverse_like
from pdemill.solvers.solution import REDUCTION, Solver, Steps

PLAIN = 1e2
"""Ratio of entries up to which residuals show errors in all directions, as certificates have it."""
FALL = 25.0
"""By how much residuals must fall for that, rounding included."""
MOST = 8
"""Most steps: as dear as factors together."""
SHOWN = 1e-2
"""The part of a residual that a correction may leave, of definite matrices."""
SLOW = 0.8
"""A step that leaves more than this part of the residual was the last one."""


@dataclass
class Path:
    """The way of u to the solution of a system: r = b - A u, down to ‖r‖ <= ``target``, and the steps with their
    images, orthonormal images."""

    system: System
    matrix: Projected
    u: Array
    r: Array
    target: float
    steps: list[tuple[Array, Array]] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    stuck: bool = False

    @property
    def small(self) -> bool:
        return two_norm(self.r) <= self.target

    @property
    def accurate(self) -> bool:
        """Whether it is at its end, and the last step changed a tenth of u at most, which the ones before it made: then
        what is still missing is smaller, in every direction that the preconditioner and the basis know."""
        return self.small and len(self.lengths) > 1 and self.lengths[-1] <= REDUCTION * two_norm(self.u)

    @property
    def plain(self) -> bool:
        """Whether the entries of the matrix are so near each other that residuals show errors in all directions."""
        return self.system.matrix.largest <= PLAIN * self.system.matrix.smallest

    def told(self) -> Steps:
        """The steps as certificates read them."""
        return Steps(np.array(self.residuals), np.array(self.lengths), 0.0 if self.plain else SHOWN)

    def go(self, z: Array) -> None:
        """Along z, as far as makes the residual smallest, after its image is made orthogonal to those before."""
        before, image = two_norm(self.r), self.system.matrix.sparse() @ z
        for p, q in self.steps:
            along = q @ image
            z, image = z - along * p, image - along * q
        size = two_norm(image)
        if not (size > 0.0 and np.isfinite(size)):
            self.stuck = True
            return
        z, image = z / size, image / size
        far = float(image @ self.r)
        self.u, self.r = self.u + far * z, self.r - far * image
        self.steps.append((z, image))
        self.residuals.append(before / (self.system.size or 1.0))
        self.lengths.append(abs(far) * two_norm(z))
        self.stuck = not two_norm(self.r) <= SLOW * before


class Reference:
    """The generalised conjugate residual method (Eisenstat, Elman, Schultz 1983), preconditioned by near inverses, as
    suit matrices like ``origin``, and then by a solve in the basis: what is peculiar to a matrix, such as a resonance,
    is in the span of solutions."""

    def __init__(self, origin: Matrix, factors: Solver[None]) -> None:
        self.origin, self._inverse = origin, inverse_like(origin, factors)

    def bring(self, paths: list[Path], done: Callable[[Path], bool]) -> None:
        """Take all of them to their ends, as far as steps help; at least one step each."""
        for number in range(MOST):
            going = [one for one in paths if not one.stuck and not (number and done(one))]
            if not going:
                return
            for one, z in zip(going, self._directions(going), strict=True):
                one.go(z)

    def _directions(self, paths: list[Path]) -> Array:
        V = paths[0].matrix.basis.vectors
        Z = self._inverse.applied([one.system.matrix for one in paths], [one.r for one in paths])
        left = np.stack([one.r - one.system.matrix.sparse() @ z for one, z in zip(paths, Z, strict=True)])
        Z += np.stack([one.matrix.solve(load) for one, load in zip(paths, left @ V.T, strict=True)]) @ V
        return Z


def certifiable(path: Path) -> bool:
    """Whether a path has come to its target and, where certificates can read from residuals what u is off by, these
    have fallen so far: where entries are far apart, since the first step, so that what is read is small. Beside a
    resonance errors may be hidden from all steps: there a correction tells."""
    if not path.small:
        return False
    if not path.system.matrix.properties.definite:
        return True
    before = path.residuals
    fall, begin = (FALL, before[0]) if path.plain else (FALL * REDUCTION / SHOWN, before[min(1, len(before) - 1)])
    return two_norm(path.r) * fall <= begin * path.system.size
