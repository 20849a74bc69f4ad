"""Green's functions of balls against SciPy and quadrature, and the samplers against the densities they promise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0, k0
from scipy.special import i0e as exact_i0e
from scipy.special import k0e as exact_k0e

from pdemill.points import Array
from pdemill.solvers.walks import green

DRAWS = 20_000


def absorbed(dimension: int, radius: float, root: float, draws: Array) -> Array:
    """Distances at which walkers are absorbed, or the radius for those that get out."""
    flight = green.flight_2d if dimension == 2 else green.flight_3d
    left = green.left_2d if dimension == 2 else green.left_3d
    x, z = np.array([flight(root * radius, a, b) for a, b, _ in draws]), root * radius
    return np.array([t / root if t < z and c > left(z, t) else radius for t, c in zip(x, draws[:, 2], strict=True)])


def sources(dimension: int, radius: float, root: float, draws: Array) -> tuple[Array, Array]:
    sample = green.source_2d if dimension == 2 else green.source_3d
    found = np.array([sample(radius, root, a, b) for a, b, _ in draws])
    return found[:, 0], found[:, 1]


def density(dimension: int, radius: float, root: float) -> Callable[[float], float]:
    """The area of the sphere of radius r times G(r), from SciPy."""
    z = root * radius

    def at(r: float) -> float:
        if dimension == 2:
            if not root:
                return r * math.log(radius / r)
            return float(r * (k0(root * r) - i0(root * r) * k0(z) / i0(z)))
        if not root:
            return r * (1 - r / radius)
        return r * math.sinh(root * (radius - r)) / math.sinh(z)

    return at


def test_bessel_functions_agree_with_scipy() -> None:
    x = np.geomspace(1e-9, 1e6, 20_001)
    np.testing.assert_allclose([green.i0e(t) for t in x], exact_i0e(x), rtol=1e-13)
    np.testing.assert_allclose([green.k0e(t) for t in x], exact_k0e(x), rtol=1e-13)
    x = np.geomspace(1e-9, 300, 20_001)
    np.testing.assert_allclose([green.ratio(t) for t in x], exact_k0e(x) / exact_i0e(x) * np.exp(-2 * x), rtol=2e-11)


@pytest.mark.parametrize("root", [1e-3, 1.0, 9.0, 2000.0])
def test_throughputs_and_ratios(root: float) -> None:
    z = 0.7 * root
    assert green.throughput_2d(z) * exact_i0e(z) == pytest.approx(math.exp(-z), rel=1e-12)
    if z < 700:
        assert green.throughput_3d(z) == pytest.approx(z / math.sinh(z), rel=1e-12)
        for r in (0.01, 0.3, 0.69):
            for d, ratio in ((2, green.screened_2d), (3, green.screened_3d)):
                exact = density(d, 0.7, root)(r) / density(d, 0.7, 0.0)(r)
                assert ratio(0.7, root, r) == pytest.approx(exact, rel=1e-7, abs=1e-12)
    assert green.throughput_3d(0.0) == 1.0


@pytest.mark.parametrize("root", [0.1, 2.0, 6.0, 40.0])
@pytest.mark.parametrize("dimension", [2, 3])
def test_samplers_follow_the_green_function(dimension: int, root: float) -> None:
    radius, draws = 0.8, np.random.default_rng(5).uniform(size=(DRAWS, 3))
    at = density(dimension, radius, root)
    distance, weight = sources(dimension, radius, root, draws)
    ends = absorbed(dimension, radius, root, draws)
    for degree in (0, 1, 4):
        wanted = quad(lambda r, p=degree: at(r) * r**p, 0, radius, epsabs=1e-12, limit=200)[0]
        deposits = np.where(ends < radius, ends**degree, 0.0) / root**2
        for values in (weight * distance**degree, deposits):
            assert abs(values.mean() - wanted) < 4.5 * values.std() / math.sqrt(DRAWS) + 1e-9
    assert distance.max() <= radius
    assert weight.min() >= 0
    assert weight.max() <= (1 / root**2 if root * radius >= green.WIDE else radius**2 / (2 * dimension)) * (1 + 1e-12)
    throughput = green.throughput_2d if dimension == 2 else green.throughput_3d
    exits = np.count_nonzero(ends == radius) / DRAWS
    assert abs(exits - throughput(root * radius)) < 4.5 * math.sqrt(exits * (1 - exits) / DRAWS) + 1e-5


def test_plain_sources_have_one_weight() -> None:
    draws = np.random.default_rng(5).uniform(size=(100, 3))
    for dimension, weight in ((2, 0.16), (3, 0.64 / 6)):
        np.testing.assert_allclose(sources(dimension, 0.8, 0.0, draws)[1], weight, rtol=1e-15)
