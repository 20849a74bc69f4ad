"""Labels of many samples from walks that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.methods.walks import DEFAULT_WALKS
from pdemill.solvers.walks.bank import Bank, Rim, corner_levels, corners, gather
from pdemill.solvers.walks.delta import majorant
from pdemill.solvers.walks.equation import Equation, equation_of, on_axes
from pdemill.solvers.walks.estimates import POINTS_AT_ONCE, PointEstimate
from pdemill.solvers.walks.shared_delta import carry, deposits, trace
from pdemill.solvers.walks.tables import GHOSTS, Spline, axes_of, make_raster, sharpen
from pdemill.solvers.walks.unseen import Unseen
from pdemill.solvers.walks.walk import walk

if TYPE_CHECKING:
    from pdemill.solvers.walks.job import PointJob
    from pdemill.solvers.walks.labels import Drawn
    from pdemill.solvers.walks.philox import Key

RIM = {2: 4096, 3: 16_384}
"""Nodes on the boundary."""
NODES = {2: 129, 3: 33}
"""Nodes per axis of the tables inside; four times as many for coefficients that vary in the plane."""
LANES = 64
"""Samples whose tables are in memory together."""
PILOTS = 8
"""Samples by which the majorant of coefficients that vary is chosen."""


type Counts = NDArray[np.int64]


class Shared:
    """The walks of a job; what a sample gets depends on the spec, its number and the epoch (in ``key``) alone."""

    def __init__(self, job: PointJob, key: Key) -> None:
        self.job, self._key = job, key
        self._walks = job.method.walks or DEFAULT_WALKS
        self._bank: Bank | None = None
        self._rim: Rim | None = None
        self._sigma: float | None = None

    def labels(self, samples: Sequence[Drawn]) -> list[PointEstimate]:
        """u at the points of some samples; raises InvalidSample for a single one that cannot be evaluated."""
        first = samples[0]
        if self._rim is None:
            self._rim = Rim(*first.geometry.boundary(RIM[first.geometry.dimension]))
        equations = [equation_of(drawn.sample.terms, drawn.geometry) for drawn in samples]
        if equations[0].medium is not None:
            return self._through_media(samples, equations)
        return self._with_constants(samples, equations)

    def _boundary(self, samples: Sequence[Drawn]) -> Array:
        assert self._rim is not None
        return np.stack([drawn.data.on_sides(self._rim.places, self._rim.sides) for drawn in samples], axis=1)

    def _with_constants(self, samples: Sequence[Drawn], equations: Sequence[Equation]) -> list[PointEstimate]:
        first = samples[0]
        if self._bank is None:
            self._bank = self._make_bank(first, equations[0])
        bank, geometry = self._bank, first.geometry
        raster = make_raster(geometry.lower, geometry.lower + geometry.extent, NODES[geometry.dimension])
        wide = axes_of(raster, GHOSTS)
        inside = np.stack(
            [
                sharpen(on_axes(drawn.sample.terms.source, geometry, wide) / equation.k).ravel()
                for drawn, equation in zip(samples, equations, strict=True)
            ],
            axis=1,
        )
        total, square = np.zeros((2, len(first.points), len(samples)))
        tables = (self._boundary(samples).astype(np.float32), inside.astype(np.float32))
        gather(bank.ends, bank.weights, bank.passed, bank.source_weights, *tables, BATCH, total, square)
        unseen = [Unseen(d.data, d.points, equation) for d, equation in zip(samples, equations, strict=True)]
        return _estimates(total, square, (bank.ends >= 0).sum(axis=1), self._walks, bank.steps, unseen)

    def _make_bank(self, first: Drawn, equation: Equation) -> Bank:
        job, geometry, points = self.job, first.geometry, first.points
        assert self._rim is not None
        size = (len(points), self._walks)
        raster = make_raster(geometry.lower, geometry.lower + geometry.extent, NODES[geometry.dimension])
        bank = Bank(
            np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.int32), np.empty(size, np.float32),
            np.zeros(len(points), np.int64),
        )  # fmt: skip
        for begin in range(0, len(points), POINTS_AT_ONCE):
            rows = np.arange(begin, min(begin + POINTS_AT_ONCE, len(points)))
            for start in range(0, self._walks, BATCH):
                count = min(BATCH, self._walks - start)
                found = walk(
                    geometry, points[rows], rows, start, count, first.epsilon, job.method.max_steps, self._key, 0,
                    equation.screening, True,
                )  # fmt: skip
                assert found.source is not None
                at = (slice(begin, begin + len(rows)), slice(start, start + count))
                levels = corner_levels(self._key, start, count, rows, geometry.dimension)
                nodes = corners(
                    raster, found.source.reshape(-1, geometry.dimension), levels.reshape(-1, levels.shape[2])
                )
                bank.ends[at] = self._rim.nearest(geometry, found.exit, found.element)
                bank.weights[at], bank.source_weights[at] = found.weight, found.source_weight
                bank.passed[at] = nodes.reshape(len(rows), count)
                bank.steps[rows] += found.steps.sum(axis=1)
        return bank

    def _through_media(self, samples: Sequence[Drawn], equations: Sequence[Equation]) -> list[PointEstimate]:
        first = samples[0]
        geometry, points, method = first.geometry, first.points, self.job.method
        assert self._rim is not None
        media = [equation.medium for equation in equations if equation.medium is not None]
        sigma = self._majorant()
        raster = make_raster(geometry.lower, geometry.lower + geometry.extent, 2 * NODES[geometry.dimension] - 1)
        axes = axes_of(raster)
        table = deposits(
            raster, sigma, media, [Spline(axes, on_axes(d.sample.terms.source, geometry, axes)) for d in samples]
        )
        roots = np.stack([medium.root(self._rim.places) for medium in media], axis=1)
        boundary = (roots * self._boundary(samples)).astype(np.float32)
        here = np.stack([medium.root(points) for medium in media], axis=1)
        found: list[tuple[NDArray[Any], ...]] = []
        for begin in range(0, len(points), POINTS_AT_ONCE):
            rows = np.arange(begin, min(begin + POINTS_AT_ONCE, len(points)))
            paths = trace(
                geometry,
                raster,
                sigma,
                points[rows],
                rows,
                0,
                self._walks,
                first.epsilon,
                method.max_steps,
                self._key,
                0,
            )
            moments = carry(paths, self._rim.nearest(geometry, paths.exit, paths.element), table, boundary)
            mean, m2, reached = _merged(moments.mean, moments.m2, moments.counts)
            found.append((mean, m2, moments.largest, reached, paths.steps.sum(axis=1)))
        mean, m2, largest, reached, steps = (np.concatenate(part) for part in zip(*found, strict=True))
        number = np.maximum(reached, 2)
        mean, variance = mean / here, m2 / (number * (number - 1))[:, None] / here**2
        walks = np.full(len(points), self._walks, np.int64)
        unseen = [Unseen(d.data, points, equation) for d, equation in zip(samples, equations, strict=True)]
        return [
            PointEstimate(
                mean[:, k], _raised(unseen[k], variance[:, k], mean[:, k], number), walks, walks - reached,
                steps / walks, float(largest[:, k].max()),
            )
            for k in range(len(samples))
        ]  # fmt: skip

    def _majorant(self) -> float:
        """One for all samples, from the first few of the first split; it need not be above all of them."""
        if self._sigma is None:
            job, split = self.job, next(iter(self.job.spec.splits))
            found = []
            for number in range(min(PILOTS, job.spec.splits[split])):
                sample = job.sample(split, number)
                medium = equation_of(sample.terms, job.geometry(sample)).medium
                assert medium is not None
                found.append(majorant(medium))
            self._sigma = max(found)
        return self._sigma


def _merged(means: Array, m2: Array, counts: Counts) -> tuple[Array, Array, Counts]:
    """Batches [P, B, M] merged in order: means and sums of squared deviations [P, M], and counts [P]."""
    count = np.zeros(len(means), np.int64)
    mean, total = np.zeros((2, len(means), means.shape[2]))
    for batch in range(means.shape[1]):
        number = counts[:, batch]
        after = np.maximum(count + number, 1)
        delta = means[:, batch] - mean
        mean += delta * (number / after)[:, None]
        total += m2[:, batch] + delta * delta * (count * number / after)[:, None]
        count = count + number
    return mean, total, count


def _estimates(
    total: Array, square: Array, reached: Counts, walks: int, steps: Counts, unseen: Sequence[Unseen]
) -> list[PointEstimate]:
    number = np.maximum(reached, 2)
    mean = total / number[:, None]
    variance = np.maximum(square - total * mean, 0.0) / (number * (number - 1))[:, None]
    all_walks = np.full(len(total), walks, np.int64)
    return [
        PointEstimate(
            mean[:, k], _raised(unseen[k], variance[:, k], mean[:, k], number), all_walks, all_walks - reached,
            steps / walks,
        )
        for k in range(total.shape[1])
    ]  # fmt: skip


def _raised(unseen: Unseen, variance: Array, mean: Array, walks: Counts) -> Array:
    """Standard errors that count what the walks may have left out."""
    return np.asarray(np.sqrt(unseen.raised(variance, np.arange(len(mean)), mean, walks)))
