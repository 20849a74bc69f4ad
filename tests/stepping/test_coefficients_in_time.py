"""Coefficients that depend on t: exact solutions, orders, fluxes where k is 0 for a moment, certificates, bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.methods.fft import Fft
from pdemill.solvers.methods.multigrid import Multigrid
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.stepping.moving import MovingMarch
from pdemill.solvers.trajectories.ladder import marched
from pdemill.spec import validate
from pdemill.store.root import read_attributes
from tests.evolving import assert_certified, assert_same_bits, errors_of_decay, formula
from tests.spectral.test_trajectories import assert_honest, changed, true_over_estimated

PULSED: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [16, 18],
        "coefficient": formula("a*(1.1 + sin(3*x + y))*abs(sin(2*pi*t))", a={"uniform": [0.2, 0.5]}),
        "reaction": formula("1 + cos(5*t)"),
        "initial": {"field": "gaussian", "alpha": 3, "tau": 7},
        "source": 1.0,
        "boundary": {
            "left": {"dirichlet": formula("sin(9*t)")},
            "bottom": {"neumann": 0.3},
            "top": {"robin": {"coefficient": 2.0, "value": formula("t*x")}},
        },
        "time": {"times": [0.0, 0.25, 0.5, 0.75]},
    },
    "samples": 3,
    "solver": {"method": "ark4", "first_step": 0.02},
    "certify": {"refine": 0.5},
}
"""k is 0 where intervals begin and end."""
ALONE = changed(
    PULSED,
    problem__coefficient=formula("a*sin(2*pi*t)**2", a={"uniform": [0.2, 0.5]}),
    problem__boundary={"default": {"dirichlet": 0}},
)


def known(dimension: int, cells: int) -> dict[str, Any]:
    """u = exp(-t) sin(2 x + 1) cos(y) cos(z), k = 0.5 + 0.3 sin(9 t + x), c = 0.3 + t, with all kinds of sides."""
    others = ("y", "z")[: dimension - 1]
    along = "".join(f"*cos({name})" for name in others)
    u, k = f"exp(-t)*sin(2*x+1){along}", "(0.5+0.3*sin(9*t+x))"
    source = f"(-1 + {4 + len(others)}*{k} + 0.3 + t)*{u} - 0.6*cos(9*t+x)*exp(-t)*cos(2*x+1){along}"
    sides: dict[str, Any] = {
        "left": {"dirichlet": formula(f"exp(-t)*sin(1){along}")},
        "right": {"neumann": formula(f"(0.5+0.3*sin(9*t+1))*2*exp(-t)*cos(3){along}")},
    }
    if dimension > 1:
        across = "exp(-t)*sin(2*x+1)" + ("*cos(z)" if dimension > 2 else "")
        sides["bottom"] = {"robin": {"coefficient": 2.0, "value": formula(f"2*{across}")}}
        sides["top"] = {"dirichlet": formula(f"cos(1)*{across}")}
    if dimension > 2:
        sides["back"] = {"neumann": 0.0}
        sides["front"] = {"dirichlet": formula("cos(1)*exp(-t)*sin(2*x+1)*cos(y)")}
    problem = {
        "family": "heat", "resolution": [cells] * dimension, "coefficient": formula(k), "reaction": formula("0.3 + t"),
        "source": formula(source), "initial": formula(u.replace("exp(-t)*", "")), "boundary": sides,
        "time": {"times": [0.3, 0.6]},
    }  # fmt: skip
    return {"problem": problem, "samples": 1, "certify": {"refine": 0, "algebraic_rtol": 1e-12}}


def opened(spec: dict[str, Any]) -> SteppingJob:
    job = open_job(validate(spec))
    assert isinstance(job, SteppingJob)
    return job


def ended(spec: dict[str, Any], method: str, steps: int) -> tuple[SteppingJob, Array]:
    """The state at the end, by so many steps per interval."""
    job = opened(spec | {"solver": {"method": method, "step": spec["problem"]["time"]["times"][0] / steps}})
    return job, np.asarray(marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0, -1])


@pytest.mark.parametrize("dimension", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_known_solution_is_found_to_second_order_in_space(dimension: int) -> None:
    errors = errors_of_decay(lambda cells: ended(known(dimension, cells), "ark4", 20))
    assert errors[1] < 2e-3
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("method", "order"), [("ark4", 4), ("ark3", 3), ("ars2", 2)])
def test_a_mode_decays_to_the_order_of_the_scheme(method: str, order: int) -> None:
    """k = 2 t is 0 at the start: u = exp(-w t^2) sin(pi x) with w of the cells."""
    cells, end = 32, 0.3
    problem = {
        "family": "heat", "resolution": [cells], "coefficient": formula("2*t"), "time": {"times": [end]},
        "initial": formula("sin(pi*x)"), "boundary": {"default": {"dirichlet": 0}},
    }  # fmt: skip
    spec = {"problem": problem, "samples": 1, "certify": {"refine": 0, "algebraic_rtol": 1e-12}}
    rate, errors = 4.0 * cells**2 * np.sin(0.5 * np.pi / cells) ** 2, []
    for steps in (6, 12):
        job, found = ended(spec, method, steps)
        exact = np.exp(-rate * end**2) * np.sin(np.pi * job.grid.centres["x"])
        errors.append(np.abs(found - exact).max())
    assert errors[1] < 3e-3
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize(("resolution", "method"), [([24], Direct), ([18, 16], Multigrid)])
def test_what_flows_in_stays_while_nothing_diffuses(resolution: list[int], method: type) -> None:
    """The sum over a box with fluxes through sides grows as they say, though k is 0 at the start and in between."""
    sides = {"default": {"neumann": 0}, "left": {"neumann": 0.7}}
    problem = {
        "family": "heat", "resolution": resolution, "coefficient": formula("(1.5 - x)*sin(pi*t)**2"),
        "initial": formula("cos(pi*x)"), "boundary": sides, "time": {"times": [1.0, 2.0]},
    }  # fmt: skip
    job, end = ended({"problem": problem, "samples": 1}, "ark3", 10)
    assert isinstance(job.linear_method, method)
    assert end.mean() == pytest.approx(1.4, abs=1e-9)


def test_transforms_solve_where_coefficients_depend_on_t_alone() -> None:
    assert isinstance(opened(ALONE).linear_method, Fft)
    assert isinstance(opened(PULSED).linear_method, Multigrid)
    assert not opened(ALONE).problem.properties.constant


@pytest.mark.parametrize("spec", [PULSED, pytest.param(ALONE, marks=pytest.mark.slow)], ids=["varying", "alone"])
def test_a_store_is_certified_and_verified(spec: dict[str, Any], tmp_path: Path) -> None:
    assert_certified(changed(spec, problem__resolution=[10, 8]), tmp_path / "s.zarr", resolve=False)
    told = read_attributes(tmp_path / "s.zarr")
    assert told["input_channels"] == ["initial"]
    assert told["parameters"] == ["coefficient.a"]


@pytest.mark.slow
def test_families_with_a_diffusivity_take_it(tmp_path: Path) -> None:
    moving, sides = formula("0.05*(1 + sin(7*t)*x)"), {"default": {"neumann": 0}}
    for keys in (
        {"family": "reaction_diffusion", "coefficient": [moving, 0.02], "reaction": {"law": ["u - v", "u*v"]}},
        {"family": "advection_diffusion", "coefficient": moving, "velocity": [formula("sin(pi*x)")]},
        {"family": "burgers", "viscosity": moving},
    ):
        problem = {"resolution": [16], "initial": formula("x"), "boundary": sides, "time": {"times": [0.0, 0.2, 0.4]}}
        spec = {"problem": problem | keys, "samples": 1, "solver": {"method": "ark4"}, "certify": {"refine": 0}}
        out = tmp_path / f"{keys['family']}.zarr"
        assert not pdemill.generate(spec, out, workers=0).failures
        assert pdemill.verify(out).faults == ()


@pytest.mark.slow
@pytest.mark.parametrize("spec", [PULSED, ALONE], ids=["varying", "alone"])
def test_bits_depend_on_neither_shards_nor_workers(spec: dict[str, Any], tmp_path: Path) -> None:
    assert_same_bits(changed(spec, samples=9), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [PULSED, ALONE], ids=["varying", "alone"])
def test_estimates_of_the_error_in_time_are_honest(spec: dict[str, Any]) -> None:
    spec = changed(spec, samples=50, problem__resolution=[10, 8], solver={"method": "ark4"})
    assert_honest(true_over_estimated(spec, finer=2))


def test_a_matrix_that_stays_is_found_by_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = MovingMarch._load

    def late(self: MovingMarch, t: float) -> None:
        right(self, t - 1e-3)

    spec = changed(PULSED, problem__resolution=[10, 8], samples=1, certify__refine=0)
    with monkeypatch.context() as patch:
        patch.setattr(MovingMarch, "_load", late)
        assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
        told = pdemill.verify(tmp_path / "s.zarr").faults
    assert any("by the reference" in fault for fault in told), told


def test_a_coefficient_that_becomes_negative_makes_a_failed_sample(tmp_path: Path) -> None:
    spec = changed(PULSED, samples=1, problem__coefficient=formula("1 - 3*t"), certify__refine=0, solver={"step": 0.05})
    (failure,) = pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert "coefficient must be at least zero, but reaches -0.125" in failure.reason
