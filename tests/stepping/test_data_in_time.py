"""Sources and data on sides that depend on t: exact solutions, orders, certificates, and where t may not stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.stepping.march import BoxMarch
from pdemill.solvers.trajectories.ladder import marched
from pdemill.spec import validate
from pdemill.store.root import read_attributes
from tests.evolving import errors_of_decay, formula
from tests.spectral.test_trajectories import arrays, assert_honest, changed, true_over_estimated

FORCED: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [10, 8],
        "coefficient": {"field": "lognormal", "std": 0.5},
        "source": formula("a*sin(6*t)*x", a={"uniform": [1, 3]}),
        "initial": {"field": "gaussian", "alpha": 2.5, "tau": 7},
        "boundary": {
            "left": {"dirichlet": formula("b*sin(9*t)", b={"uniform": [0.5, 1]})},
            "right": {"neumann": formula("cos(5*t)*y")},
            "bottom": {"robin": {"coefficient": 2.0, "value": formula("t*x")}},
        },
        "time": {"times": [0.0, 0.1, 0.25, 0.5]},
    },
    "samples": 3,
    "solver": {"method": "ark4"},
}


def decaying(dimension: int, cells: int) -> dict[str, Any]:
    """u = exp(-t) sin(2 x + 1) cos(y) cos(z) with all kinds of sides: k = 1/2, c = 0.3."""
    others = ("y", "z")[: dimension - 1]
    along = "".join(f"*cos({name})" for name in others)
    u = f"exp(-t)*sin(2*x+1){along}"
    rate = -1.0 + 0.5 * (4.0 + len(others)) + 0.3
    sides: dict[str, Any] = {
        "left": {"dirichlet": formula(f"exp(-t)*sin(1){along}")},
        "right": {"neumann": formula(f"exp(-t)*cos(3){along}")},
    }
    if dimension > 1:
        across = "exp(-t)*sin(2*x+1)" + ("*cos(z)" if dimension > 2 else "")
        sides["bottom"] = {"robin": {"coefficient": 2.0, "value": formula(f"2*{across}")}}
        sides["top"] = {"dirichlet": formula(f"cos(1)*{across}")}
    if dimension > 2:
        sides["back"] = {"neumann": 0.0}
        sides["front"] = {
            "robin": {"coefficient": 1.0, "value": formula("(cos(1)-0.5*sin(1))*exp(-t)*sin(2*x+1)*cos(y)")}
        }
    problem = {
        "family": "heat", "resolution": [cells] * dimension, "coefficient": 0.5, "reaction": 0.3,
        "source": formula(f"{rate}*{u}"), "initial": formula(u.replace("exp(-t)*", "")), "boundary": sides,
        "time": {"times": [0.3, 0.6]},
    }  # fmt: skip
    return {
        "problem": problem,
        "samples": 1,
        "store": {"dtype": "float64"},
        "certify": {"refine": 0, "algebraic_rtol": 1e-12},
    }


def ended(spec: dict[str, Any], method: str, steps: int) -> tuple[SteppingJob, Array]:
    """The state at the end, by so many steps per interval."""
    job = open_job(validate(spec | {"solver": {"method": method, "step": 0.3 / steps}}))
    assert isinstance(job, SteppingJob)
    return job, np.asarray(marched(job, [job.start_of(job.instance("train", 0), 0)], 1).frames[0, -1])


@pytest.mark.parametrize("dimension", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_known_solution_is_found_to_second_order_in_space(dimension: int) -> None:
    errors = errors_of_decay(lambda cells: ended(decaying(dimension, cells), "ark4", 10))
    assert errors[1] < 4e-3
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(
    ("method", "sides", "order"),
    [
        ("ark4", "values", 3.4), ("ark4", "fluxes", 3.75), ("ark3", "values", 2.85), ("ark3", "fluxes", 2.95),
        ("ars2", "values", 2.0), ("ars2", "fluxes", 2.0),
    ],
)  # fmt: skip
def test_orders_in_time(method: str, sides: str, order: float) -> None:
    """Values on sides that depend on t cost more than half an order at such steps; schemes of low order lose less."""
    spec = decaying(1, 32)
    if sides == "values":
        spec["problem"]["boundary"]["right"] = {"dirichlet": formula("exp(-t)*sin(3)")}
    else:
        spec["problem"]["boundary"]["left"] = {"neumann": formula("-exp(-t)*cos(1)")}
    exact = ended(spec, "ark4", 256)[1]
    errors = [np.linalg.norm(ended(spec, method, steps)[1] - exact) for steps in (8, 32)]
    assert np.log2(errors[0] / errors[1]) / 2.0 == pytest.approx(order, abs=0.15)


def test_what_is_carried_in_through_a_side_may_depend_on_time() -> None:
    """u = exp(t - x) of u_t + u_x = 0."""
    errors = []
    for cells in (16, 32):
        problem = {
            "family": "advection_diffusion", "resolution": [cells], "coefficient": 0.0, "velocity": [1.0],
            "initial": formula("exp(-x)"), "time": {"times": [0.3, 0.6]},
            "boundary": {"left": {"dirichlet": formula("exp(t)")}, "right": {"neumann": 0}},
        }  # fmt: skip
        job, end = ended({"problem": problem, "samples": 1, "store": {"dtype": "float64"}}, "ark4", 30)
        errors.append(np.abs(end - np.exp(0.6 - job.grid.centres["x"])).mean())
    assert errors[1] < 6e-4
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.3)


def test_a_store_is_certified_and_verified(tmp_path: Path) -> None:
    assert not pdemill.generate(FORCED, tmp_path / "s.zarr", workers=0).failures
    found = pdemill.verify(tmp_path / "s.zarr")
    assert (found.faults, found.certificates) == ((), 3)
    told = read_attributes(tmp_path / "s.zarr")
    assert told["input_channels"] == ["initial", "coefficient"]
    assert told["parameters"] == ["source.a", "left_dirichlet.b"]


def test_intervals_that_are_marched_as_if_they_began_at_zero_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = BoxMarch.advance

    def forgetful(self: BoxMarch, u: Array, interval: float, steps: int, begin: float = 0.0) -> None:
        right(self, u, interval, steps)

    with monkeypatch.context() as patch:
        patch.setattr(BoxMarch, "advance", forgetful)
        pdemill.generate(changed(FORCED, certify__refine=0), tmp_path / "s.zarr", workers=0)
    assert any("marched anew from t = 0.1" in fault for fault in pdemill.verify(tmp_path / "s.zarr").faults)
    with monkeypatch.context() as patch:
        patch.setattr(BoxMarch, "advance", forgetful)
        assert any("by the reference" in fault for fault in pdemill.verify(tmp_path / "s.zarr").faults)


@pytest.mark.slow
def test_bits_depend_on_neither_shards_nor_workers(tmp_path: Path) -> None:
    pdemill.generate(FORCED, tmp_path / "one.zarr", workers=0)
    pdemill.generate(changed(FORCED, store__shard=1), tmp_path / "many.zarr", workers=2)
    one, many = arrays(tmp_path / "one.zarr"), arrays(tmp_path / "many.zarr")
    for key in set(one) - {"solve_seconds"}:
        np.testing.assert_array_equal(one[key], many[key], key)


@pytest.mark.slow
def test_estimates_of_the_error_in_time_are_honest() -> None:
    ratios = true_over_estimated(changed(FORCED, samples=50), finer=2)
    assert len(ratios) == 50
    assert_honest(ratios)


def test_data_that_end_make_a_failed_sample(tmp_path: Path) -> None:
    spec = changed(FORCED, samples=1, problem__source=formula("log(0.3 - t)"), certify__refine=0, solver={"step": 0.05})
    told = pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    (failure,) = told.failures
    assert "does not stay finite" in failure.reason


def test_random_data_on_sides_are_stored_as_they_are_there() -> None:
    waves = {"field": "gaussian", "alpha": 2, "tau": 3}
    job = open_job(validate(changed(FORCED, problem__boundary={"left": {"dirichlet": waves}}, samples=1)))
    assert isinstance(job, SteppingJob)
    instance = job.instance("train", 0)
    stored = job.drawn("train", 0)["input"][job.channels.index("left_dirichlet")]
    assert np.array_equal(stored, np.broadcast_to(stored[:1], stored.shape))
    assert np.array_equal(stored[0], instance.sides["left"]["dirichlet"](job.grid.side_points["left"]))


MOVING = formula("sin(t)*x")


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"problem__family": "wave", "problem__coefficient": formula("1 + t")}, "coefficient"),
        (
            {
                "problem__family": "nonlinear_heat",
                "problem__coefficient": {"law": "1"},
                "problem__source": 1,
                "problem__reaction": formula("t"),
            },
            "reaction",
        ),
        ({"problem__initial": MOVING}, "initial"),
        ({"problem__boundary": {"left": {"robin": {"coefficient": formula("t"), "value": 0}}}}, "robin.coefficient"),
        ({"problem__source": {"field": "rescaled", "of": MOVING}}, "source.of"),
        ({"problem__discretiser": "spectral", "problem__boundary": {}, "problem__coefficient": 1.0}, "source"),
        ({"problem__family": "nonlinear_heat", "problem__coefficient": {"law": "1 + u**2"}}, "source"),
        ({"problem__family": "poisson", "problem__initial": None, "problem__time": None}, "source"),
    ],
)
def test_t_is_refused_elsewhere(keys: dict[str, Any], where: str) -> None:
    spec = changed(FORCED, **keys)
    spec["problem"] = {name: value for name, value in spec["problem"].items() if value is not None}
    if spec["problem"]["family"] == "poisson":
        del spec["problem"]["coefficient"]
    with pytest.raises(SpecError, match=rf"{where}: depends on t, the time"):
        validate(spec)


def test_t_stands_where_it_may() -> None:
    periodic = {"family": "heat", "resolution": [16], "initial": 1.0, "time": {"end": 1, "intervals": 1}}
    for source, wanted in ((MOVING, "box"), (formula("t*x", t=2.0), "spectral")):
        spec = validate({"problem": {**periodic, "source": source}, "samples": 1})
        assert spec.problem.discretisation.name == wanted
    disk = {"field": "threshold", "low": 0, "high": 1, "of": formula("0.1 - (x - t)**2")}
    assert validate({"problem": {**periodic, "source": disk}, "samples": 1}).problem.discretisation.name == "box"
