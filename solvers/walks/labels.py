"""From a drawn sample to labels with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.methods.walk_admission import fluxes
from pdemill.solvers.walks.control import Control, Harmonic, Sources, solved_on_grid
from pdemill.solvers.walks.data import Data
from pdemill.solvers.walks.equation import Equation, equation_of
from pdemill.solvers.walks.estimates import PointEstimate, Walking, estimate
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.independent import Slopes, Start, Walked, walker_of
from pdemill.solvers.walks.job import PointJob, key_of
from pdemill.solvers.walks.sample import PointSample
from pdemill.solvers.walks.shared import LANES
from pdemill.solvers.walks.unseen import Unseen


@dataclass(frozen=True)
class Drawn:
    """A sample with its domain, its data and its points."""

    sample: PointSample
    geometry: Geometry
    data: Data
    points: Array
    epsilon: float


class Labeller:
    """Labels samples of one split; ``epoch`` chooses fresh walks for the same samples.

    What a sample gets depends on the spec, its number and the epoch alone.
    """

    def __init__(self, job: PointJob, split: str, epoch: int = 0) -> None:
        self.job, self.split = job, split
        self._key = key_of(job.spec.seed, split, "walks" if epoch == 0 else f"walks of epoch {epoch}")
        self._sources: Sources | None = None
        self._shared = job.shared(epoch) if job.method.estimator == "shared" else None
        self._flux = any(value.bounds() != (0.0, 0.0) for value in fluxes(job.problem))

    @property
    def together(self) -> int:
        """How many samples it likes to label at once."""
        return LANES if self._shared is not None else 1

    def draw(self, number: int) -> Drawn:
        """Sample ``number``; raises InvalidSample."""
        sample = self.job.sample(self.split, number)
        geometry = self.job.geometry(sample)
        points = self.job.points(sample, geometry)
        return Drawn(sample, geometry, Data(sample, geometry), points, self.job.epsilon(geometry))

    def label(self, drawn: Drawn) -> PointEstimate:
        """u at the points of a sample; raises InvalidSample."""
        if self._shared is not None:
            return self.labels([drawn])[0]
        return self.label_at(drawn, drawn.points, np.arange(len(drawn.points)))

    def labels(self, samples: Sequence[Drawn]) -> list[PointEstimate]:
        """The labels of many samples: faster than one by one where they share walks."""
        if self._shared is None:
            return [self.label(drawn) for drawn in samples]
        return [self._stored(found) for found in self._shared.labels(samples)]

    def label_at(self, drawn: Drawn, points: Array, ids: NDArray[np.intp]) -> PointEstimate:
        """u at some of the points, by their numbers: what ``label`` gives there, to the bit."""
        if self._shared is not None:
            return self.labels([drawn])[0].at(ids)
        equation = equation_of(drawn.sample.terms, drawn.geometry)
        control = self._control(drawn, equation)
        walking = self._walking(drawn, points, ids, equation, control)
        unseen = Unseen(drawn.data, points, equation, control)
        of_slopes = Unseen(drawn.data, points, equation) if self.job.method.gradients else None
        return self._stored(estimate(walking, len(points), self.job.method, unseen, of_slopes))

    def _stored(self, found: PointEstimate) -> PointEstimate:
        """The estimate with the rounding of its label to the store's type in its standard error."""
        step = float(np.finfo(self.job.spec.store.dtype).eps) / np.sqrt(12.0)
        return replace(found, stderr=np.hypot(found.stderr, step * np.abs(found.value)))

    def _walking(
        self, drawn: Drawn, points: Array, ids: NDArray[np.intp], equation: Equation, control: Control | None
    ) -> Walking:
        job, geometry, data = self.job, drawn.geometry, drawn.data
        stream = drawn.sample.draw.sample
        start = Start(geometry, points, ids, drawn.epsilon, job.method.max_steps, self._key, stream, job.method.sobol)
        source = (control is not None and not isinstance(control, Harmonic)) or not data.source_is_zero
        slopes = Slopes(start, equation, data) if job.method.gradients else None
        return Walked(walker_of(start, equation, source, self._flux), data, points, control, slopes)

    def _control(self, drawn: Drawn, equation: Equation) -> Control | None:
        match self.job.control:
            case "harmonic":
                if self._sources is None or self.job.problem.random_domain:
                    self._sources = Sources(drawn.geometry)
                return self._sources.fitted(drawn.data)
            case "grid":
                return solved_on_grid(drawn.data, equation, self.job.problem.properties, drawn.sample)
        return None
