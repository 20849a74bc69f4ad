"""Longest steps, and samples that come to rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.opening import open_work
from pdemill.solvers.trajectories.check import Checked
from pdemill.solvers.trajectories.differences import differences
from pdemill.solvers.trajectories.job import TrajectoryJob
from pdemill.solvers.trajectories.shard import Refined
from pdemill.spec import validate
from pdemill.spec.method import methods
from tests.evolving import assert_certified, assert_same_bits, formula
from tests.spectral.test_trajectories import arrays, changed

pytestmark = pytest.mark.slow

WALL: dict[str, Any] = {
    "problem": {
        "family": "heat",
        "resolution": [24],
        "coefficient": {"uniform": [0.3, 1.0]},
        "initial": formula("sin(3*pi*x)"),
        "source": 1.0,
        "boundary": {"default": {"dirichlet": 0}},
        "time": {"end": 8.0, "intervals": 16},
    },
    "samples": 5,
    "solver": {"steady_rate": 1e-4},
    "certify": {"refine": 0.1},
}
RING = changed(
    WALL, problem__boundary=None, problem__initial=formula("sin(2*pi*x)"), problem__source=formula("cos(2*pi*x)"),
    problem__reaction=0.5, problem__time={"end": 20.0, "intervals": 16},
)  # fmt: skip
MELT = changed(
    WALL, problem__family="nonlinear_heat", problem__initial=formula("sin(pi*x)"),
    problem__coefficient={"law": "1 + b*u", "where": {"b": {"uniform": [0, 2]}}},
)  # fmt: skip
LOGISTIC = changed(WALL, problem__family="reaction_diffusion", problem__reaction={"law": "u**3 - u"})
SWING = changed(
    WALL, problem__family="wave", problem__coefficient=None, problem__damping=8.0, problem__speed={"uniform": [1, 2]},
    problem__time={"end": 30.0, "intervals": 15}, samples=2,
)  # fmt: skip
ALL = {"wall": WALL, "ring": RING, "melt": MELT, "logistic": LOGISTIC, "swing": SWING}
QUICK = ["wall", "ring"]
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ALL]


def _steps_of(store: Path) -> dict[str, Any]:
    """The solver of a store as its trial chose it, which marches to the end."""
    plan: Any = zarr.open_group(store, mode="r").attrs["plan"]
    known = methods[plan["method"]].model_fields.keys() - {"steady_rate"}
    return {key: value for key, value in plan.items() if key in known}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_that_is_steady_is_marched_no_further(name: str, tmp_path: Path) -> None:
    found = assert_certified(ALL[name], tmp_path / "s.zarr", estimated=1)
    times = np.asarray(zarr.open_group(tmp_path / "s.zarr", mode="r")["t"][...])  # type: ignore[index]
    pdemill.generate(changed(ALL[name], solver=_steps_of(tmp_path / "s.zarr")), tmp_path / "whole.zarr", workers=0)
    whole = arrays(tmp_path / "whole.zarr")
    assert "steady_at" not in whole
    assert (found["steps"] < whole["steps"]).all()
    assert len(set(found["steady_at"])) > 1 or name in ("ring", "swing")
    for at, one, other, errors in zip(
        found["steady_at"], found["solution"], whole["solution"], found["frame_error"], strict=True
    ):
        frame = times.tolist().index(at)
        assert 1 < frame < len(times) - 1
        np.testing.assert_array_equal(one[:, : frame + 1], other[:, : frame + 1])
        assert (one[:, frame:] == one[:, frame : frame + 1]).all()
        assert (differences(one.astype(float), other.astype(float)) <= errors + 1e-6).all()
        assert (np.diff(errors[frame:]) >= 0.0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_bits_depend_on_neither_shards_nor_workers(name: str, tmp_path: Path) -> None:
    assert_same_bits(ALL[name], tmp_path)


def test_what_is_never_steady_is_what_it_is_without(tmp_path: Path) -> None:
    early = changed(WALL, problem__time={"end": 0.1, "intervals": 2}, samples=2)
    for name, rate in (("s", 1e-4), ("whole", None)):
        pdemill.generate(changed(early, solver__steady_rate=rate), tmp_path / f"{name}.zarr", workers=0)
    one, two = (arrays(tmp_path / f"{name}.zarr") for name in ("s", "whole"))
    assert np.isnan(one["steady_at"]).all()
    for key in two.keys() - {"solve_seconds"}:
        np.testing.assert_array_equal(one[key], two[key], key)


@pytest.mark.parametrize(("frame", "told"), [(-1, "should be steady"), (2, "still changes")])
def test_verify_finds_copies_that_are_none(frame: int, told: str, tmp_path: Path) -> None:
    assert not pdemill.generate(WALL, tmp_path / "s.zarr", workers=0).failures
    job, _ = open_work(tmp_path / "s.zarr")
    assert isinstance(job, TrajectoryJob)
    stored = {key: values[0] for key, values in arrays(tmp_path / "s.zarr").items()}
    refined = Refined(job, next(job.layout.shards()))
    assert list(Checked(job, refined, 0, stored).faults(by_reference=False)) == []
    if frame < 0:
        solution = stored["solution"].copy()
        solution[0, frame] *= 1.0 + 1e-6
        stored |= {"solution": solution}
    else:  # steady too early: before it is
        stored["solution"] = stored["solution"].copy()
        stored["solution"][0, frame:] = stored["solution"][0, frame]
        stored["steady_at"] = np.float64(job.times[frame])
        stored["steps"] = np.int32(job.steps_until(1, job.times[frame]))
    assert any(told in fault for fault in Checked(job, refined, 0, stored).faults(by_reference=False))


@pytest.mark.parametrize("name", NAMES[:3])
def test_no_step_is_longer_than_asked(name: str, tmp_path: Path) -> None:
    spec = changed(ALL[name], solver={"max_step": 0.004, "time_rtol": 1e-4}, samples=2)
    spec = changed(spec, problem__time={"times": [0, 0.1, 0.3]})
    columns = assert_certified(spec, tmp_path / "s.zarr", time_rtol=1e-4, estimated=0)
    assert columns["steps"].min() >= 25 + 50
    longer = changed(spec, solver={"max_step": 1.0, "time_rtol": 1e-4})
    free = changed(spec, solver={"time_rtol": 1e-4})
    for name, other in (("longer", longer), ("free", free)):
        pdemill.generate(other, tmp_path / f"{name}.zarr", workers=0)
    one, two = (arrays(tmp_path / f"{name}.zarr")["solution"] for name in ("longer", "free"))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"solver": {"max_step": 0.1, "step": 0.1}}, r"solver\.max_step: give either step or max_step"),
        ({"solver": {"method": "ark4", "max_step": 0.1, "first_step": 0.2}}, "longer than max_step"),
        ({"problem__source": formula("sin(t)")}, r"solver\.steady_rate: is for equations whose data do not depend"),
        (
            {"problem__boundary": {"left": {"dirichlet": formula("t")}, "default": {"dirichlet": 0}}},
            r"solver\.steady_rate",
        ),
    ],
)
def test_what_means_nothing_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(WALL, **keys))


def carried(cells: tuple[int, ...], k: float, **keys: Any) -> dict[str, Any]:
    problem = {
        "family": "advection_diffusion", "resolution": cells, "coefficient": k, "velocity": [0.8, 0.6][: len(cells)],
        "boundary": {"left": {"dirichlet": 1}, "default": {"dirichlet": 0}}, "initial": 0.0,
        "time": {"end": 8.0, "intervals": 32}, **keys,
    }  # fmt: skip
    spec = {"problem": problem, "samples": 1, "solver": {"steady_rate": 1e-4}, "certify": {"refine": 0}}
    return spec | {"store": {"dtype": "float64"}}


@pytest.mark.parametrize("cells", [(32,), pytest.param((16, 16), marks=pytest.mark.slow)])
def test_steady_limited_fluxes_do_not_ring_at_a_cell_peclet_number_of_16(
    cells: tuple[int, ...], tmp_path: Path
) -> None:
    spec = carried(cells, 0.8 / cells[0] / 16.0)
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    found = arrays(tmp_path / "s.zarr")
    assert found["steady_at"][0] < 8.0
    u = found["solution"][0, 0, -1]
    assert u.min() > -1e-6
    assert u.max() < 1.0 + 1e-6
    assert u[cells[0] // 2].max() > 0.95  # nor are they smeared


@pytest.mark.slow
def test_steady_limited_fluxes_are_of_second_order_where_u_is_smooth(tmp_path: Path) -> None:
    """u = exp(x), at cell Peclet numbers of 16 and 8."""
    k, errors = 0.8 / 32 / 16.0, []
    boundary = {"left": {"dirichlet": 1}, "right": {"neumann": k * np.e}}
    for cells in (32, 64):
        source = formula(f"{0.8 - k}*exp(x)")
        spec = carried((cells,), k, boundary=boundary, source=source, initial=formula("1 + x"))
        assert not pdemill.generate(spec, tmp_path / f"{cells}.zarr", workers=0).failures
        found, exact = arrays(tmp_path / f"{cells}.zarr"), np.exp((np.arange(cells) + 0.5) / cells)
        assert found["steady_at"][0] < 8.0
        errors.append(np.sqrt(np.mean((found["solution"][0, 0, -1] - exact) ** 2)))
    assert np.log2(errors[0] / errors[1]) > 1.8
