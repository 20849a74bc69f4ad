"""Transforms of eight lines at once, and tendencies made of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pdemill.solvers.spectral.exponential import ETDRK4
from pdemill.solvers.spectral.fourier import factors, line, transform
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.lanes import LANES
from pdemill.solvers.spectral.march import SpectralMarch
from pdemill.solvers.spectral.plan import points_for
from pdemill.solvers.spectral.symbols import Products, Symbols
from tests.spectral.test_exact import BURGERS


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 32, 45, 60, 64, 96, 128, 225, 512])
def test_transforms_agree_with_their_definition(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, LANES)) + 1j * rng.standard_normal((n, LANES))
    along, parts = line(n), [np.ascontiguousarray(part).ravel() for part in (x.real, x.imag)]
    others = [np.empty(n * LANES) for _ in parts]
    transform(*parts, *others, along)
    found = others if len(along.radices) % 2 else parts
    waves = np.exp(-2j * np.pi * (np.outer(np.arange(n), np.arange(n)) % n) / n)
    assert np.abs((found[0] + 1j * found[1]).reshape(n, LANES) - waves @ x).max() < 1e-14 * n


def test_points_are_few_and_free_of_aliasing() -> None:
    assert [factors(n) for n in (1, 2, 16, 32, 64, 7, 60)] == [[], [2], [4, 4], [8, 4], [8, 8], None, [4, 3, 5]]
    for n in range(8, 600):
        cut = (n - 1) // 3
        for halved in (False, True):
            found = points_for(cut, halved)
            assert 3 * cut < found <= 1.2 * n + 2
            assert factors(found // 2 if halved else found) is not None
    assert all(points_for((n - 1) // 3, True) == n for n in (16, 64, 96, 100, 128, 192, 256, 320, 1024))


def derived(
    shape: tuple[int, ...], samples: int, products: Products, weights: NDArray[np.complex128], count: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """du/dt of ``count`` unknowns from two short steps, forwards and backwards, and f_b + sum_p W_bp F(q_p) on a grid
    with twice the points; the weights of sample i are i + 1 times those given."""
    grid = PeriodicGrid(shape, (1.0,) * len(shape))
    fine, places = grid.refined, grid.places_in_refined
    rng = np.random.default_rng(3)
    forcing = grid.spectra(rng.standard_normal((count, *shape))).ravel()
    u = grid.spectra(rng.standard_normal((samples * count, *shape))).reshape(samples, -1)
    still = np.zeros(count * grid.modes)
    symbols = [Symbols(BURGERS, still, complex(i + 1) * weights, forcing) for i in range(samples)]
    march = SpectralMarch(grid, ETDRK4(), products, symbols)
    step, ends = 1e-8, []
    for sign in (1.0, -1.0):
        end = u.copy()
        march.advance(end, sign * step, 1)
        ends.append(end)
    exact = np.repeat(forcing.reshape(1, count, -1), samples, axis=0)

    def at_points(values: NDArray[np.complex128]) -> NDArray[np.float64]:
        wide = np.zeros((samples, fine.modes), np.complex128)
        wide[:, places] = values
        return fine.fields(wide)

    each = u.reshape(exact.shape)
    fields = [at_points(part * each[:, a]) for part, a in zip(products.factors, products.unknowns, strict=True)]
    for weight, (target, b) in zip(weights, products.targets, strict=True):
        for p, i, j, c in products.terms:
            if p == target:
                made = fine.spectra(c * fields[i] * fields[j])[:, places]
                exact[:, b] += np.arange(1, samples + 1)[:, None] * weight * made
    return (ends[0] - ends[1]) / (2.0 * step), exact.reshape(samples, -1)


SHAPES = [(64, 64), (20, 12), (50, 14), (33, 21), (96,), (23,), (8, 16, 24), (10, 12, 14), (9, 9, 9)]


@pytest.mark.parametrize("shape", SHAPES)
def test_tendencies_agree_with_a_grid_without_aliasing(shape: tuple[int, ...]) -> None:
    grid = PeriodicGrid(shape, (1.0,) * len(shape))
    factors = np.stack([1j * grid.waves[0] * 0.1, grid.inverse_squared + 1.0])
    weights = np.stack([0.3j * grid.waves[-1], np.ones(grid.modes, np.complex128)])
    products = Products(factors, weights, ((0, 0, 1, 2.0), (0, 1, 1, -0.5), (1, 0, 0, 1.0)))
    found, exact = derived(shape, 3, products, weights, 1)
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()


@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_several_unknowns_enter_several_others(shape: tuple[int, ...]) -> None:
    """Products of fields of the unknowns 0, 1 and 3 enter 0, 2 and 3; 1 is forced alone."""
    grid = PeriodicGrid(shape, (1.0,) * len(shape))
    one = np.ones(grid.modes, np.complex128)
    factors = np.stack([1j * grid.waves[0] * 0.1, one, grid.inverse_squared + 1.0])
    weights = np.stack([0.3j * grid.waves[-1], 0.5 * one, -one, 0.2j * grid.waves[0] - 0.1])
    terms, targets = ((0, 0, 1, 2.0), (0, 1, 2, -0.5), (1, 2, 2, 1.0)), ((0, 3), (0, 0), (1, 2), (1, 3))
    products = Products(factors, weights, terms, unknowns=(0, 1, 3), targets=targets)
    found, exact = derived(shape, 11, products, weights, 4)
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()
    alone, _ = derived(shape, 1, products, weights, 4)
    np.testing.assert_array_equal(alone[0], found[0])
