"""Splines of smooth functions, and tables whose linear interpolant has the right means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_banded

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.walks.tables import GHOSTS, Spline, axes_of, cell, cubic, make_raster, sharpen

AXES = [np.linspace(0, 1, 41), np.linspace(-1, 0.5, 49)]


def function(x: Array, y: Array) -> Array:
    return np.asarray(np.sin(5 * x) * np.exp(y))


def spline(refine: int = 1) -> Spline:
    axes = [np.linspace(axis[0], axis[-1], refine * (len(axis) - 1) + 1) for axis in AXES]
    return Spline(axes, function(*np.meshgrid(*axes, indexing="ij")))


def test_spline_knows_values_and_derivatives() -> None:
    points = np.random.default_rng(1).uniform((0, -1), (1, 0.5), (500, 2))
    x, y = points.T
    exact = function(x, y)
    s = spline()
    np.testing.assert_allclose(s(points), exact, atol=2e-7)
    np.testing.assert_allclose(s.gradient(points)[:, 0], 5 * np.cos(5 * x) * np.exp(y), atol=3e-5)
    np.testing.assert_allclose(s.laplacian(points), -24 * exact, atol=5e-3)
    assert s.gradient(points.reshape(50, 10, 2)).shape == (50, 10, 2)


def test_spline_converges_with_order_six_and_its_laplacian_with_four() -> None:
    points = np.random.default_rng(1).uniform((0, -1), (1, 0.5), (500, 2))
    exact = function(*points.T)
    values = [np.abs(spline(refine)(points) - exact).max() for refine in (1, 2)]
    laplacians = [np.abs(spline(refine).laplacian(points) + 24 * exact).max() for refine in (1, 2)]
    assert np.log2(values[0] / values[1]) > 5.5
    assert np.log2(laplacians[0] / laplacians[1]) > 3.5


def test_spline_on_a_grid_is_the_spline() -> None:
    s, raster = spline(), make_raster((0, -1), (1, 0.5), 23)
    axes = axes_of(raster, 1)
    points = np.stack(np.meshgrid(*[axis[1:-1] for axis in axes], indexing="ij"), axis=-1)
    for orders in ((0, 0), (2, 0), (1, 1)):
        np.testing.assert_allclose(s.on(axes, orders)[1:-1, 1:-1], s(points, orders), rtol=1e-9, atol=1e-9)


def test_spline_refuses_what_it_cannot_do() -> None:
    with pytest.raises(SolverError, match="do not fit"):
        Spline(AXES, np.zeros((3, 3)))
    with pytest.raises(SolverError, match="six or more"):
        Spline([np.arange(4.0)], np.zeros(4))
    with pytest.raises(SolverError, match="finite"):
        Spline([np.arange(9.0)], np.full(9, np.nan))


def test_lookup_reproduces_lines_and_cubics() -> None:
    raster = make_raster((-1.0,), (2.0,), 16)
    (nodes,) = axes_of(raster)
    for x in (-1.0, -0.99, 0.3, 1.999, 2.0):
        i, t = cell(raster, 0, x)
        assert (1 - t) * nodes[i] + t * nodes[i + 1] == pytest.approx(x)
        i, weights = cubic(raster, 0, x)
        assert np.dot(weights, nodes[i : i + 4] ** 3) == pytest.approx(x**3)


def test_sharpened_tables_do_not_bias_the_solution() -> None:
    """-U'' + σ'U = 1/√k with k = exp(0.3 sin 20πx), σ' interpolated on 257 and 513 nodes and exact."""
    fine = np.linspace(0, 1, 2**18 + 1)[1:-1]

    def sigma(x: Array) -> Array:
        w = 20 * np.pi
        return np.asarray(-0.15 * w * w * np.sin(w * x) + (0.3 * w * np.cos(w * x)) ** 2 / 4)

    def solution(values: Array) -> Array:
        h = 1 / (len(fine) + 1)
        right = np.exp(-0.15 * np.sin(20 * np.pi * fine))
        right[[0, -1]] += 1 / h**2
        bands = np.full((3, len(fine)), -1 / h**2)
        bands[1] = 2 / h**2 + values
        return np.asarray(solve_banded((1, 1), bands, right))

    exact = solution(sigma(fine))

    def bias(nodes: int, sharp: bool) -> float:
        raster = make_raster((0.0,), (1.0,), nodes)
        values = sigma(axes_of(raster, GHOSTS)[0])
        table = sharpen(values) if sharp else values[GHOSTS:-GHOSTS]
        return float(np.abs(solution(np.interp(fine, axes_of(raster)[0], table)) / exact - 1).max())

    assert bias(513, sharp=False) > 1e-2
    assert bias(513, sharp=True) < 1e-6
    assert bias(257, sharp=True) / bias(513, sharp=True) > 2**5
