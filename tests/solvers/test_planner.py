"""The planner: what it considers, what a trial may cost, what it takes, and that its choice lasts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

import pdemill
from pdemill.errors import CorruptStore, SpecError
from pdemill.planning import FILE, Candidate, Plan, read_plan
from pdemill.solvers.cholesky import LANES
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.candidates import candidates, name_of
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.methods.multigrid import Multigrid
from pdemill.solvers.planning.planner import FAR, LOAD_SECONDS, TIE, affordable, fastest, make_plan, reason
from pdemill.solvers.planning.trial import Trials
from pdemill.solvers.verify import verify
from pdemill.spec.load import load_preset, preset_names, validate
from pdemill.spec.method import methods
from pdemill.spec.problem import Problem
from pdemill.store.root import read_attributes

DARCY: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [64, 64], "coefficient": {"field": "lognormal", "std": 1.0}},
    "samples": 12,
    "seed": 3,
    "solver": {"method": "auto", "trial": "always"},
    "store": {"shard": 4},
}


SKR_20, SKR_40 = "skr ilu restart 40 recycle 20", "skr ilu restart 80 recycle 40"


def names(problem: dict[str, Any]) -> list[str]:
    spec = validate({"problem": problem, "samples": 1})
    return [name_of(method) for method in candidates(spec.problem, spec.problem.size, 1e-8)]


@pytest.mark.needs("petsc4py")
@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ({"family": "poisson", "resolution": [99, 99]}, {"fft", "multigrid", "direct", "cg icc", "amg", SKR_20}),
        ({"family": "darcy", "resolution": [64, 64], "coefficient": {"field": "lognormal"}},
         {"multigrid", "direct", "cg icc", "amg"}),
        ({"family": "helmholtz", "resolution": [16, 16], "wavenumber": {"field": "lognormal"}}, {"direct"}),
        ({"family": "helmholtz", "resolution": [12, 12, 12], "wavenumber": {"field": "lognormal"}},
         {"direct", SKR_40}),
        ({"family": "helmholtz", "resolution": [64, 64, 64], "wavenumber": {"field": "lognormal"}}, {SKR_40}),
        ({"family": "convection_diffusion", "resolution": [16], "velocity": [{"uniform": [0, 1]}]}, {"direct"}),
    ],
)  # fmt: skip
def test_candidates_follow_from_what_is_known_of_the_operator(problem: dict[str, Any], expected: set[str]) -> None:
    assert expected <= set(names(problem))
    assert not {"gmres ilu", "auto"} & set(names(problem))


@pytest.fixture
def extra() -> Iterator[type[Direct]]:
    """A method of somebody else's."""

    class Extra(Direct):
        method: Literal["extra"]  # type: ignore[assignment]

        @classmethod
        def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
            return ({},)

        def seconds(self, problem: Problem, unknowns: int) -> float:
            return 1e-9

    yield Extra
    del methods._members["extra"]


@pytest.mark.needs("petsc4py")
def test_a_method_becomes_a_candidate_by_being_defined(extra: type[Direct]) -> None:
    problem = {"family": "poisson", "resolution": [16, 16]}
    assert names(problem)[0] == "extra"
    assert validate({"problem": problem, "samples": 1}).solver.resolve(validate(
        {"problem": problem, "samples": 1}
    ).problem).method == "extra"  # fmt: skip


@pytest.mark.parametrize("budget", [0.5, 1.3, 2.0, 5.0, 30.0])
def test_a_trial_stays_within_its_budget_and_leaves_out_what_is_far(budget: float) -> None:
    costs = [0.01, 0.02, 0.05, 1.01 * FAR * 0.01]
    counts = list(affordable(costs, budget))
    spent = sum(LOAD_SECONDS + (count + 1) * cost for count, cost in zip(counts, costs, strict=True) if count)
    assert spent <= budget
    assert counts[-1] == 0
    assert (counts[0] > 0) == (budget > LOAD_SECONDS + 0.1)
    assert budget < 5 or all(counts[:3])


def entry(name: str, seconds: float | None) -> Candidate:
    return Candidate(name, {"method": name}, 1.0, seconds)


def test_the_fastest_is_taken_and_of_those_alike_the_first() -> None:
    slow, quick, tied = entry("slow", 2.0), entry("quick", 1.0), entry("tied", 0.99 * TIE)
    assert fastest([slow, quick, entry("untried", None)]) is quick
    assert fastest([tied, quick]) is tied
    assert "as fast as quick" in reason(tied, [tied, quick])
    assert "2.0 times faster than slow" in reason(quick, [slow, quick])


@pytest.mark.usefixtures("ticking")
def test_a_method_that_fails_is_charged_for_the_one_that_helps_out() -> None:
    """On a clock on which every solve and every certificate takes a second: two for all eight together, and two for
    each that direct solves alone; two for every four that it solves side by side."""
    trials = Trials(FieldJob(validate({**DARCY, "certify": {"refine": 0}})), 8)
    hopeless = trials.run(Multigrid(method="multigrid", max_iterations=1), 8, 30.0)
    direct = trials.run(Direct(method="direct"), 8, 30.0)
    assert (hopeless.certified, hopeless.failed) == (0, 8)
    assert (direct.certified, direct.failed) == (8, 0)
    assert direct.seconds == pytest.approx(2.0 / LANES)
    assert hopeless.seconds == pytest.approx(2.0 + 2 / 8)


def test_no_preset_measures_for_more_than_its_share() -> None:
    """Those whose 5 % do not pay for a trial go by estimates."""
    for preset in preset_names():
        spec = load_preset(preset, ["samples=10"])
        if spec.problem.solved_by == "systems":
            made = make_plan(FieldJob(spec))
            assert not made.measured
            assert made.method == spec.solver.resolve(spec.problem).model_dump(mode="json"), preset


@pytest.mark.needs("petsc4py")
def test_a_measured_plan_is_kept_shown_and_gone_on_with(tmp_path: Path) -> None:
    first, again = tmp_path / "first.zarr", tmp_path / "again.zarr"
    pdemill.generate(DARCY, first, workers=0)
    plan = read_plan(first)
    assert plan is not None
    assert plan.measured
    tried = {c.name: c for c in plan.candidates if c.seconds is not None}
    assert {"multigrid", "direct"} <= set(tried)
    assert tried["direct"].certified == 12
    assert read_attributes(first)["plan"]["method"] == plan.method["method"]

    other = next(c for c in plan.candidates if c.method["method"] == "direct")
    (again / FILE).parent.mkdir(parents=True)
    (again / FILE).write_bytes(Plan(other.method, True, "by hand", 0.0, plan.candidates).to_bytes())
    pdemill.generate(DARCY, again, workers=0)
    assert read_attributes(again)["plan"]["method"] == "direct"
    whole = (again / "train/solution/c/1/0/0/0").read_bytes()
    (again / "_manifest/train-00001.json").unlink()
    (again / "train/solution/c/1/0/0/0").unlink()
    pdemill.generate(DARCY, again, workers=0)
    assert (again / "train/solution/c/1/0/0/0").read_bytes() == whole
    assert verify(again).ok

    (again / FILE).unlink()
    assert not verify(again).ok, "estimates choose multigrid, the store says direct"


def test_without_a_trial_nothing_is_measured_and_the_choice_is_always_the_same(tmp_path: Path) -> None:
    never = {**DARCY, "solver": {"method": "auto", "trial": "never"}}
    pdemill.generate(never, tmp_path / "store.zarr", workers=0)
    assert read_plan(tmp_path / "store.zarr") is None
    assert read_attributes(tmp_path / "store.zarr")["plan"]["method"] == "multigrid"


@pytest.mark.needs("petsc4py")
def test_a_plan_in_python() -> None:
    plan = pdemill.plan(DARCY)
    assert plan.method["method"] in {c.method["method"] for c in plan.candidates if c.seconds is not None}
    assert json.loads(plan.to_bytes())["candidates"][0]["name"] == plan.candidates[0].name


@pytest.mark.parametrize(
    "change",
    [{"solver": {"method": "direct"}}, {"problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": 4}}],
)
def test_what_needs_no_plan_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        pdemill.plan({**DARCY, **change})


def test_a_damaged_plan_is_told_of(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text("{")
    with pytest.raises(CorruptStore, match="is not a plan"):
        read_plan(tmp_path)
