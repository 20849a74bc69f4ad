"""Delta tracking against exact solutions, alone and with many media on common walks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.walks.bank import Rim
from pdemill.solvers.walks.delta import DeltaRecords, delta_walk, majorant
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.medium import Medium
from pdemill.solvers.walks.shapes.ball import Ball
from pdemill.solvers.walks.shapes.box import Box
from pdemill.solvers.walks.shapes.star import Star
from pdemill.solvers.walks.shared_delta import Moments, carry, deposits, trace
from pdemill.solvers.walks.tables import Spline, make_raster
from tests.sampling import sample
from tests.walks.scores import check_scores, scores, slope

POINTS, WALKS = 300, 512
OPTIONS: dict[str, Any] = {"epsilon": 2e-4, "max_steps": 10_000, "key": (3, 4), "stream": 5}


class Case(NamedTuple):
    """-∇·(k ∇u) + c u = f with u = sin 2x cos y + x, k = exp(a sin 2πx cos πy), and constant c."""

    k: Callable[[Array], Array]
    u: Callable[[Array], Array]
    f: Callable[[Array], Array]


def case(a: float, c: float) -> Case:
    def k(p: Array) -> Array:
        return np.asarray(np.exp(a * np.sin(2 * np.pi * p[..., 0]) * np.cos(np.pi * p[..., 1])))

    def u(p: Array) -> Array:
        return np.asarray(np.sin(2 * p[..., 0]) * np.cos(p[..., 1]) + p[..., 0])

    def f(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        ux, uy = 2 * np.cos(2 * x) * np.cos(y) + 1, -np.sin(2 * x) * np.sin(y)
        qx = 2 * np.pi * a * np.cos(2 * np.pi * x) * np.cos(np.pi * y)
        qy = -np.pi * a * np.sin(2 * np.pi * x) * np.sin(np.pi * y)
        return np.asarray(c * u(p) - k(p) * (-5 * np.sin(2 * x) * np.cos(y) + qx * ux + qy * uy))

    return Case(k, u, f)


def solid(a: float, c: float) -> Case:
    """The same in space: k = exp(a sin 2x cos y cos z), u = sin 2x cos y e^(z/2) + x."""

    def q(p: Array) -> Array:
        return np.asarray(a * np.sin(2 * p[..., 0]) * np.cos(p[..., 1]) * np.cos(p[..., 2]))

    def u(p: Array) -> Array:
        return np.asarray(np.sin(2 * p[..., 0]) * np.cos(p[..., 1]) * np.exp(p[..., 2] / 2) + p[..., 0])

    def f(p: Array) -> Array:
        (x, y, z), e = np.moveaxis(p, -1, 0), np.exp(p[..., 2] / 2)
        s, t, v, w = np.sin(2 * x), np.cos(2 * x), np.sin(y), np.cos(y)
        slopes = (2 * t * w * np.cos(z), -s * v * np.cos(z), -s * w * np.sin(z))
        gradient = (2 * t * w * e + 1, -s * v * e, 0.5 * s * w * e)
        flow = a * sum(m * n for m, n in zip(slopes, gradient, strict=True))
        return np.asarray(c * u(p) - np.exp(q(p)) * (flow - 4.75 * s * w * e))

    return Case(lambda p: np.asarray(np.exp(q(p))), u, f)


def medium(geometry: Geometry, what: Case, c: float, places: int = 97) -> Medium:
    axes = [np.linspace(low, low + length, places) for low, length in zip(geometry.lower, geometry.extent, strict=True)]
    k = what.k(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    return Medium(axes, k, np.full(k.shape, c) if c else None)


SHAPES: dict[str, Geometry] = {
    "square": Box((0.0, 0.0), (1.0, 1.0)),
    "star": Star((0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.1), radius=0.7, edges=400, resolution=128),
    "ball": Ball((0.1, -0.2, 0.0), 0.8),
}


def run(geometry: Geometry, m: Medium, first: int = 0, walks: int = WALKS, rows: slice = slice(None)) -> DeltaRecords:
    points = geometry.interior(POINTS, (9, 9), margin=1e-2)
    return delta_walk(geometry, m, points[rows], np.arange(POINTS)[rows], first, walks, **OPTIONS)


CASES = [("square", 0.5, 0), ("square", 0.3, 6), ("star", 0.3, 0), ("ball", 0.7, 0), ("ball", 0.5, 3)]


@pytest.mark.parametrize(("shape", "a", "c"), sample(CASES, ("square", 0.3, 6), ("ball", 0.7, 0)))
def test_exact_solutions(shape: str, a: float, c: float) -> None:
    geometry = SHAPES[shape]
    what = case(a, c) if geometry.dimension == 2 else solid(a, c)
    records = run(geometry, medium(geometry, what, c, 97 if geometry.dimension == 2 else 33))
    values = records.values(what.u(records.exit), what.f(records.source))  # type: ignore[arg-type]
    exact = what.u(geometry.interior(POINTS, (9, 9), margin=1e-2))
    check_scores(scores(values, exact))
    assert slope(values, exact) == pytest.approx(-0.5, abs=0.05)
    assert not records.truncated.any()
    assert records.largest.min() >= 1


def test_walks_do_not_depend_on_their_company() -> None:
    geometry = SHAPES["square"]
    m = medium(geometry, case(0.5, 0), 0)
    whole = run(geometry, m, 0, 40)
    cuts = [(rows, first) for rows in (slice(0, 70), slice(70, None)) for first in (0, 20)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda cut: run(geometry, m, cut[1], 20, cut[0]), cuts))
    for name in ("exit", "element", "weight", "steps", "source", "source_weight", "largest"):
        a, b, c, d = (getattr(part, name) for part in parts)
        joined = np.concatenate([np.concatenate([a, b], axis=1), np.concatenate([c, d], axis=1)])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_refusals() -> None:
    square, axes = SHAPES["square"], [np.linspace(0, 1, 9)] * 2
    with pytest.raises(SolverError, match="k > 0"):
        Medium(axes, np.zeros((9, 9)))
    with pytest.raises(SolverError, match="c >= 0"):
        Medium(axes, np.ones((9, 9)), -np.ones((9, 9)))
    with pytest.raises(SolverError, match="two and three"):
        Medium(axes * 2, np.ones((9,) * 4))
    with pytest.raises(SolverError, match="3 dimensions, the domain 2"):
        run(square, Medium([np.linspace(0, 1, 9)] * 3, np.ones((9, 9, 9))))
    with pytest.raises(SolverError, match="cover"):
        run(square, Medium([np.linspace(0, 0.9, 9)] * 2, np.ones((9, 9))))
    with pytest.raises(SolverError, match="outside"):
        delta_walk(square, Medium(axes, np.ones((9, 9))), [[2.0, 0.5]], [0], 0, 1, **OPTIONS)


def shared(amplitudes: Array, points: Array, walks: int) -> tuple[Moments, Array, Array]:
    """Moments of √k u, √k at the points, and the exact u, for media of these amplitudes."""
    square = SHAPES["square"]
    cases = [case(a, 0) for a in amplitudes]
    media = [medium(square, what, 0) for what in cases]
    axes = [np.linspace(0, 1, 97)] * 2
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    raster = make_raster(square.lower, square.lower + square.extent, 129)
    table = deposits(raster, 16.0, media, [Spline(axes, what.f(places)) for what in cases])
    paths = trace(square, raster, 16.0, points, np.arange(len(points)), 0, walks, **OPTIONS)
    rim, sides = square.boundary(4000)
    boundary = np.stack([np.sqrt(what.k(rim)) * what.u(rim) for what in cases], axis=1).astype(np.float32)
    moments = carry(paths, Rim(rim, sides).nearest(square, paths.exit, paths.element), table, boundary)
    roots = np.stack([np.sqrt(what.k(points)) for what in cases], axis=1)
    return moments, roots, np.stack([what.u(points) for what in cases], axis=1)


def test_shared_walks_solve_every_medium() -> None:
    points = SHAPES["square"].interior(POINTS, (9, 9), margin=1e-2)
    moments, roots, exact = shared(np.linspace(0.1, 0.6, 9), points, 2 * BATCH)
    assert (moments.counts == BATCH).all()
    mean = moments.mean.mean(axis=1)
    deviations = moments.m2.sum(axis=1) + BATCH * ((moments.mean - mean[:, None]) ** 2).sum(axis=1)
    error = np.sqrt(deviations / (2 * BATCH - 1) / (2 * BATCH))
    z = (mean - roots * exact) / error
    for lane in range(z.shape[1]):
        check_scores(z[:, lane])
    assert moments.largest.min() >= 1


def test_lanes_do_not_touch() -> None:
    points, amplitudes = np.array([[0.3, 0.4], [0.8, 0.1]]), np.linspace(0.1, 0.6, 21)
    together, _, _ = shared(amplitudes, points, 300)
    choices: list[list[int]] = [[3], [0, 7, 20], list(range(2, 19))]
    for some in choices:
        alone, _, _ = shared(amplitudes[some], points, 300)
        for name in ("mean", "m2", "largest"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[..., some])


def test_majorant_bounds_the_weights() -> None:
    m = medium(SHAPES["square"], case(0.5, 0), 0)
    high, low = m.extremes
    assert majorant(m) == pytest.approx(high - low)
    assert majorant(Medium([np.linspace(0, 2, 9)] * 2, np.ones((9, 9)))) == pytest.approx(6 / 4)
