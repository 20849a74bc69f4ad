"""Walks against solutions that are known, and against themselves: split, resumed, on threads, in another process."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import gamma, i0, ive, kv

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.methods.walk_batch import BATCH
from pdemill.solvers.walks.geometry import Geometry
from pdemill.solvers.walks.records import Records
from pdemill.solvers.walks.screening import remaining, throughput
from pdemill.solvers.walks.shapes.ball import Ball
from pdemill.solvers.walks.shapes.box import Box
from pdemill.solvers.walks.shapes.mesh import Mesh
from pdemill.solvers.walks.shapes.polygon import Polygon
from pdemill.solvers.walks.shapes.shell import Shell
from pdemill.solvers.walks.shapes.star import Star
from pdemill.solvers.walks.walk import gradient_walk, walk
from pdemill.surface import blob
from tests.sampling import sample

type Function = Callable[[Array], Array]

KEY = (17, 29)
POINTS = 400
SHAPES: dict[str, Callable[[], Geometry]] = {
    "disk": Ball,
    "square": Box,
    "star": lambda: Star((0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.15), radius=0.3, edges=1000),
    "holes": lambda: Polygon([(0, 0), (1, 0), (1, 1), (0, 1)], [[(0.4, 0.4), (0.4, 0.6), (0.6, 0.6), (0.6, 0.4)]]),
    "annulus": Shell,
    "ball": lambda: Ball((0.0, 0.0, 0.0)),
    "cube": lambda: Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "blob": lambda: Mesh(blob(3), resolution=48),
    "ball in 5 dimensions": lambda: Ball(np.zeros(5)),
    "box in 10 dimensions": lambda: Box(np.zeros(10), np.ones(10)),
}
made: dict[str, Geometry] = {}


def shape(name: str) -> Geometry:
    """A shape, made once."""
    if name not in made:
        made[name] = SHAPES[name]()
    return made[name]


class Exact(NamedTuple):
    """u, and minus its Laplacian if that is not zero."""

    u: Function
    minus_laplacian: Function | None = None


def _saddle(x: Array) -> Array:
    return np.asarray(x[..., 0] ** 2 - x[..., 1] ** 2)


EXACT = {
    "x² - y²": Exact(_saddle),
    "Re z⁴": Exact(lambda x: np.real((x[..., 0] + 1j * x[..., 1]) ** 4)),
    "exp(4x) cos 4y": Exact(lambda x: np.exp(4 * x[..., 0]) * np.cos(4 * x[..., 1])),
    "1 - r²": Exact(lambda x: 1 - (x**2).sum(axis=-1), lambda x: 4 + 0 * x[..., 0]),
    "x² - y² + sin 2x cos y": Exact(
        lambda x: _saddle(x) + np.sin(2 * x[..., 0]) * np.cos(x[..., 1]),
        lambda x: 5 * np.sin(2 * x[..., 0]) * np.cos(x[..., 1]),
    ),
    "x² + y² - 2z²": Exact(lambda x: (x**2).sum(axis=-1) - 3 * x[..., 2] ** 2),
    "sin 2x cos y exp(z/2)": Exact(
        lambda x: np.sin(2 * x[..., 0]) * np.cos(x[..., 1]) * np.exp(x[..., 2] / 2),
        lambda x: 4.75 * np.sin(2 * x[..., 0]) * np.cos(x[..., 1]) * np.exp(x[..., 2] / 2),
    ),
    "sum of x_i x_j": Exact(lambda x: (x[..., 0::2][..., :2] * x[..., 1::2][..., :2]).sum(axis=-1)),
    "exp(sum of x / 3)": Exact(
        lambda x: np.exp(x.sum(axis=-1) / 3), lambda x: -x.shape[-1] / 9 * np.exp(x.sum(axis=-1) / 3)
    ),
}
CASES = [
    *(("disk", u, 0.0) for u in ("x² - y²", "Re z⁴", "exp(4x) cos 4y", "1 - r²")),
    *(("square", u, 0.0) for u in ("Re z⁴", "exp(4x) cos 4y")),
    *(("star", u, 0.0) for u in ("x² - y²", "Re z⁴", "exp(4x) cos 4y")),
    *((name, "x² - y² + sin 2x cos y", λ) for name in ("disk", "square", "star") for λ in (0.0, 10.0)),
    *((name, "x² - y² + sin 2x cos y", 0.0) for name in ("annulus", "holes")),
    *((name, "x² + y² - 2z²", 0.0) for name in ("ball", "blob")),
    *((name, "sin 2x cos y exp(z/2)", λ) for name in ("ball", "cube", "blob") for λ in (0.0, 10.0)),
    ("box in 10 dimensions", "sum of x_i x_j", 0.0),
    *((f"{name} dimensions", "exp(sum of x / 3)", λ) for name in ("ball in 5", "box in 10") for λ in (0.0, 5.0)),
]


def start(geometry: Geometry, count: int = POINTS) -> tuple[Array, NDArray[np.intp]]:
    """Points and their ids."""
    return geometry.interior(count, (3, 4), margin=0.02 * geometry.diameter), np.arange(count)


def scores(values: Array, exact: Array) -> Array:
    """How many standard errors the mean of each row of values [P, W] is off."""
    return np.asarray((values.mean(axis=1) - exact) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])))


def assert_unbiased(z: Array) -> None:
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert 0.9 < np.sqrt((z**2).mean()) < 1.1


def same(one: Records, other: Records, rows: Any = slice(None), columns: Any = slice(None)) -> bool:
    """Whether a part of one record is the other, to the bit."""
    return all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(a[rows][:, columns], b))
        for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )


QUICK = [case for case in CASES if case[1] not in ("Re z⁴", "exp(4x) cos 4y") and case[2] != 10.0]


@pytest.mark.parametrize(("name", "solution", "screening"), sample(CASES, *QUICK))
def test_known_solutions(name: str, solution: str, screening: float) -> None:
    geometry, (u, minus_laplacian) = shape(name), EXACT[solution]
    x, ids = start(geometry)
    source = minus_laplacian is not None
    walks = {2: 400, 3: 250}.get(geometry.dimension, 100)
    found = walk(geometry, x, ids, 0, walks, 1e-5, 2000, KEY, 0, screening=screening, source=source)
    assert not found.truncated.any()
    f: Array | float = 0.0
    if minus_laplacian is not None and found.source is not None:
        assert (geometry.distance(found.source.reshape(-1, geometry.dimension)[:2000]) > 0).all()
        f = minus_laplacian(found.source) + screening * u(found.source)
    assert_unbiased(scores(found.values(u(found.exit), f), u(x)))


@pytest.mark.parametrize("screening", [1.0, 25.0])
def test_screened_without_a_source(screening: float) -> None:
    root = np.sqrt(screening)
    cases: list[tuple[Geometry, Function]] = [
        (shape("square"), lambda x: np.exp(root * x[..., 0])),
        (shape("disk"), lambda x: i0(root * np.linalg.norm(x, axis=-1)) / i0(root)),
        (Ball((0.0, 0.0, 0.0), 0.4), lambda x: np.exp(root * x[..., 1])),
    ]
    for geometry, u in cases:
        x, ids = start(geometry)
        found = walk(geometry, x, ids, 0, 400, 1e-5, 1000, KEY, 0, screening=screening)
        assert_unbiased(scores(found.values(u(found.exit)), u(x)))


@pytest.mark.parametrize("dimension", [2, 3, 4, 5, 10, 21, 22])
def test_screened_balls(dimension: int) -> None:
    order = dimension / 2 - 1

    def k(x: float) -> float:
        return float(2 * (x / 2) ** order * kv(order, x) / gamma(order))

    for z in (1e-4, 0.1, 1.0, 7.0, 50.0, 500.0):
        share = (z / 2) ** order / (gamma(order + 1) * ive(order, z)) * np.exp(-z)
        assert throughput(dimension, z) == pytest.approx(share, rel=1e-10)
        if dimension > 2:
            t = 0.6
            image = t**-order * ive(order, t * z) / ive(order, z) * np.exp((t - 1) * z)
            expected = k(t * z) - t ** (dimension - 2) * k(z) * image
            assert remaining(dimension, z, t) == pytest.approx(expected, rel=1e-10, abs=1e-300)
    assert throughput(dimension, 0.0) == 1.0
    assert throughput(dimension, 1e6) == 0.0


GRADIENTS = [
    *((name, "x² - y² + sin 2x cos y") for name in ("disk", "square")),
    ("ball", "sin 2x cos y exp(z/2)"),
    ("ball in 5 dimensions", "exp(sum of x / 3)"),
]


@pytest.mark.parametrize("screening", [0.0, 10.0])
@pytest.mark.parametrize(("name", "solution"), GRADIENTS)
def test_gradients(name: str, solution: str, screening: float) -> None:
    geometry, (u, minus_laplacian) = shape(name), EXACT[solution]
    assert minus_laplacian is not None
    x, ids = start(geometry)
    walks = 400 if geometry.dimension < 4 else 100
    found = gradient_walk(geometry, x, ids, 0, walks, 1e-5, 1000, KEY, 0, screening=screening, source=True)
    assert found.walks.source is not None

    def f(y: Array) -> Array:
        return np.asarray(minus_laplacian(y) + screening * u(y))

    values = found.values(u(found.walks.exit), f(found.walks.source), f(found.ball), centre=u(x))
    for axis in range(geometry.dimension):
        h = 1e-5 * np.eye(geometry.dimension)[axis]
        assert_unbiased(scores(values[..., axis], (u(x + h) - u(x - h)) / 2e-5))
    raw = found.values(u(found.walks.exit), f(found.walks.source), f(found.ball))
    assert values.var() < raw.var()


def test_gradient_walks_are_the_walks() -> None:
    geometry = shape("star")
    x, ids = start(geometry, 5)
    steep = gradient_walk(geometry, x, ids, 0, 50, 1e-3, 1000, KEY, 1)
    assert same(steep.walks, walk(geometry, x, ids, 0, 50, 1e-3, 1000, KEY, 1))


@pytest.mark.parametrize("name", ["disk", "star", "blob", "box in 10 dimensions"])
def test_results_do_not_depend_on_how_the_work_is_split(name: str) -> None:
    geometry = shape(name)
    x, ids = start(geometry, 20)
    sobol = geometry.dimension < 4

    def go(points: Any, first: int, walks: int) -> Records:
        return walk(
            geometry, x[points], ids[points], first, walks, 1e-3, 1000, KEY, 9, source=True, sobol=sobol, screening=1.0
        )

    whole = go(slice(None), 0, 600)
    assert same(whole, go(slice(None), 0, 600))
    assert same(whole, go([7], 0, 600), rows=[7])
    order = np.random.default_rng(0).permutation(20)
    assert same(whole, go(order, 0, 600), rows=order)
    assert same(whole, go(slice(None), 0, 300), columns=slice(0, 300))
    assert same(whole, go(slice(None), 300, 300), columns=slice(300, 600))
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(lambda half: go(half, 0, 600), [slice(0, 10), slice(10, 20)])
        for half, rows in zip(halves, [slice(0, 10), slice(10, 20)], strict=True):
            assert same(whole, half, rows=rows)


def test_streams_points_and_keys_are_independent() -> None:
    geometry = shape("disk")
    x = np.zeros((2, 2))
    both = walk(geometry, x, [0, 1], 0, 1000, 1e-3, 100, KEY, 0).exit
    others = [
        walk(geometry, x, [0, 1], 0, 1000, 1e-3, 100, *who).exit for who in ((KEY, 1), ((17, 30), 0), ((18, 29), 0))
    ]
    columns = np.array([e[i, :, j] for e in (both, *others) for i in (0, 1) for j in (0, 1)])
    np.testing.assert_allclose(np.corrcoef(columns), np.eye(16), atol=4.5 / np.sqrt(1000))


def test_errors_fall_with_the_square_root_of_the_number_of_walks() -> None:
    geometry = shape("disk")
    x, ids = start(geometry, 400)
    u = EXACT["exp(4x) cos 4y"].u
    error = u(walk(geometry, x, ids, 0, 4096, 1e-5, 1000, KEY, 2).exit) - u(x)[:, None]
    counts = 4 ** np.arange(2, 7)
    rms = [np.sqrt(((error[:, :n].mean(axis=1) / error.std(axis=1)) ** 2).mean()) for n in counts]
    slope = np.polyfit(np.log(counts), np.log(rms), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)


def test_the_bias_halves_with_epsilon() -> None:
    """The same random numbers lead to all shells, so that the difference to a thin one shows little noise."""
    u = EXACT["Re z⁴"].u

    def values(epsilon: float) -> Array:
        return np.asarray(u(walk(shape("disk"), [[0.8, 0.0]], [0], 0, 400_000, epsilon, 1000, KEY, 3).exit))

    truth = values(1e-7)
    bias = [(values(epsilon) - truth).mean() for epsilon in (0.04, 0.02, 0.01)]
    assert bias[0] / bias[1] == pytest.approx(2.0, abs=0.3)
    assert bias[1] / bias[2] == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("name", ["square", "blob", "box in 10 dimensions"])
def test_walks_that_are_cut_off_are_counted(name: str) -> None:
    geometry = shape(name)
    x, ids = start(geometry, 10)
    whole = walk(geometry, x, ids, 0, 100, 1e-3, 1000, KEY, 4)
    cut = walk(geometry, x, ids, 0, 100, 1e-3, 8, KEY, 4)
    assert cut.truncated.sum() > 0
    assert cut.steps.max() == 8
    assert np.array_equal(cut.element < 0, whole.steps > 8)
    np.testing.assert_allclose(geometry.distance(cut.exit.reshape(-1, geometry.dimension)), 0.0, atol=1e-12)
    assert np.array_equal(cut.exit[whole.steps <= 8], whole.exit[whole.steps <= 8])


@pytest.mark.parametrize("name", ["square", "star", "ball"])
def test_sobol_starts_lower_the_variance_of_independent_blocks(name: str) -> None:
    geometry = shape(name)
    x, ids = start(geometry, 100)
    u = EXACT["x² + y² - 2z²" if geometry.dimension == 3 else "x² - y²"].u

    def blocks(sobol: bool) -> Array:
        exits = walk(geometry, x, ids, 0, 16 * BATCH, 1e-4, 1000, KEY, 5, sobol=sobol).exit
        return np.asarray(u(exits).reshape(100, 16, BATCH).mean(axis=2))

    plain, shifted = blocks(False), blocks(True)
    assert plain.var(axis=1, ddof=1).mean() > 1.4 * shifted.var(axis=1, ddof=1).mean()
    z = (shifted.mean(axis=1) - u(x)) / np.sqrt(shifted.var(axis=1, ddof=1).mean() / 16)
    assert abs(z.mean()) < 4 / np.sqrt(100)
    assert 0.7 < np.sqrt((z**2).mean()) < 1.4


def _walk(**changes: Any) -> Records:
    arguments: dict[str, Any] = {
        "geometry": Ball(), "points": [[0.0, 0.5]], "ids": [0], "first": 0, "walks": 1, "epsilon": 1e-3,
        "max_steps": 100, "key": KEY, "stream": 0,
    }  # fmt: skip
    return walk(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": [[0.0, 0.5], [0.0, 2.0]], "ids": [0, 1]}, r"1 of 2 points .* number 1 at \(0, 2\), is outside"),
        ({"points": [[0.0, 0.9995]]}, "is within epsilon = 0.001 of the boundary"),
        ({"points": [[0.0, float("nan")]]}, "is outside the domain"),
        ({"epsilon": 0.0}, "has to be positive"),
        (
            {"geometry": Polygon([(-1, -1), (1, -1), (1, 1)]), "epsilon": 0.5},
            "make epsilon smaller or the grid coarser",
        ),
        ({"ids": [0, 1]}, "one integer"),
        ({"ids": [2**32]}, "one integer"),
        ({"first": 2**32}, "below 2\\^32"),
        ({"max_steps": 0}, "between 1 and"),
        ({"screening": -1.0}, "zero or positive"),
        ({"geometry": Ball(np.zeros(4)), "points": np.zeros((1, 4)), "sobol": True}, "two and three dimensions"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SolverError, match=message):
        _walk(**changes)


CHILD = """
from pdemill.solvers.walks.kernels import walk2
from pdemill.solvers.walks.shapes.ball import Ball
from pdemill.solvers.walks.walk import walk
records = walk(Ball(), [[0.0, 0.0]], [0], 0, 10, 1e-3, 100, (1, 2), 3)
assert sum(walk2.stats.cache_misses.values()) == {misses}, walk2.stats
assert sum(walk2.stats.cache_hits.values()) == 1 - {misses}, walk2.stats
print(records.exit.tobytes().hex())
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    def child(misses: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", CHILD.format(misses=misses)],
            env={
                **os.environ,
                "NUMBA_CACHE_DIR": str(tmp_path),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "NUMBA_CPU_NAME": "generic",  # for which nothing lies beside the modules
            },
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    assert child(misses=1) == child(misses=0)
