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
from pdemill.solvers.spectral.symbols import Products, Symbols
from pdemill.solvers.spectral.tendency import points_for
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


def derived(shape: tuple[int, ...], samples: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """du/dt from two short steps, forwards and backwards, and f + sum_p W_p F(q_p) on a grid with twice the points."""
    grid = PeriodicGrid(shape, (1.0,) * len(shape))
    fine, places = grid.refined, grid.places_in_refined
    rng = np.random.default_rng(3)
    u = grid.spectra(rng.standard_normal((samples, *shape)))
    forcing = grid.spectra(rng.standard_normal((1, *shape)))[0]
    factor = np.stack([1j * grid.waves[0] * 0.1, grid.inverse_squared + 1.0])
    weights = np.stack([0.3j * grid.waves[-1], np.ones(grid.modes, np.complex128)])
    terms = ((0, 0, 1, 2.0), (0, 1, 1, -0.5), (1, 0, 0, 1.0))
    symbols = [Symbols(BURGERS, np.zeros(grid.modes), complex(i + 1) * weights, forcing) for i in range(samples)]
    march = SpectralMarch(grid, ETDRK4(), Products(factor, weights, terms), symbols)
    step, ends = 1e-8, []
    for sign in (1.0, -1.0):
        end = u.copy()
        march.advance(end, sign * step, 1)
        ends.append(end)
    exact = np.repeat(forcing[None], samples, axis=0)

    def at_points(values: NDArray[np.complex128]) -> NDArray[np.float64]:
        wide = np.zeros((samples, fine.modes), np.complex128)
        wide[:, places] = values
        return fine.fields(wide)

    fields = [at_points(part * u) for part in factor]
    for p, i, j, c in terms:
        made = fine.spectra(c * fields[i] * fields[j])[:, places]
        exact = exact + np.arange(1, samples + 1)[:, None] * weights[p] * made
    return (ends[0] - ends[1]) / (2.0 * step), exact


@pytest.mark.parametrize(
    "shape", [(64, 64), (20, 12), (50, 14), (33, 21), (96,), (23,), (8, 16, 24), (10, 12, 14), (9, 9, 9)]
)
def test_tendencies_agree_with_a_grid_without_aliasing(shape: tuple[int, ...]) -> None:
    found, exact = derived(shape, 3)
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()
