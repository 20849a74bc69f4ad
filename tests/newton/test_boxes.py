"""Steady nonlinear equations on boxes: orders, known answers, certificates, failures by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from scipy.optimize import newton_krylov

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.estimate import estimate
from pdemill.solvers.operators.equation import NonlinearEquation
from pdemill.solvers.operators.nonlinear_box import NonlinearBoxEquation
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from tests.newton.problems import exact, formula, iterated, manufactured, opened, solved
from tests.spectral.test_trajectories import arrays, changed

GRIDS = {1: ((16,), (32,), (64,)), 2: ((16, 12), (32, 24), (64, 48)), 3: ((12, 8, 12), (16, 12, 16), (24, 16, 24))}
SIDES = {
    "dirichlet": ("dd", "dd", "dd"), "neumann": ("nn", "nn", "nn"), "robin": ("rr", "rr", "rr"),
    "periodic": ("pp", "pp", "pp"), "mixed": ("dn", "rd", "nr"), "mixed with periodic": ("rn", "pp", "dr"),
}  # fmt: skip
HEATED: dict[str, Any] = {
    "problem": {
        "family": "nonlinear_diffusion",
        "resolution": [24, 20],
        "coefficient": {"law": "1 + b*u**2", "where": {"b": {"uniform": [1, 5]}}},
        "factor": {"field": "lognormal", "std": 0.5},
        "source": 10,
        "boundary": {"default": {"dirichlet": 0}, "top": {"robin": {"coefficient": 2.0, "value": 1.0}}},
    },
    "samples": 6,
    "certify": {"refine": 0.5},
}
CUBIC: dict[str, Any] = {
    "problem": {
        "family": "semilinear",
        "resolution": [20, 24],
        "coefficient": {"field": "lognormal", "std": 0.5},
        "reaction": {"law": "a*u**3 - u", "where": {"a": {"uniform": [1, 5]}}},
        "source": {"field": "gaussian", "alpha": 2.5, "tau": 7, "std": 50},
        "boundary": {"default": {"neumann": 0}, "left": {"dirichlet": {"uniform": [0, 1]}}},
    },
    "samples": 6,
    "certify": {"refine": 0.5},
}
LINE: dict[str, Any] = {
    "problem": {
        "family": "semilinear",
        "resolution": [40],
        "reaction": {"law": "-a*exp(u)", "where": {"a": {"uniform": [0.5, 3]}}},
    },
    "samples": 6,
    "certify": {"refine": 0.5},
}
ALL = {"heated": HEATED, "cubic": CUBIC, "line": LINE}


@pytest.mark.parametrize("name", ALL)
def test_a_store_is_certified_and_verified(name: str, tmp_path: Path) -> None:
    assert not pdemill.generate(ALL[name], tmp_path / "s.zarr", workers=0).failures
    found = pdemill.verify(tmp_path / "s.zarr", resolve=True)
    assert (found.faults, found.certificates) == ((), 6)
    columns = arrays(tmp_path / "s.zarr")
    assert columns["rel_residual"].max() <= 1e-8
    assert columns["algebraic_error"].max() <= 1e-6
    assert np.isfinite(columns["error_estimate"]).sum() >= 4
    assert (columns["iterations"] >= 3).all()


@pytest.mark.parametrize("name", ["heated", "line", pytest.param("cubic", marks=pytest.mark.slow)])
def test_bits_depend_on_neither_shards_nor_workers_nor_interruptions(name: str, tmp_path: Path) -> None:
    spec = changed(ALL[name], store={"dtype": "float64", "shard": 4})
    pdemill.generate(spec, tmp_path / "one.zarr", workers=0)
    pdemill.generate(changed(spec, store__shard=1), tmp_path / "many.zarr", workers=2)
    one, many = arrays(tmp_path / "one.zarr"), arrays(tmp_path / "many.zarr")
    for key in set(one) - {"solve_seconds"}:
        np.testing.assert_array_equal(one[key], many[key], key)
    whole = pdemill.verify(tmp_path / "one.zarr").content
    (tmp_path / "one.zarr" / "_manifest" / "train-00001.json").unlink()
    assert pdemill.generate(spec, tmp_path / "one.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "one.zarr").content == whole


@pytest.mark.parametrize("dimension", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("family", ["semilinear", "nonlinear_diffusion"])
def test_the_error_is_of_second_order(family: str, sides: str, dimension: int) -> None:
    problem, p = manufactured(family, SIDES[sides][:dimension])
    errors = []
    for shape in GRIDS[dimension]:
        _, u = solved(problem | {"resolution": shape})
        errors.append(np.abs(u - exact(p, shape)).max())
    steps = np.log([1 / shape[0] for shape in GRIDS[dimension]])
    assert np.polyfit(steps, np.log(errors), 1)[0] >= 1.85, errors


@pytest.mark.parametrize("name", ALL)
def test_the_jacobian_is_the_derivative_and_both_assemblies_agree(name: str) -> None:
    problem = ALL[name]["problem"]
    if name == "heated":
        problem = {**problem, "boundary": {**problem["boundary"], "left": "periodic", "right": "periodic"}}
    job = opened(problem)
    equation = job.discretisation.equation(job.instance("train", 0))
    assert isinstance(equation, NonlinearBoxEquation)
    rng = np.random.default_rng(0)
    u, d = 0.5 + rng.uniform(size=equation.start().size), rng.standard_normal(equation.start().size)
    step = 1e-6
    ends = [equation.residual(u + side * step * d) for side in (-1, 1)]
    image = equation.jacobian(u).sparse() @ d
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), image, rtol=1e-6, atol=1e-6 * np.abs(image).max())
    np.testing.assert_allclose(equation.residual(u), equation.residual_otherwise(u), atol=1e-9 * np.abs(image).max())


@pytest.mark.parametrize("name", ALL)
def test_scipys_newton_krylov_finds_the_same_by_the_other_assembly(name: str) -> None:
    job = opened(changed(ALL[name]["problem"], resolution=[12] * len(ALL[name]["problem"]["resolution"])))
    equation = job.discretisation.equation(job.instance("train", 0))
    assert isinstance(equation, NonlinearEquation)
    _, label = iterated(job)
    assert label.unknowns is not None
    found = newton_krylov(equation.residual_otherwise, 0.9 * label.unknowns, f_tol=1e-8 * equation.size())
    np.testing.assert_allclose(found, label.unknowns, atol=1e-5 * np.abs(label.unknowns).max())


@dataclass(frozen=True)
class Exactly:
    """Every system to rounding."""

    first: float = 1e-12

    def after(self, forcing: float, ratio: float) -> float:
        return self.first


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["direct", "auto"])
def test_newton_is_quadratic(name: str, method: str) -> None:
    spec = {key: value for key, value in ALL[name].items() if key == "problem"}
    job = opened(spec["problem"], solver={"method": method, "rtol": 1e-11})
    iteration, label = iterated(job, forcing=Exactly())
    assert label.result is Result.CONVERGED
    norms = np.array(iteration.norms)
    norms = norms[norms > 1e-12]
    logs = np.log(norms)
    (order,) = np.diff(logs)[-1:] / np.diff(logs)[-2:-1]
    assert order >= 1.9, norms


def bratu(x: Array, a: float) -> Array:
    """The smaller solution of u'' + a exp(u) = 0, u = 0 at 0 and 1."""
    theta = 1.0
    for _ in range(200):
        theta = np.sqrt(2 * a) * np.cosh(theta / 4)
    return np.asarray(-2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4)))


def test_bratus_smaller_solution_is_found() -> None:
    errors = []
    for cells in (32, 64):
        job, u = solved({**LINE["problem"], "resolution": [cells], "reaction": {"law": "-2*exp(u)"}})
        errors.append(np.abs(u - bratu(job.discretisation.points.coordinates["x"], 2.0)).max())
    assert errors[1] < 2e-4
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("spelled", ["-2*exp(u)", "-a*exp(u)", "0 - exp(u)*sqrt(4)", "-exp(u + log(2))"])
def test_one_law_in_several_spellings_has_one_solution(spelled: str) -> None:
    where = {"where": {"a": 2}} if "a*" in spelled else {}
    job, u = solved({**LINE["problem"], "reaction": {"law": spelled, **where}})
    np.testing.assert_allclose(u, bratu(job.discretisation.points.coordinates["x"], 2.0), atol=1e-3)


@pytest.mark.parametrize("cells", [[32], [16, 16]])
def test_a_porous_medium_has_the_root_of_a_linear_solution(cells: list[int]) -> None:
    """-Lap u² = 1 on cells is Poisson's equation for u², since k = 2 u is linear between cells and sides."""
    sides = {"default": {"dirichlet": 0.5}}
    problem = {"resolution": cells, "source": 1.0, "boundary": sides}
    _, u = solved({**problem, "family": "nonlinear_diffusion", "coefficient": {"law": "2*u"}})
    job = opened({**problem, "family": "poisson", "boundary": {"default": {"dirichlet": 0.25}}})
    (label,) = job.scheme.labels([job.discretisation.equation(job.instance("train", 0))], job.sequence(), Stopwatch())
    assert label.unknowns is not None
    np.testing.assert_allclose(u.reshape(-1) ** 2, label.unknowns, rtol=1e-7)


def test_a_law_that_is_linear_gives_what_linear_families_give() -> None:
    keys = {"resolution": [16, 12], "coefficient": {"field": "lognormal", "std": 0.5}, "source": 1.0}
    keys["boundary"] = {"default": {"robin": {"coefficient": 2, "value": 1}}, "left": {"dirichlet": 1}}
    linear = opened({**keys, "family": "darcy", "reaction": 3.0})
    equation = linear.discretisation.equation(linear.instance("train", 0))
    (label,) = linear.scheme.labels([equation], linear.sequence(), Stopwatch())
    assert label.unknowns is not None
    _, u = solved({**keys, "family": "semilinear", "reaction": {"law": "3*u"}})
    np.testing.assert_allclose(u.reshape(-1), label.unknowns, rtol=1e-7)
    again = opened({**keys, "family": "semilinear", "reaction": {"law": "3*u"}})
    other = again.discretisation.equation(again.instance("train", 0))
    lowered = linear.discretisation.assemble(linear.instance("train", 0))
    assert other.size() == pytest.approx(np.linalg.norm(lowered.rhs))


@pytest.mark.parametrize("name", ["heated", "cubic"])
@pytest.mark.parametrize("method", ["direct", "multigrid", "gmres", "skr"])
def test_every_method_solves_the_systems_of_newtons_steps(name: str, method: str) -> None:
    job = opened(ALL[name]["problem"], solver={"method": method, "rtol": 1e-9})
    iteration, label = iterated(job)
    reference, wanted = iterated(opened(ALL[name]["problem"], solver={"method": "direct", "rtol": 1e-12}))
    assert label.method == method
    assert label.unknowns is not None
    assert wanted.unknowns is not None
    np.testing.assert_allclose(label.unknowns, wanted.unknowns, rtol=1e-6, atol=1e-6)
    assert len(iteration.norms) <= len(reference.norms) + 2


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rtol", [1e-2, 1e-4])
def test_the_algebraic_error_is_that_against_an_exact_solution(name: str, rtol: float) -> None:
    keys = {"certify": {"algebraic_rtol": 0.1, "stored_rtol": 0.1}}
    _, label = iterated(opened(ALL[name]["problem"], solver={"rtol": rtol}, **keys))
    _, tight = iterated(opened(ALL[name]["problem"], solver={"method": "direct", "rtol": 1e-12}))
    assert label.unknowns is not None
    assert tight.unknowns is not None
    true = np.linalg.norm(label.unknowns - tight.unknowns) / np.linalg.norm(tight.unknowns - tight.unknowns.mean())
    assert true > 1e-9
    assert label.algebraic_error / 3 <= true <= 3 * label.algebraic_error


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_estimates_of_the_discretisation_error_are_honest(name: str) -> None:
    """Against a grid with four times the cells along each axis."""
    job = opened(ALL[name]["problem"], samples=20, certify={"refine": 1})
    fine = opened(
        {**ALL[name]["problem"], "resolution": [4 * n for n in ALL[name]["problem"]["resolution"]]}, samples=20
    )
    from pdemill.solvers.field_estimates import Refiner

    refiner, ratios = Refiner(job), []
    for sample in range(20):
        (_, coarse), (_, dense) = iterated(job, sample), iterated(fine, sample)
        assert coarse.unknowns is not None
        assert dense.unknowns is not None
        instance, middle = job.instance("train", sample), job.refined
        fields = job.discretisation.to_fields(coarse.unknowns, instance)
        found = refiner.estimate(instance, fields, 0.0, ordered=False).error
        best = fine.discretisation.to_fields(dense.unknowns, instance)
        truth = job.discretisation.restrict_fields(middle.restrict_fields(best))
        ratios.append(np.linalg.norm(fields - truth) / np.linalg.norm(truth) / found)
    assert np.mean([0.5 <= ratio <= 2.0 for ratio in ratios]) >= 0.9, ratios
    assert max(ratios) < 3.0


FAILING: dict[str, tuple[Result, dict[str, Any]]] = {
    "beyond the turning point of Bratu": (Result.NO_PATH, {**LINE["problem"], "reaction": {"law": "-3.6*exp(u)"}}),
    "k falls to 0": (
        Result.NOT_ELLIPTIC,
        {"family": "nonlinear_diffusion", "resolution": [16, 16], "coefficient": {"law": "1 - u"}, "source": 100},
    ),
    "no logarithm": (Result.NO_START, {**LINE["problem"], "reaction": {"law": "log(u - 5)"}}),
    "an eigenvalue": (
        Result.SINGULAR_JACOBIAN,
        {**LINE["problem"], "reaction": {"law": f"-{float(4 * 40**2 * np.sin(np.pi / 80) ** 2)!r}*u"}, "source": 1},
    ),
    "a triple root": (
        Result.MISSED_ERROR,
        {**LINE["problem"], "reaction": {"law": "(u - 1)**3"}, "boundary": {"default": {"neumann": 0}}},
    ),
    "rounding": (Result.MISSED_TOLERANCE, {**LINE["problem"], "resolution": [20_000], "reaction": {"law": "u**3 - 1"}}),
}


@pytest.mark.parametrize("case", FAILING)
def test_every_way_to_fail_has_its_name(case: str, tmp_path: Path) -> None:
    result, problem = FAILING[case]
    spec = {"problem": problem, "samples": 2, "certify": {"refine": 0}}
    if result is Result.MISSED_TOLERANCE:
        spec["solver"] = {"rtol": 1e-13}
    failures = pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    assert len(failures) == 2
    assert all(result.value in failure.reason for failure in failures), failures[0].reason


def test_load_steps_lead_on_where_newtons_steps_do_not() -> None:
    """Just before the turning point, where the first steps overshoot."""
    problem = {**LINE["problem"], "reaction": {"law": "-3.5*exp(u)"}}
    job, u = solved(problem)
    np.testing.assert_allclose(u, bratu(job.discretisation.points.coordinates["x"], 3.5), rtol=0.03)


def test_a_sample_does_not_depend_on_those_beside_it() -> None:
    job = opened(CUBIC["problem"], samples=5)
    equations = [job.discretisation.equation(job.instance("train", n)) for n in range(5)]
    watch = Stopwatch()
    together = job.scheme.labels(list(equations), job.sequence(), watch)
    for equation, label in zip(equations, together, strict=True):
        (alone,) = job.scheme.labels([equation], job.sequence(), watch)
        np.testing.assert_array_equal(alone.unknowns, label.unknowns)
        assert alone.algebraic_error == label.algebraic_error


def test_verify_finds_what_was_changed(tmp_path: Path) -> None:
    for name, spec in ALL.items():
        out = tmp_path / f"{name}.zarr"
        pdemill.generate(changed(spec, certify__refine=0), out, workers=0)
        group: Any = zarr.open_group(out, mode="r+")
        group["train/solution"][1] *= 1.0001
        job = opened(spec["problem"], samples=6, certify={"refine": 0})
        (shard,) = job.layout.shards()
        (fault,) = job.check(group, shard, np.arange(6))
        assert fault.startswith("sample 1 of train: residual")


def test_a_wrong_flux_is_found_by_the_other_assembly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean of k that is wrong, in what is stored and in what verifies it by the same code."""

    def wrong(k: Any, face: Any) -> Any:
        return k[face.before] if isinstance(k, np.ndarray) else k

    with monkeypatch.context() as patch:
        patch.setattr(NonlinearBoxEquation, "_mean", staticmethod(wrong))
        patch.setattr(NonlinearEquation, "moved", NonlinearEquation.moved)
        made = pdemill.generate(changed(HEATED, certify__refine=0, samples=1), tmp_path / "s.zarr", workers=0)
        faults = pdemill.verify(tmp_path / "s.zarr").faults
    assert made.failures or any("assembled in another way" in fault for fault in faults)


@pytest.mark.parametrize(
    ("spec", "keys", "told"),
    [
        (HEATED, {"problem__coefficient": 2.0}, r"coefficient: should be a law"),
        (HEATED, {"problem__coefficient": {"law": ["u", "v"]}}, r"coefficient\.law: should be one formula"),
        (HEATED, {"problem__coefficient": {"law": "1 + v"}}, r"coefficient\.law"),
        (HEATED, {"problem__coefficient": {"law": "1 + z*u"}}, "uses z"),
        (HEATED, {"problem__coefficient": {"law": "u.real"}}, "may not contain"),
        (HEATED, {"problem__coefficient": {"law": "__import__('os')"}}, "may not contain"),
        (HEATED, {"problem__coefficient": {"law": "u**u"}}, "may raise to a number"),
        (HEATED, {"problem__coefficient": {"law": "b*u"}}, "unknown name 'b'"),
        (HEATED, {"problem__coefficient": {"law": "+".join(["u"] * 300)}}, "more than 200 parts"),
        (HEATED, {"problem__factor": -1}, r"factor: must be positive"),
        (HEATED, {"problem__boundary": {"default": {"neumann": 0}}}, r"boundary: holds u nowhere"),
        (HEATED, {"solver": {"method": "cg"}}, "needs a symmetric operator"),
        (HEATED, {"solver": {"method": "fft"}}, "fft needs"),
        (HEATED, {"problem__resolution": {"h": 0.1}}, "term, which the discretiser elements does not take"),
        (HEATED, {"certify__audit": {"samples": 1}}, r"certify\.audit"),
        (CUBIC, {"problem__reaction": 1.0}, r"reaction: should be a law"),
        (CUBIC, {"problem__reaction": {"law": "gray_scott"}}, r"reaction\.law: should be one formula"),
        (CUBIC, {"certify__audit": {"samples": 1}}, r"certify\.audit"),
        (CUBIC, {"solver": {"method": "walks"}}, "solver"),
        (CUBIC, {"solver": {"trial": "always"}}, r"solver\.trial: means nothing here"),
        (CUBIC, {"solver": {"time_rtol": 1e-3}}, "means nothing here"),
        (CUBIC, {"problem__time": {"end": 1, "intervals": 1}}, "time"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(spec: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        validate(changed(spec, **keys))


def test_newton_takes_more_systems_than_a_linear_equation() -> None:
    linear = estimate(validate({"problem": {"family": "darcy", "resolution": [64, 64]}, "samples": 100}))
    problem = {"family": "semilinear", "resolution": [64, 64], "reaction": {"law": "u**3"}}
    nonlinear = estimate(validate({"problem": problem, "samples": 100}))
    assert nonlinear.method == "multigrid"
    assert nonlinear.cpu_seconds > 2 * linear.cpu_seconds
    assert formula("x")["formula"] == "x"
