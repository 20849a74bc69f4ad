"""Residuals on boxes, made of inputs alone, against those that certificates are made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.spec import validate
from tests.residuals.problems import STEADY, batch, spec_of

ROUNDING = 1e-15
"""Of |A| |u|."""


@pytest.mark.parametrize("name", STEADY)
def test_it_is_what_certificates_are_made_of(name: str) -> None:
    inputs, u, expected, largest = batch(STEADY[name])
    residual = pdemill.residual(spec_of(STEADY[name]))
    found = residual(inputs, u)
    assert np.abs(found - expected).max() <= ROUNDING * largest
    assert np.array_equal(residual(inputs, u[:, None]), found[:, None])
    single = residual(inputs.astype(np.float32), u.astype(np.float32))
    assert single.dtype == np.float32
    assert np.abs(single - expected).max() <= 1e-5 * largest


def test_it_loads_nothing_of_what_certifies() -> None:
    """Assembly and residual share no module."""
    program = (
        "import sys, pdemill.solvers.residuals.opening\n"
        "print([m for m in sys.modules if m.startswith('pdemill.solvers.operators') or m == 'torch'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name", [name for name, problem in STEADY.items() if problem["family"] != "convection_diffusion"]
)
def test_the_residual_is_the_gradient_of_the_energy(name: str) -> None:
    """A quadratic: its central differences are exact."""
    inputs, u, left, largest = batch(STEADY[name])
    residual: Any = pdemill.residual(spec_of(STEADY[name]))
    way = np.random.default_rng(1).standard_normal(u.shape)
    change = (residual.energy(inputs, u + way) - residual.energy(inputs, u - way)) / 2.0
    expected = -residual.volume * (left * way).reshape(len(u), -1).sum(1)
    assert np.abs(change - expected).max() <= 1e-10 * residual.volume * largest * u[0].size


def test_a_solution_of_a_store_makes_the_energy_least(darcy_store: Path) -> None:
    batch = pdemill.open(darcy_store)[:]
    inputs, u = batch["x"].astype(np.float64), batch["y"].astype(np.float64)
    residual: Any = pdemill.residual(darcy_store)
    size = np.abs(residual(inputs, 0.0 * u)).max()
    assert np.abs(residual(inputs, u)).max() < 1e-2 * size  # u is rounded to float32: by eps k / h^2
    least = residual.energy(inputs, u)
    for part in (0.99, 1.01):
        assert (residual.energy(inputs, part * u) > least).all()
    again = pdemill.residual(pdemill.open(darcy_store, "test"))
    assert np.array_equal(again(inputs, u), residual(inputs, u))


HEAT: dict[str, Any] = {
    "family": "heat", "resolution": [16], "initial": {"field": "gaussian", "alpha": 3.0, "tau": 3.0},
    "coefficient": {"field": "lognormal", "std": 0.3}, "source": 1.0, "reaction": 0.5,
    "boundary": {"left": {"neumann": 0.5}, "right": {"dirichlet": 0.0}}, "time": {"end": 0.02, "intervals": 8},
}  # fmt: skip


def test_steps_are_those_of_a_theta_scheme_with_the_operator_of_the_job() -> None:
    spec = {"problem": HEAT, "samples": 2, "store": {"dtype": "float64"}}
    job = SteppingJob(validate(spec))
    states = np.random.default_rng(0).standard_normal((2, 9, 16))
    instances = [job.instance("train", number) for number in range(2)]
    systems = [job.equation(instance).systems[0] for instance in instances]
    inputs = np.stack([job.drawn("train", number)["input"] for number in range(2)])
    for theta in (0.0, 0.5, 1.0):
        found = pdemill.residual(spec, theta=theta)(inputs, states)
        between = theta * states[:, 1:] + (1.0 - theta) * states[:, :-1]
        left = np.array([[s.residual(u) for u in us] for s, us in zip(systems, between, strict=True)])
        expected = left - np.diff(states, axis=1) / 0.0025
        assert np.abs(found - expected).max() <= 1e-13 * np.abs(expected).max()


def test_steps_of_exact_trajectories_leave_the_error_of_the_scheme() -> None:
    """Crank and Nicolson's falls fourfold when the time between states is halved, Euler's twofold."""
    job = SteppingJob(validate({"problem": HEAT, "samples": 1}))
    instance = job.instance("train", 0)
    (system,) = job.equation(instance).systems
    matrix, times = system.matrix.sparse().toarray(), np.linspace(0.0, 0.02, 9)
    rest = np.linalg.solve(matrix, system.rhs)
    start = np.broadcast_to(instance.terms.initial(job.points), 16)  # type: ignore[misc]
    u = np.array([rest + expm(-t * matrix) @ (start - rest) for t in times])[None, None]
    inputs = job.drawn("train", 0)["input"][None]
    for theta, fall in ((0.5, 4.0), (1.0, 2.0)):
        residual: Any = pdemill.residual({"problem": HEAT, "samples": 1}, theta=theta)
        fine = np.abs(residual(inputs, u)[:, :, 4:]).mean()
        coarse = np.abs(residual(inputs, u[:, :, ::2], times[::2])[:, :, 2:]).mean()
        assert coarse / fine == pytest.approx(fall, rel=0.1)


@pytest.mark.parametrize(
    ("problem", "path"),
    [
        ({"family": "poisson", "resolution": {"h": 0.2}}, ("problem",)),
        ({"family": "poisson", "domain": {"shape": "box", "lengths": [1.0, 1.0]}, "points": {"random": 4}},
         ("problem",)),
        ({"family": "poisson", "resolution": [8, 8], "domain": {"without": [{"shape": "disk"}]}},
         ("problem", "domain", "without")),
        ({"family": "semilinear", "resolution": [8, 8], "reaction": {"law": "u**3"}}, ("problem", "family")),
        ({"family": "heat", "resolution": [8, 8], "initial": 1.0, "time": {"end": 1.0, "intervals": 2}}, ("problem",)),
        ({**HEAT, "source": {"field": "expression", "formula": "t"}}, ("problem", "source")),
    ],
)  # fmt: skip
def test_what_has_none_is_refused_with_its_path(problem: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match="has no residual") as refused:
        pdemill.residual({"problem": problem, "samples": 2})
    assert refused.value.faults[0].path == path


def test_batches_that_do_not_fit_are_refused() -> None:
    problem = STEADY["a random coefficient"]
    residual = pdemill.residual(spec_of(problem))
    inputs, u, _, _ = batch(problem)
    with pytest.raises(ValueError, match=r"inputs should have the shape \[n, 1, 12, 10\]"):
        residual(inputs[:, 0], u)
    with pytest.raises(ValueError, match=r"u should have the shape \[3, 12, 10\], not \[2, 12, 10\]"):
        residual(inputs, u[:2])
    with pytest.raises(ValueError, match="of one type"):
        residual(inputs, u.astype(np.float32))
    with pytest.raises(ValueError, match="not list"):
        residual(inputs.tolist(), u)
    with pytest.raises(ValueError, match="theta"):
        pdemill.residual(spec_of(problem), theta=2.0)


def test_splits_and_fidelities_of_specs_are_those_of_stores() -> None:
    spec = {
        "problem": STEADY["a random coefficient"], "fidelities": {"fine": {"resolution": [24, 20]}},
        "splits": {"train": 1, "ood": {"samples": 1, "problem": {"source": 5.0}}},
    }  # fmt: skip
    ones, fine = np.ones((1, 1, 12, 10)), np.ones((1, 1, 24, 20))
    there = pdemill.residual(spec, "ood")(ones, ones) - pdemill.residual(spec)(ones, ones)
    assert there == pytest.approx(4.0)
    assert pdemill.residual(spec, "ood@fine")(fine, fine).shape == (1, 1, 24, 20)
    with pytest.raises(SpecError, match="splits: has no 'odd'; there are train, ood"):
        pdemill.residual(spec, "odd")
    with pytest.raises(SpecError, match="fidelities: has no 'coarse'"):
        pdemill.residual(spec, "train@coarse")
