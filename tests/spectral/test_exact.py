"""Marching on periodic boxes against exact solutions, and the orders of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.points import Array
from pdemill.solvers.spectral.exponential import ETDRK2, ETDRK4, Exponential
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.march import SpectralMarch
from pdemill.solvers.spectral.reference import OtherMarch
from pdemill.solvers.spectral.symbols import Symbols, linear_symbol, products_of
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms


def number(value: float) -> Function:
    return Function(lambda points: value)


NOTHING = number(0.0)


def marched(
    terms: Terms, grid: PeriodicGrid, initial: Array, end: float, steps: int, scheme: Exponential | None = None
) -> Array:
    """The state at ``end`` from ``initial``, a field on the grid."""
    found = products_of(terms, grid)
    source = np.broadcast_to(np.asarray(terms.source(grid.points), dtype=float), grid.shape)
    weights = found.weights if found else np.empty((0, grid.modes), np.complex128)
    symbols = Symbols(terms, linear_symbol(terms, grid), weights, grid.spectra(source[None].copy())[0])
    march = SpectralMarch(grid, scheme or ETDRK4(), found, [symbols])
    u = grid.spectra(initial[None])
    march.advance(u, end, steps)
    return np.asarray(grid.fields(u)[0])


def error(found: Array, exact: Array) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize(
    ("shape", "lengths"), [((32,), (3.0,)), ((32, 24), (2.0, 1.0)), ((16, 8, 24), (1.0, 2.0, 3.0))]
)
def test_what_is_linear_is_exact(shape: tuple[int, ...], lengths: tuple[float, ...]) -> None:
    grid = PeriodicGrid(shape, lengths)
    k, b = [0.03, 0.01, 0.02][: len(shape)], [0.7, -0.4, 0.2][: len(shape)]
    c, p, q, t = 0.3, 2e-3, 1e-4, 0.8
    terms = Terms(
        tuple(map(number, k)), number(0.6), tuple(map(number, b)), number(c), dispersion=number(p),
        hyperdiffusion=number(q),
    )  # fmt: skip
    waves = [2.0 * np.pi * m / length for m, length in zip((2, 1, -2), lengths, strict=False)]

    def wave(time: float) -> Array:
        x = np.meshgrid(*grid.nodes.values(), indexing="ij")
        angle = sum(w * (y - (speed - p * w * w) * time) for w, y, speed in zip(waves, x, b, strict=True))
        rate = sum(d * w * w for d, w in zip(k, waves, strict=True)) + c + q * sum(w * w for w in waves) ** 2
        mean = 0.6 / c * (1.0 - np.exp(-c * time))
        return np.asarray(np.exp(-rate * time) * np.cos(angle + 0.3) + mean)

    assert error(marched(terms, grid, wave(0.0), t, 1), wave(t)) < 1e-12


@pytest.mark.parametrize("lengths", [(2.0, 1.0), (2.0 * np.pi,) * 2])
def test_spectral_viscosity_spares_long_waves(lengths: tuple[float, ...]) -> None:
    """Waves along both axes with 5 crests and fewer are kept, others decay as by viscosity."""
    grid = PeriodicGrid((24, 32), lengths)
    x, y = (points / length for points, length in zip(grid.nodes.values(), lengths, strict=True))
    terms = Terms((NOTHING,), NOTHING, spectral_viscosity=(number(0.01), number(5.0)))
    for i, j in ((0, 5), (3, 4), (-4, 3), (5, 1), (0, 6), (-4, 4), (7, 0)):
        start = np.cos(2.0 * np.pi * np.add.outer(i * x, j * y))
        squared = sum((2.0 * np.pi * n / length) ** 2 for n, length in zip((i, j), lengths, strict=True))
        rate = 0.01 * squared * (i * i + j * j > 25)
        assert error(marched(terms, grid, start, 0.5, 1), np.exp(-0.5 * rate) * start) < 1e-11
        assert error(OtherMarch(terms, grid).march(start, 0.5, 1), np.exp(-0.5 * rate) * start) < 1e-11


def test_a_store_of_linear_waves_holds_their_exact_shifts(tmp_path: Path) -> None:
    """cos(a x + b y) under all coefficients, drawn and not."""
    spec: dict[str, Any] = {
        "problem": {
            "family": "general_linear", "resolution": [16, 12], "domain": {"lengths": [2.0, 1.0]},
            "velocity": [{"uniform": [-1, 1]}, 0.3], "diffusion": 1e-3, "dispersion": {"uniform": [-0.01, 0.01]},
            "hyperdiffusion": 1e-4, "reaction": {"uniform": [-0.5, 0.5]}, "time": {"end": 2.0, "intervals": 2},
            "initial": {"field": "expression", "formula": "cos(2*pi*x - 4*pi*y)"},
        },
        "samples": 3, "store": {"dtype": "float64"},
    }  # fmt: skip
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    group: Any = zarr.open_group(tmp_path / "s.zarr", mode="r")["train"]
    names: Any = zarr.open_group(tmp_path / "s.zarr", mode="r").attrs["parameters"]
    x, y = np.meshgrid(np.arange(16) / 8.0, np.arange(12) / 12.0, indexing="ij")
    a, b = 2.0 * np.pi, -4.0 * np.pi
    for solution, params in zip(group["solution"][...], group["params"][...], strict=True):
        given = dict(zip(names, params, strict=True))
        rate = 1e-3 * (a * a + b * b) + 1e-4 * (a * a + b * b) ** 2 + given["reaction"]
        speed = given["velocity_x"] * a + 0.3 * b - given["dispersion"] * (a**3 + b**3)
        for frame, t in zip(solution[0], (0.0, 1.0, 2.0), strict=True):
            assert np.abs(frame - np.exp(-rate * t) * np.cos(a * x + b * y - speed * t)).max() < 1e-11


def test_the_taylor_green_vortex_decays_as_it_should() -> None:
    """w = 2 cos x cos y e^(-2 nu t): its advection vanishes (Taylor and Green 1937); with a mean flow it would move."""
    grid, nu = PeriodicGrid((32, 32), (2.0 * np.pi,) * 2), 0.05
    x, y = np.meshgrid(*grid.nodes.values(), indexing="ij")
    terms = Terms((number(nu),), NOTHING, vorticity_advection=number(1.0))
    start = 2.0 * np.cos(x) * np.cos(y)
    assert error(marched(terms, grid, start, 3.0, 4), start * np.exp(-2.0 * nu * 3.0)) < 1e-12


def shear(grid: PeriodicGrid, t: float, nu: float) -> Array:
    """A parallel flow with vorticity sin y carries a small wave: here the flow alone, which decays."""
    return np.broadcast_to(np.exp(-nu * t) * np.sin(grid.nodes["y"]), grid.shape)


def test_a_parallel_flow_decays_as_it_should() -> None:
    grid = PeriodicGrid((16, 24), (2.0 * np.pi,) * 2)
    terms = Terms((number(0.1),), NOTHING, reaction=number(0.2), vorticity_advection=number(1.0))
    found = marched(terms, grid, np.ascontiguousarray(shear(grid, 0.0, 0.1)), 2.0, 2)
    assert error(found, shear(grid, 2.0, 0.3)) < 1e-12


def cole_hopf(grid: PeriodicGrid, t: float, nu: float) -> Array:
    """u = -2 nu phi_x / phi, phi = 2 + e^(-nu t) cos x (Hopf 1950, "The partial differential equation
    u_t + u u_x = mu u_xx", eq. (3))."""
    x, decay = grid.nodes["x"], np.exp(-nu * t)
    return np.asarray(2.0 * nu * decay * np.sin(x) / (2.0 + decay * np.cos(x)))


BURGERS = Terms((number(0.5),), NOTHING, self_advection=number(1.0))


def test_burgers_equation_agrees_with_cole_and_hopf() -> None:
    grid = PeriodicGrid((96,), (2.0 * np.pi,))
    found = marched(BURGERS, grid, cole_hopf(grid, 0.0, 0.5), 1.0, 256)
    assert error(found, cole_hopf(grid, 1.0, 0.5)) < 1e-12


def test_errors_in_space_fall_faster_than_any_power() -> None:
    errors = []
    for n in (16, 32, 64):
        grid = PeriodicGrid((n,), (2.0 * np.pi,))
        errors.append(error(marched(BURGERS, grid, cole_hopf(grid, 0.0, 0.5), 1.0, 256), cole_hopf(grid, 1.0, 0.5)))
    assert errors[1] < 1e-3 * errors[0]
    assert errors[2] < 1e-4 * errors[1]


def soliton(grid: PeriodicGrid, t: float, q: float, c: float) -> Array:
    """u = 3 c sech^2(sqrt(c / q) / 2 (x - c t)) of u_t + u u_x + q u_xxx = 0 (Korteweg and de Vries 1895), whose
    periodic images are below rounding."""
    (length,) = grid.lengths
    place = np.mod(grid.nodes["x"] - c * t, length) - 0.5 * length
    return np.asarray(3.0 * c / np.cosh(0.5 * np.sqrt(c / q) * place) ** 2)


@pytest.mark.parametrize(("q", "c"), [(1.0, 1.0), (0.3, 0.6)])
def test_a_soliton_keeps_its_shape(q: float, c: float) -> None:
    grid = PeriodicGrid((320,), (80.0 * np.sqrt(q / c),))
    terms = Terms((NOTHING,), NOTHING, dispersion=number(q), self_advection=number(1.0))
    t = 0.7 * grid.lengths[0] / c
    errors = [error(marched(terms, grid, soliton(grid, 0.0, q, c), t, n), soliton(grid, t, q, c)) for n in (2048, 8192)]
    assert errors[0] < 1e-4
    assert errors[1] < 1e-8 + errors[0] / 100.0
    other = OtherMarch(terms, grid).march(soliton(grid, 0.0, q, c), 0.1, 512)
    assert error(other, soliton(grid, 0.1, q, c)) < 1e-8


def orders(
    scheme: Exponential, terms: Terms, grid: PeriodicGrid, start: Array, end: float, steps: Sequence[int]
) -> list[float]:
    """Observed orders in the step."""
    exact = marched(terms, grid, start, end, 8 * steps[-1])
    errors = [error(marched(terms, grid, start, end, n, scheme), exact) for n in steps]
    return [log2(a / b) for a, b in pairwise(errors)]


def vortices(grid: PeriodicGrid) -> Array:
    x, y = np.meshgrid(*grid.nodes.values(), indexing="ij")
    return np.asarray(np.cos(x) * np.cos(y) + 0.6 * np.sin(2.0 * x + y) + 0.3 * np.cos(3.0 * y - x))


@pytest.mark.parametrize(("scheme", "order"), [(ETDRK4(), 4), (ETDRK2(), 2)])
def test_schemes_have_their_order(scheme: Exponential, order: int) -> None:
    grid = PeriodicGrid((32, 32), (2.0 * np.pi,) * 2)
    terms = Terms((number(0.02),), number(0.0), vorticity_advection=number(1.0))
    assert orders(scheme, terms, grid, vortices(grid), 2.0, (20, 40, 80)) == pytest.approx([order] * 2, abs=0.25)
    line = PeriodicGrid((64,), (32.0,))
    stiff = Terms((number(-1.0),), NOTHING, hyperdiffusion=number(1.0), self_advection=number(1.0))
    start = np.cos(2.0 * np.pi * line.nodes["x"] / 32.0)
    assert orders(scheme, stiff, line, start, 4.0, (160, 320, 640)) == pytest.approx([order] * 2, abs=0.25)


def test_energy_and_enstrophy_have_their_budgets() -> None:
    """d/dt <w^2>/2 = -nu <|grad w|^2> - mu <w^2> + <f w>, and that of the energy with w / |k|^2: the integrals over
    time by Simpson's rule over the steps."""
    grid, nu, mu = PeriodicGrid((48, 48), (2.0 * np.pi,) * 2), 0.02, 0.1
    _, y = np.meshgrid(*grid.nodes.values(), indexing="ij")
    force = np.sin(4.0 * y)
    terms = Terms((number(nu),), Function(lambda points: force), reaction=number(mu), vorticity_advection=number(1.0))
    steps, h = 128, 1.0 / 64.0
    states = [vortices(grid)]
    for _ in range(steps):
        states.append(marched(terms, grid, states[-1], h, 1))
    spectra = grid.spectra(np.stack(states))
    pushed = grid.spectra(force[None])[0]
    squares = np.square(np.abs(spectra)) * grid.multiplicity
    inverse = np.divide(1.0, grid.squared, out=np.zeros(grid.modes), where=grid.squared > 0.0)
    for weight in (np.ones(grid.modes), inverse):
        content = 0.5 * (squares * weight).sum(axis=1)
        work = ((spectra.conj() * pushed).real * grid.multiplicity * weight).sum(axis=1)
        rate = work - (squares * weight * (nu * grid.squared + mu)).sum(axis=1)
        simpson = h / 3.0 * (rate[0] + rate[-1] + 4.0 * rate[1:-1:2].sum() + 2.0 * rate[2:-1:2].sum())
        assert content[-1] - content[0] == pytest.approx(simpson, rel=2e-7)


@pytest.mark.parametrize("kind", ["vortices", "line"])
def test_the_reference_agrees_and_shares_nothing(kind: str) -> None:
    if kind == "vortices":
        grid = PeriodicGrid((32, 24), (2.0 * np.pi,) * 2)
        terms = Terms((number(0.05),), NOTHING, reaction=number(0.1), vorticity_advection=number(1.0))
        start = vortices(grid)
    else:
        grid = PeriodicGrid((64,), (32.0,))
        terms = Terms((number(-1.0),), number(0.1), hyperdiffusion=number(1.0), self_advection=number(1.0))
        start = np.cos(2.0 * np.pi * grid.nodes["x"] / 32.0)
    assert error(OtherMarch(terms, grid).march(start, 0.5, 64), marched(terms, grid, start, 0.5, 64)) < 1e-7


@pytest.mark.parametrize("shape", [(24,), (32, 64), (20, 12), (8, 16, 24), (10, 12, 14)])
def test_bits_do_not_depend_on_the_batch(shape: tuple[int, ...]) -> None:
    grid = PeriodicGrid(shape, (1.0,) * len(shape))
    rng = np.random.default_rng(3)
    fields = rng.standard_normal((24, *shape))
    whole = grid.spectra(fields)
    assert grid.fields(whole)[5].tobytes() == grid.fields(whole[5:6])[0].tobytes()
    turned = grid.spectra(np.roll(fields, 7, axis=0))
    assert np.roll(turned, -7, axis=0).tobytes() == whole.tobytes()
    assert grid.spectra(fields[11:12])[0].tobytes() == whole[11].tobytes()
    terms = Terms((number(1e-2),), NOTHING, self_advection=number(1.0))
    found = products_of(terms, grid)
    assert found is not None
    symbols = Symbols(terms, linear_symbol(terms, grid), found.weights, np.zeros(grid.modes, np.complex128))
    own = [Symbols(terms, symbols.linear * (1 + i), symbols.weights, symbols.forcing) for i in range(24)]
    ends = []
    for numbers in (range(24), range(8, 16), range(13, 16)):
        march = SpectralMarch(grid, ETDRK4(), found, [own[i] for i in numbers])
        u = whole[list(numbers)] * 0.1
        march.advance(u, 0.01, 3)
        ends.append(u)
    assert ends[0][8:16].tobytes() == ends[1].tobytes()
    assert ends[0][13:16].tobytes() == ends[2].tobytes()


def test_products_are_free_of_aliasing() -> None:
    """The square of the highest kept mode has none of the kept ones in it but the mean."""
    for n in (16, 24, 33, 64):
        grid = PeriodicGrid((n,), (2.0 * np.pi,))
        wave = np.cos(grid.cut[0] * grid.nodes["x"])
        square = grid.spectra((wave * wave)[None])[0]
        assert abs(square[0] - 0.5) < 1e-15
        assert np.abs(square[1:]).max() < 1e-15


def test_the_modes_of_a_grid_are_found_on_a_finer_one() -> None:
    coarse, fine = PeriodicGrid((16, 24), (1.0, 2.0)), PeriodicGrid((32, 40), (1.0, 2.0))
    state = np.zeros(fine.modes, np.complex128)
    spectra = coarse.spectra(np.random.default_rng(0).standard_normal((1, 16, 24)))[0]
    state[coarse.places_in(fine)] = spectra
    found = fine.fields(state[None])[0][::2, :]
    assert np.allclose(found[:, ::5], coarse.fields(spectra[None])[0][:, ::3], atol=1e-13)
