"""Two layers of quasi-geostrophic flow: exact waves, growth, budgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import pdemill
from pdemill.points import Array
from pdemill.solvers.solution import Result
from pdemill.solvers.spectral.balance import Balance
from pdemill.solvers.spectral.exponential import ETDRK4
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.layers import Layers
from pdemill.solvers.spectral.march import SpectralMarch
from pdemill.solvers.spectral.reference import OtherMarch
from pdemill.solvers.spectral.symbols import products_of, symbols_of
from pdemill.spec.terms import Terms
from tests.sampling import sample
from tests.spectral.test_exact import NOTHING, error, number
from tests.spectral.test_flows import marched as flat
from tests.spectral.test_trajectories import BAROCLINIC, arrays, changed, failures

TURN = 2.0 * np.pi
GRID = PeriodicGrid((32, 24), (TURN, TURN / 2.0))
NAMES = ("q1", "q2")
STILL = Layers(radius=0.5, ratio=1.0, beta=0.0, flows=(0.0, 0.0), drag=0.0)
ALL = Layers(radius=0.5, ratio=0.4, beta=2.0, flows=(0.8, -0.3), drag=0.2)


def terms_of(layers: Layers, viscosity: float = 0.0) -> Terms:
    numbers = (layers.radius, layers.ratio, layers.beta, *layers.flows, layers.drag)
    second = Terms((number(viscosity),), NOTHING)
    return replace(second, layered=tuple(map(number, numbers)), others=(second,))


def marched(layers: Layers, start: Array, end: float, steps: int, viscosity: float = 0.0) -> Array:
    """Both potential vorticities at ``end``."""
    terms = terms_of(layers, viscosity)
    products = products_of(terms, GRID)
    assert products is not None
    symbols = symbols_of(terms, GRID, products, np.zeros(2 * GRID.modes, np.complex128), NAMES)
    u = GRID.spectra(start).reshape(1, -1)
    SpectralMarch(GRID, ETDRK4(), products, [symbols]).advance(u, end, steps)
    return GRID.fields(u.reshape(2, -1))


def places() -> list[Array]:
    return list(np.meshgrid(*GRID.nodes.values(), indexing="ij"))


def eddies() -> Array:
    x, y = places()
    return np.stack([
        np.sin(x) * np.cos(2 * y) + 0.5 * np.cos(2 * x - 2 * y), 0.7 * np.cos(x + 2 * y) - 0.4 * np.sin(2 * x)
    ])  # fmt: skip


@pytest.mark.parametrize(("waves", "baroclinic"), [((1, 0), False), ((2, 2), False), ((1, 2), True), ((3, 0), True)])
def test_rossby_waves_go_west_as_they_should(waves: tuple[int, int], baroclinic: bool) -> None:
    """At the speed beta / (k^2 + m^2), and beta / (k^2 + m^2 + 1 / radius^2) where the layers move against each other
    (Pedlosky 1987, "Geophysical Fluid Dynamics", section 6.12)."""
    layers, (k, m), (x, y) = replace(STILL, beta=3.0), waves, places()
    square = k * k + m * m
    speed = layers.beta / (square + (layers.radius**-2 if baroclinic else 0.0))
    sign = -1.0 if baroclinic else 1.0

    def wave(t: float) -> Array:
        one = np.cos(k * (x + speed * t) + m * y)
        return np.stack([one, sign * one])

    assert error(marched(layers, wave(0.0), 2.0, 200), wave(2.0)) < 1e-7


def test_a_sheared_wave_grows_as_phillips_says() -> None:
    """k U ((k_d^2 - k^2) / (k_d^2 + k^2))^(1/2), U half of the shear and k_d the inverse radius (Vallis 2017, section
    9.6); no growth beyond k_d."""
    layers, (x, _) = replace(STILL, radius=0.4, flows=(0.5, -0.5)), places()
    for k, rate in ((1, 0.5 * np.sqrt((6.25 - 1) / (6.25 + 1))), (2, np.sqrt((6.25 - 4) / (6.25 + 4))), (3, 0.0)):
        start = 1e-3 * np.stack([np.cos(k * x), np.sin(k * x)])
        late, later = (marched(layers, start, t, 15 * t) for t in (20, 24))
        growth = np.log(np.linalg.norm(later) / np.linalg.norm(late)) / 4.0
        assert growth == pytest.approx(rate, abs=2e-3 if rate else 0.2)


@pytest.mark.parametrize("waves", [(1, 2), (2, -2)])
def test_one_wave_follows_its_matrix(waves: tuple[int, int]) -> None:
    """It carries itself nowhere, whatever its size: all linear terms at once, by the exponential of their matrix."""
    (k, m), (x, y), nu = waves, places(), 0.01
    square = k * k + m * m
    first = 1.0 / (ALL.radius**2 * (1.0 + ALL.ratio))
    second = ALL.ratio * first
    psi = np.linalg.inv(np.array([[square + first, -first], [-second, square + second]]))
    shear = ALL.flows[0] - ALL.flows[1]
    A = 1j * k * np.diag([ALL.beta + first * shear, ALL.beta - second * shear]) @ psi - nu * square * np.eye(2)
    A -= 1j * k * np.diag(ALL.flows) + ALL.drag * square * np.array([np.zeros(2), psi[1]])
    amplitudes = np.array([1.0 + 0.5j, -0.3 + 2.0j])
    wave = np.exp(1j * (k * x + m * y))
    start, end = (np.real(a[:, None, None] * wave) for a in (amplitudes, expm(1.5 * A) @ amplitudes))
    assert error(marched(ALL, start, 1.5, 150, nu), end) < 1e-7


def test_layers_that_are_alike_are_one() -> None:
    """Where both begin the same without shear, each is the flow of one layer."""
    one = Terms((number(0.02),), NOTHING, vorticity_advection=number(1.0), planetary=number(2.0))
    start = eddies()[:1]
    found = marched(replace(STILL, ratio=0.3, beta=2.0), np.concatenate([start, start]), 1.0, 40, 0.02)
    wanted = flat(one, GRID, start, 1.0, 40)
    assert error(wanted, start) > 0.1
    for layer in found:
        assert error(layer, wanted[0]) < 1e-7


def energy(layers: Layers, fields: Array) -> tuple[float, Spectra, Spectra]:
    """<psi_i q_i> / 2, weighed by depths, the coefficients of q and those of psi."""
    q = GRID.spectra(fields)
    psi = np.einsum("abm,bm->am", layers.inversion(GRID.squared), q)
    depths = np.array([layers.ratio, 1.0]) / (1.0 + layers.ratio)
    return float(0.5 * depths @ ((psi.conj() * q).real @ GRID.multiplicity)), q, psi


def test_energy_has_its_budget() -> None:
    """dE/dt = a F_1 (U_1 - U_2) <psi_1 d_x psi_2> - (1 - a) mu <v_2^2> - nu sum a_i <w_i q_i>, a the upper share of the
    depth."""
    nu, h = 0.02, 1e-3
    middle = marched(ALL, eddies(), 0.5, 50, nu)
    after, before = (energy(ALL, marched(ALL, eddies(), 0.5 + s * h, 50, nu))[0] for s in (1, -1))
    _, q, psi = energy(ALL, middle)
    upper = ALL.ratio / (1.0 + ALL.ratio)

    def mean(one: Spectra, other: Spectra) -> float:
        return float(((one.conj() * other).real * GRID.multiplicity).sum())

    gained = upper * ALL.stretching[0] * (ALL.flows[0] - ALL.flows[1]) * mean(psi[0], 1j * GRID.waves[0] * psi[1])
    lost = (1.0 - upper) * ALL.drag * mean(psi[1], GRID.squared * psi[1])
    spent = nu * sum(
        share * mean(GRID.squared * p, w) for share, p, w in zip((upper, 1.0 - upper), psi, q, strict=True)
    )
    assert (after - before) / (2.0 * h) == pytest.approx(gained - lost - spent, rel=1e-4)


def test_advection_keeps_energy_and_the_enstrophy_of_each_layer() -> None:
    layers = replace(STILL, ratio=0.4)
    start, end = eddies(), marched(layers, eddies(), 1.0, 200)
    assert error(end, start) > 0.1
    assert energy(layers, end)[0] == pytest.approx(energy(layers, start)[0], rel=1e-9)
    for one, other in zip(start, end, strict=True):
        assert np.mean(other**2) == pytest.approx(np.mean(one**2), rel=1e-9)


def test_the_reference_agrees() -> None:
    start = GRID.fields(GRID.spectra(eddies()))
    other = OtherMarch(terms_of(ALL, 0.02), GRID, NAMES).march(start, 0.5, 100)
    assert error(other, marched(ALL, start, 0.5, 100, 0.02)) < 1e-7


def test_norms_may_grow_no_faster_than_shear_lets_them() -> None:
    """The fastest growth of a norm at once is found, and a little more is a violation."""
    balance = Balance(terms_of(ALL, 0.02), GRID, NAMES)
    times = np.array([0.0, 0.5, 1.0])
    states = np.stack([GRID.spectra(marched(ALL, eddies(), t, 50, 0.02) if t else eddies()).ravel() for t in times])
    assert balance.invariants(times, states) < 1e-12
    rates = [rate for _, rate in balance._norms((0, 1))]
    assert all(0.0 < rate < 2.0 for rate in rates)
    grown = states * np.exp((max(rates) + 0.1) * times)[:, None] / np.linalg.norm(states, axis=1, keepdims=True)
    assert balance.invariants(times, grown) > 1e-3


@pytest.mark.parametrize("name", sample(["gradients", "stretching"], "gradients"))
def test_wrong_layers_are_caught(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(Layers, name).fget
    monkeypatch.setattr(Layers, name, property(lambda self: tuple(1.1 * value for value in right(self))))
    told = failures(changed(BAROCLINIC, samples=2), tmp_path / "s.zarr")
    assert len(told) == 2
    assert all(Result.UNBALANCED.name in reason for reason in told), told


@pytest.mark.slow
def test_all_outputs_belong_to_one_flow(tmp_path: Path) -> None:
    outputs = ["vorticity", "velocity", "stream_function", "potential_vorticity"]
    spec = changed(BAROCLINIC, problem__outputs=outputs, problem__radius=0.5, samples=2, store={"dtype": "float64"})
    spec["certify"] = {"refine": 1.0}
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert pdemill.verify(tmp_path / "s.zarr", resolve=True).faults == ()
    names = pdemill.open(tmp_path / "s.zarr").solution_channels
    assert names[:4] == ("vorticity_1", "vorticity_2", "velocity_x_1", "velocity_y_1")
    found = arrays(tmp_path / "s.zarr")["solution"][1, :, -1]
    known: dict[str, Any] = dict(zip(names, GRID.spectra(found), strict=True))
    (kx, ky), first = GRID.waves, 4.0 / 1.5
    for i, j, stretching in ((1, 2, first), (2, 1, 0.5 * first)):
        psi = known[f"stream_function_{i}"]
        assert np.abs(known[f"velocity_x_{i}"] - 1j * ky * psi).max() < 1e-14
        assert np.abs(known[f"velocity_y_{i}"] + 1j * kx * psi).max() < 1e-14
        assert np.abs(known[f"vorticity_{i}"] - GRID.squared * psi).max() < 1e-14
        q = GRID.squared * psi + stretching * (psi - known[f"stream_function_{j}"])
        assert np.abs(known[f"potential_vorticity_{i}"] - q).max() < 1e-14
