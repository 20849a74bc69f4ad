"""Audits of the labels of one split: walks measure label - u at random places.

For a smooth v near the label, û(x) = v(x) + E[w (g - v)(exit) + w' (f - Lv)(source)] is u(x) whatever v is
(``walks.control``), and because all that walks see is of the size of u - v, a few thousand of them resolve a
discretisation error. Errors of the walks themselves, those of epsilon and of tabulated coefficients, scale with u - v
as well.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.errors import PdemillError
from pdemill.points import Array, Points
from pdemill.solvers.audit.flux import WithFlux
from pdemill.solvers.audit.verdict import Verdict, judge
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.methods.walks import Walks
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.norms import unit_scale
from pdemill.solvers.walks.control import Control, OnGrid
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.domains import geometry_of
from pdemill.solvers.walks.equation import Equation, equation_of
from pdemill.solvers.walks.estimates import Outcome, PointNumbers, Walking, estimate
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.independent import Start, Walked, walker_of
from pdemill.solvers.walks.job import key_of
from pdemill.spec.audit import Audit, objection
from pdemill.spec.domain import Polygon

PURPOSE = "audit"
MOST_WEIGHT = 100.0
"""Above this, the few heaviest walks decide, and a standard error means nothing."""
COMPARED = 4096
"""Places at which a coefficient is compared with its spline."""


class Auditor:
    """Audits samples of one split of a job; what it finds depends on spec, sample and label alone.

    Raises PdemillError where walks cannot audit the problem.
    """

    def __init__(self, job: FieldJob, split: str, options: Audit) -> None:
        if complaint := objection(job.problem):
            raise PdemillError(f"an audit {complaint}")
        self.job, self.split, self.options = job, split, options
        problem = job.problem
        assert problem.walkable is not None  # says the objection
        self._insulated = [name for name, side in problem.conditions.items() if not side.essential]
        total, domain = options.walks * options.probes, problem.walkable
        self._geometry: Geometry = geometry_of(domain, problem.dimension, {}, total, self._insulated)
        self._epsilon = min(options.epsilon * self._geometry.diameter, self._geometry.largest_epsilon)
        self._places = _places(job.discretisation.points)
        self._inside = np.flatnonzero(self._geometry.distance(self._places) > self._epsilon)
        self._key = key_of(job.spec.seed, split, PURPOSE)
        self._walks = Walks(method="walks", walks=options.walks)
        self._surrogate = self._surrogates()
        self._fixed: Equation | None = None

    def audit(self, instance: Instance, label: Array, guide: Array | None = None) -> Verdict | None:
        """Compare a label, values at the discretisation's points, with the continuous u.

        ``guide``: values near u for the control variate, by default the label; a rough or wrong label asks for a
        better one. None where walks give no honest answer: coefficients that 257 places per axis (65 in space) do not
        resolve, heavy weights, or labels whose squares are no numbers.
        """
        values = label.ravel()
        if unit_scale(values[self._inside]) != 1.0:
            return None
        try:
            equation = self._equation(instance)
        except InvalidSample:
            return None
        if equation is None:
            return None
        data = Data(instance, self._geometry)
        chosen = self.probes(instance.draw.sample)
        points, count = self._places[chosen], len(chosen)
        control = self._surrogate(values if guide is None else guide.ravel(), equation)
        if self._insulated and isinstance(control, OnGrid):
            data = WithFlux(instance, self._geometry, control, equation.k)
        start = Start(
            self._geometry, points, np.arange(count), self._epsilon, self._walks.max_steps, self._key,
            instance.draw.sample,
        )  # fmt: skip
        walker = walker_of(start, equation, source=True, flux=bool(self._insulated))
        try:
            found = estimate(_light(Walked(walker, data, points, control)), count, self._walks)
        except _TooHeavy:
            return None
        size = float(np.sqrt(np.mean(values[self._inside] ** 2)))
        differences = values[chosen] - found.value
        return judge(differences, found.stderr, size, self.options.walks, self.options.tolerance)

    def probes(self, sample: int) -> NDArray[np.intp]:
        """Numbers of the places where a sample is probed, drawn with replacement: each is uniform over those inside."""
        levels = Draw(self.job.spec.seed, self.split, sample, PURPOSE).uniform(self.options.probes)
        return np.asarray(self._inside[(levels * len(self._inside)).astype(np.intp)])

    def _equation(self, instance: Instance) -> Equation | None:
        if self._fixed is not None:
            return self._fixed
        equation = equation_of(instance.terms, self._geometry)
        if not self._resolved(equation, instance):
            return None
        if self.job.problem.properties.constant:
            self._fixed = equation
        return equation

    def _resolved(self, equation: Equation, instance: Instance) -> bool:
        """Whether the splines of the medium are the coefficients, to a tenth of the tolerance."""
        if equation.medium is None:
            return True
        places = self._places[self._inside[:: max(1, len(self._inside) // COMPARED)]]
        points = Data(instance, self._geometry).cloud(places)
        k = np.broadcast_to(instance.terms.diffusion[0](points), len(places))
        worst = float(np.abs(equation.medium.root(places) ** 2 / k - 1).max())
        reaction, medium_c = instance.terms.reaction, equation.medium.c
        if reaction is not None and medium_c is not None:
            c = np.broadcast_to(reaction(points), len(places))
            worst = max(worst, float(np.abs(medium_c(places) - c).max() / max(np.abs(c).max(), 1e-300)))
        return worst <= 0.1 * self.options.tolerance

    def _surrogates(self) -> Callable[[Array, Equation], Control]:
        """How values at the places become a smooth function."""
        grid = self.job.discretisation
        if isinstance(grid, BoxGrid):
            return lambda values, equation: OnGrid(grid, values, equation)
        from pdemill.solvers.audit.surrogate import Fit  # late: grids need no sparse factors

        domain = self.job.problem.walkable
        if not isinstance(domain, Polygon):
            raise PdemillError("an audit needs a box grid, or a mesh of a polygon")
        return Fit(self._places, domain, self.job.problem.volume)


class _TooHeavy(Exception):
    """Weights grew."""


def _light(walking: Walking) -> Walking:
    """Walks that raise _TooHeavy as soon as a batch has a heavy weight: such media also make walks long."""

    def checked(rows: PointNumbers, first: int, count: int) -> Outcome:
        outcome = walking(rows, first, count)
        if outcome.weight > MOST_WEIGHT:
            raise _TooHeavy
        return outcome

    return checked


def _places(points: Points) -> Array:
    """Points as an array [n, d]."""
    axes = [np.broadcast_to(axis, points.shape).ravel() for axis in points.coordinates.values()]
    return np.stack(axes, axis=1)
