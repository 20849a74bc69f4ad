"""Invariants and budgets: what is right closes to rounding, and a wrong equation is no label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import simpson

import pdemill
from pdemill.errors import FamilyError
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.opening import open_work
from pdemill.solvers.solution import Result
from pdemill.solvers.spectral import symbols
from pdemill.solvers.spectral.balance import Balance
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.trajectories.check import Checked
from pdemill.spec import validate
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms
from pdemill.store.root import read_attributes
from tests.spectral.test_exact import BURGERS, NOTHING, cole_hopf, number
from tests.spectral.test_trajectories import (
    ALL,
    DUST,
    EDDIES,
    FLAMES,
    FRONTS,
    INKS,
    PATCHES,
    ROSSBY,
    ROWS,
    SOLITONS,
    VORTICES,
    WARMTH,
    WAVELETS,
    arrays,
    before_balances,
    changed,
    failures,
    refiner,
)

SQUARE = (2.0 * np.pi,) * 2
FLOW = Terms((number(0.05),), NOTHING, vorticity_advection=number(1.0))


def taylor_green(grid: PeriodicGrid, times: Array) -> Spectra:
    """w = 2 cos x cos y e^(-2 nu t) at some times."""
    x, y = np.meshgrid(*grid.nodes.values(), indexing="ij")
    return grid.spectra(2.0 * np.cos(x) * np.cos(y) * np.exp(-0.1 * times)[:, None, None])


def test_the_taylor_green_vortex_is_in_balance() -> None:
    grid, times = PeriodicGrid((32, 32), SQUARE), np.array([0.0, 0.5, 2.0, 6.0])
    balance = Balance(FLOW, grid)
    assert balance.invariants(times, taylor_green(grid, times)) < 1e-12
    ((off, unknown),) = balance.budget(taylor_green(grid, np.array([1.0, 1.7, 2.4])), 0.7)
    assert off < 1e-12
    assert unknown < 1e-12


def test_budgets_close_to_the_order_of_their_quadrature() -> None:
    """On exact states of Burgers' equation: fourth order in the step, and less than they may be off."""
    grid, errors = PeriodicGrid((96,), (2.0 * np.pi,)), []
    for step in (0.2, 0.1):
        states = grid.spectra(np.stack([cole_hopf(grid, 0.3 + i * step, 0.5) for i in range(3)]))
        ((off, unknown),) = Balance(BURGERS, grid).budget(states, step)
        assert off < 0.1 * unknown
        errors.append(off)
    assert np.log2(errors[0] / errors[1]) > 3.8


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: np.concatenate([w[:, :1] + np.arange(4)[:, None] * 1e-6, w[:, 1:]], axis=1),  # the mean drifts
        lambda w: w * np.array([1.0, 1.0, 1.2, 1.0])[:, None],  # enstrophy rises
        lambda w: w * np.exp(np.array([0.0, 0.5, 2.0, 6.0]) * 0.06)[:, None],  # falls, and less than any mode must
    ],
)
def test_the_loss_of_an_invariant_is_seen(wrong: Callable[[Spectra], Spectra]) -> None:
    grid, times = PeriodicGrid((32, 32), SQUARE), np.array([0.0, 0.5, 2.0, 6.0])
    assert Balance(FLOW, grid).invariants(times, wrong(taylor_green(grid, times))) > 1e-6


def test_a_mean_is_that_of_its_own_equation() -> None:
    """m' = 0.6 - 0.3 m, in company of a wave."""
    grid, times = PeriodicGrid((16,), (2.0,)), np.array([0.0, 1.0, 3.0])
    terms = Terms((number(0.1),), number(0.6), reaction=number(0.3))
    wave = np.cos(np.pi * grid.nodes["x"])
    fields = np.stack([
        2.0 - np.exp(-0.3 * t) + np.exp(-(0.3 + 0.1 * np.pi**2) * t) * wave for t in times
    ])  # fmt: skip
    assert Balance(terms, grid).invariants(times, grid.spectra(fields)) < 1e-14
    fields[2] += 1e-5
    assert Balance(terms, grid).invariants(times, grid.spectra(fields)) > 1e-6


def test_what_does_not_vary_is_in_balance(tmp_path: Path) -> None:
    """Rounding of a level says nothing of what varies, be it nothing at all."""
    for level, wave, dtype in ((3.0, 0.0, "float64"), (30.0, 1.0, "float32"), (1e9, 1.0, "float64")):
        initial = {"field": "expression", "formula": f"{level} + {wave}*sin(pi*x)"}
        spec = changed(WARMTH, problem__initial=initial, problem__source=0, problem__reaction=0, samples=1)
        spec["store"], spec["certify"] = {"dtype": dtype}, {"refine": 0, "stored_rtol": 1.0}
        store = tmp_path / f"{level}.zarr"
        assert not pdemill.generate(spec, store, workers=0).failures
        assert pdemill.verify(store).faults == ()


def test_a_term_that_nothing_checks_is_refused() -> None:
    with pytest.raises(FamilyError, match="nothing checks the diffusion_law"):
        Balance(Terms((number(0.1),), NOTHING, diffusion_law=Function(lambda points: 0.0)), PeriodicGrid((16,), (1.0,)))


def changed_by(table: str, name: str, factor: float) -> tuple[str, Any]:
    """The table of ``symbols`` with one term multiplied by a factor."""
    right = getattr(symbols, table)

    def made(grid: PeriodicGrid, *numbers: Any) -> Any:
        found = right[name](grid, *numbers)
        return factor * found if table == "LINEAR" else replace(found, weights=factor * found.weights)

    return table, {**right, name: made}


@pytest.mark.parametrize(
    ("spec", "table", "name", "factor"),
    [
        (VORTICES, "QUADRATIC", "vorticity_advection", -1.0),
        (PATCHES, "LINEAR", "spectral_viscosity", 1.3),
        (PATCHES, "LINEAR", "hyperdiffusion", 0.0),
        (INKS, "QUADRATIC", "passive_advection", -1.0),
        (INKS, "QUADRATIC", "vorticity_advection", -1.0),
        (INKS, "LINEAR", "diffusion", 1.1),
        (EDDIES, "QUADRATIC", "velocity_advection", -1.0),
        (DUST, "QUADRATIC", "passive_advection", -1.0),
        (EDDIES, "LINEAR", "diffusion", 1.1),
        (ROSSBY, "LINEAR", "planetary", 1.1),
        (FRONTS, "QUADRATIC", "self_advection", -1.0),
        (FLAMES, "QUADRATIC", "self_advection", -1.0),
        (VORTICES, "LINEAR", "diffusion", 1.1),
        (FRONTS, "LINEAR", "diffusion", 1.1),
        (FLAMES, "LINEAR", "hyperdiffusion", 1.1),
        (SOLITONS, "QUADRATIC", "self_advection", -1.0),
        (SOLITONS, "LINEAR", "dispersion", 1.1),
        (WARMTH, "LINEAR", "reaction", 0.0),
        (WAVELETS, "LINEAR", "convection", 1.001),
        (WAVELETS, "LINEAR", "dispersion", -1.0),
        (WARMTH, "LINEAR", "diffusion", 1.001),
    ],
)
def test_a_wrong_term_is_caught(
    spec: dict[str, Any], table: str, name: str, factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign of a product, a coefficient 10 % off, a term that is missing; what is linear, to a thousandth."""
    monkeypatch.setattr(symbols, *changed_by(table, name, factor))
    told = failures(spec, tmp_path / "s.zarr")
    assert len(told) == 6
    assert all(Result.UNBALANCED.name in reason for reason in told), told


@pytest.mark.parametrize("spec", [VORTICES, WARMTH], ids=["vortices", "warmth"])
def test_a_force_that_is_dropped_is_caught(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = SpectralJob._coefficients

    def without(self: SpectralJob, function: Function, name: str, grid: PeriodicGrid) -> Spectra:
        return right(self, function, name, grid) * (name != "source")

    monkeypatch.setattr(SpectralJob, "_coefficients", without)
    told = failures(spec, tmp_path / "s.zarr")
    assert len(told) == 6
    assert all(Result.UNBALANCED.name in reason for reason in told), told


@pytest.mark.parametrize("name", ROWS)
def test_what_is_right_is_far_from_its_limits(name: str, tmp_path: Path) -> None:
    pdemill.generate(ALL[name], tmp_path / "s.zarr", workers=0)
    columns = arrays(tmp_path / "s.zarr")
    assert columns["invariant_defect"].max() < (1e-6 if name == "solitons" else 1e-12)  # nothing damps the 2-norm
    assert (columns["budget_defect"] < 0.2 * columns["budget_limit"]).all()
    assert columns["budget_limit"].max() < 0.05
    if name in ("warmth", "wavelets"):
        assert columns["budget_defect"].max() < 1e-14


@pytest.mark.parametrize("rtol", [1e-1, 1e-2, 1e-11])
def test_no_tolerance_makes_what_is_right_fail(rtol: float, tmp_path: Path) -> None:
    for name in ("vortices", "fronts"):
        spec = changed(ALL[name], solver__time_rtol=rtol, samples=2)
        assert not pdemill.generate(spec, tmp_path / f"{name}.zarr", workers=0).failures
        assert pdemill.verify(tmp_path / f"{name}.zarr").faults == ()


def test_energy_and_enstrophy_close_to_the_tolerance(tmp_path: Path) -> None:
    """d/dt of the mean of v^2 / 2 and of w^2 / 2 against the power of the force less dissipation, over every stored
    interval, by Simpson's rule on 16 stored times in each."""
    spec = changed(
        VORTICES, problem__time={"end": 4.0, "intervals": 128}, samples=2, store={"dtype": "float64"},
        problem__outputs=["vorticity", "velocity", "stream_function"],
    )  # fmt: skip
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    t = np.linspace(0.0, 4.0, 129)
    x = np.arange(32) / 32
    f = 0.1 * (np.sin(2 * np.pi * (x[:, None] + x)) + np.cos(2 * np.pi * (x[:, None] + x)))
    k = 2.0 * np.pi * np.rint(np.fft.fftfreq(32, 1.0 / 32))
    squared = k[:, None] ** 2 + k**2

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values.mean(axis=(-2, -1)))

    for w, u, v, psi in arrays(tmp_path / "s.zarr")["solution"]:
        slopes = np.fft.ifft2(1j * np.sqrt(squared) * np.fft.fft2(w))
        budgets = [
            (0.5 * mean(u * u + v * v), mean(psi * f) - 1e-3 * mean(w * w)),
            (0.5 * mean(w * w), mean(w * f) - 1e-3 * mean(np.abs(slopes) ** 2)),
        ]
        for energy, rate in budgets:
            for begin in range(0, 128, 16):
                part = slice(begin, begin + 17)
                gained = energy[begin + 16] - energy[begin]
                assert abs(gained - simpson(rate[part], x=t[part])) < 1e-5 * energy.max()


def test_a_store_of_before_is_judged_without_these_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun without them is finished without them."""
    root = tmp_path / "s.zarr"
    with monkeypatch.context() as patch:
        before_balances(patch)
        pdemill.generate(changed(VORTICES, store={"shard": 3}), root, workers=0)
    assert "certificate_columns" not in read_attributes(root)
    assert "budget_defect" not in arrays(root)
    assert pdemill.verify(root, resolve=True).faults == ()
    content = pdemill.verify(root).content
    (root / "_manifest" / "train-00001.json").unlink()
    assert pdemill.generate(changed(VORTICES, store={"shard": 3}), root, workers=0).ok
    assert pdemill.verify(root).content == content


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"budget_defect": 1.0}, "budget_defect 1.0e"),
        ({"budget_defect": 0.0}, "its budget_defect 0 is not that of its states"),
        ({"budget_limit": 0.5}, "its budget_limit 0.5 is not that of its states"),
        ({"invariant_defect": 1.0}, "invariant_defect 1.0e"),
        ({"invariant_defect": 1e-5}, "its invariant_defect 1e-05 is not that of its states"),
    ],
)
def test_verify_finds_forged_columns(
    columns: dict[str, float], told: str, tmp_path: Path, fronts: tuple[SpectralJob, dict[str, NDArray[Any]]]
) -> None:
    job, stored = fronts
    forged = stored | {name: np.float32(value) for name, value in columns.items()}
    assert list(Checked(job, refiner(job), 0, stored).faults(by_reference=False)) == []
    assert any(told in fault for fault in Checked(job, refiner(job), 0, forged).faults(by_reference=False))


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> tuple[SpectralJob, dict[str, NDArray[Any]]]:
    """The job and the first sample of a store."""
    root = tmp_path_factory.mktemp("fronts") / "s.zarr"
    pdemill.generate(FRONTS, root, workers=0)
    job, _ = open_work(root)
    assert isinstance(job, SpectralJob)
    return job, {name: values[0] for name, values in arrays(root).items()}


def test_states_out_of_balance_are_found_by_verify(fronts: tuple[SpectralJob, dict[str, NDArray[Any]]]) -> None:
    """A viscosity that is another than the one that was drawn, in all that is stored."""
    job, stored = fronts
    start = job.start_of(job.instance("train", 0), 0)
    other = open_job(validate(changed(FRONTS, problem__viscosity=0.3)))
    assert isinstance(other, SpectralJob)
    terms = other.instance("train", 0).terms
    begun = replace(start, equation=replace(start.equation, terms=terms))
    run = next(run for run in range(1, 12) if sum(job.steps(run)) == stored["steps"])
    told = job.check_balances(begun, stored, np.asarray(stored["solution"], np.float64), run, comparable=False)
    assert "out of balance" in told[0]
