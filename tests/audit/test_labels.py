"""Audits of labels whose errors are known: they measure discretisation errors, and notice labels that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from pdemill.errors import PdemillError, SolverError
from pdemill.solvers.audit import audit_labels
from pdemill.solvers.certify import discretisation_error
from pdemill.solvers.methods.direct import Direct
from pdemill.spec.audit import Audit
from pdemill.spec.load import validate
from tests.audit.problems import Bench, Json, darcy, poisson, relative_error


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(poisson(64), walks=1024)


def refined_error(bench: Bench, sample: int) -> float:
    """The estimate of ``certify.refine``."""
    job = bench.job
    instance, solver = job.instance("train", sample), Direct(method="direct").solver()
    fine = solver.solve(job.refined.assemble(instance), None).value.reshape(job.refined.points.shape)
    return discretisation_error(bench.label(sample), job.discretisation.restrict(fine), job.discretisation.order)


@pytest.mark.parametrize("problem", [poisson, darcy], ids=["poisson", "darcy"])
def test_the_error_of_a_grid_is_confirmed(problem: object) -> None:
    """By the exact solution, by Richardson's estimate, and by the order: four times less on cells of half the size."""
    found = {}
    for cells in (32, 64):
        bench = Bench(problem(cells), probes=256, walks=1024)  # type: ignore[operator]
        label = bench.label(3)
        verdict = found[cells] = bench.audit(3, label)
        true = relative_error(label, bench.exact(3))
        assert abs(verdict.error - true) <= verdict.interval < 0.15 * true
        assert abs(verdict.error - refined_error(bench, 3)) <= verdict.interval
        exact = (label - bench.exact(3)).ravel()[bench.auditor.probes(3)]
        scores = (verdict.differences - exact) / verdict.stderr
        assert abs(scores.mean()) < 4 / np.sqrt(len(scores))
        assert 0.85 < np.sqrt(np.mean(scores**2)) < 1.15
    coarse, fine = found[32], found[64]
    least, most = (coarse.error - s * coarse.interval for s in (1, -1))
    assert least / (fine.error + fine.interval) < 4 < most / (fine.error - fine.interval)
    assert coarse.error / fine.error == pytest.approx(4, rel=0.1)


def test_a_hundred_good_labels_are_not_flagged(bench: Bench) -> None:
    held = 0
    for sample in range(100):
        label = bench.label(sample)
        verdict = bench.audit(sample, label)
        assert not verdict.flagged, verdict.complaint
        held += abs(verdict.error - relative_error(label, bench.exact(sample))) <= verdict.interval
    assert held >= 88  # of 95 expected: three standard deviations


@pytest.mark.parametrize("rough", [False, True], ids=["all alike", "random signs"])
def test_five_standard_errors_too_much_are_flagged(bench: Bench, rough: bool) -> None:
    """Of labels that are exact otherwise; the tolerance is far below."""
    strict = Bench(poisson(64), walks=1024, tolerance=1e-7)
    for sample in range(5):
        guide, exact = strict.label(sample), strict.exact(sample)
        stderr = strict.audit(sample, exact, guide).stderr.mean()
        signs = np.random.default_rng(sample).choice([-1, 1], exact.shape) if rough else 1
        assert not strict.audit(sample, exact, guide).flagged
        assert strict.audit(sample, exact + 5 * stderr * signs, guide).flagged
    labels = np.stack([strict.exact(sample) + 5 * stderr for sample in range(2)])
    options = Audit(samples=1, walks=1024, tolerance=1e-7)
    assert all(
        found is not None and found.flagged for found in audit_labels(strict.job, "train", [0, 1], labels, options)
    )


@pytest.mark.parametrize("factor", [1.05, 0.95, -1.0])
def test_a_wrong_source_is_flagged(bench: Bench, factor: float) -> None:
    wrong = np.stack([factor * bench.label(sample) for sample in range(3)])
    for found, own in zip(
        audit_labels(bench.job, "train", range(3), wrong), map(bench.audit, range(3), wrong), strict=True
    ):
        assert found is not None
        assert found.flagged
        assert own.flagged
        assert abs(found.error - abs(1 - 1 / factor)) <= found.interval + 0.001


def test_another_samples_label_is_flagged(bench: Bench) -> None:
    assert bench.audit(0, bench.label(1)).flagged


def test_three_dimensions() -> None:
    formula = "3*pi**2*sin(pi*x)*sin(pi*y)*sin(pi*z)"
    problem: Json = {"family": "poisson", "resolution": [16] * 3, "source": {"field": "expression", "formula": formula}}
    bench = Bench(problem, probes=64, walks=512)
    label = bench.label(0)
    exact = np.prod([np.sin(np.pi * axis) for axis in np.meshgrid(*[(np.arange(16) + 0.5) / 16] * 3)], axis=0)
    verdict = bench.audit(0, label)
    assert abs(verdict.error - relative_error(label, exact)) <= verdict.interval
    assert verdict.error == pytest.approx(0.0032, rel=0.1)


def test_reaction_and_data_on_the_sides() -> None:
    """u = x² + y² solves -Δu + 3 u = 3 (x² + y²) - 4, up to the error of its harmonic means: none."""
    square = {"field": "expression", "formula": "x**2 + y**2"}
    sides = {
        "left": {"dirichlet": {"field": "expression", "formula": "y**2"}},
        "right": {"dirichlet": {"field": "expression", "formula": "1 + y**2"}},
        "bottom": {"dirichlet": {"field": "expression", "formula": "x**2"}},
        "top": {"dirichlet": {"field": "expression", "formula": "1 + x**2"}},
    }
    source = {"field": "expression", "formula": f"3*({square['formula']}) - 4"}
    problem = {
        "family": "screened_poisson",
        "resolution": [32, 24],
        "screening": 3,
        "source": source,
        "boundary": sides,
    }
    bench = Bench(problem, walks=512, tolerance=1e-3)
    x, y = bench.job.discretisation.points.coordinates.values()
    exact = np.asarray(x**2 + y**2)
    assert not bench.audit(0, exact).flagged
    assert bench.audit(0, exact).error < 1e-5
    assert bench.audit(0, exact + 0.01).flagged


@pytest.mark.parametrize("family", ["poisson", "screened_poisson"])
def test_a_given_flux(family: str) -> None:
    """u = cos 2x sin y with a flux on three sides, whose errors at the probes are known."""
    c = 2.0 if family == "screened_poisson" else 0.0
    load = {"field": "expression", "formula": f"(5 + {c})*cos(2*x)*sin(y)"}
    formulas = {"left": "0", "bottom": "-cos(2*x)", "top": f"{np.cos(1.0)}*cos(2*x)"}
    sides = {side: {"neumann": {"field": "expression", "formula": formula}} for side, formula in formulas.items()}
    held = {"dirichlet": {"field": "expression", "formula": f"{np.cos(2.0)}*sin(y)"}}
    problem = {"family": family, "resolution": [32, 32], "source": load, "boundary": {**sides, "right": held}}
    bench = Bench(problem | ({"screening": c} if c else {}), probes=64, walks=512)
    x, y = bench.job.discretisation.points.coordinates.values()
    exact, label = np.asarray(np.cos(2 * x) * np.sin(y)), bench.label(0)
    verdict = bench.audit(0, label)
    assert abs(verdict.error - relative_error(label, exact)) <= verdict.interval
    scores = (verdict.differences - (label - exact).ravel()[bench.auditor.probes(0)]) / verdict.stderr
    assert abs(scores.mean()) < 4 / np.sqrt(len(scores))
    assert 0.7 < np.sqrt(np.mean(scores**2)) < 1.3
    assert bench.audit(0, 1.05 * label).flagged


def test_what_walks_cannot_tell_is_not_told() -> None:
    """A coefficient that the medium's splines do not resolve, and one that lets weights grow."""
    for formula in ("exp(sin(1000*x))", "exp(3*sin(30*x)*sin(30*y))"):
        bench = Bench(darcy(16, coefficient={"field": "expression", "formula": formula}), probes=4)
        assert bench.auditor.audit(bench.job.instance("train", 0), bench.label(0)) is None


def test_what_does_not_fit_is_refused(bench: Bench) -> None:
    with pytest.raises(SolverError, match=r"labels have the shape \[1, 64\], but should have \[1, 64, 64\]"):
        audit_labels(bench.job, "train", 0, np.zeros((1, 64)))
    helmholtz = validate({"problem": {"family": "helmholtz", "resolution": [8, 8]}, "samples": 1})
    with pytest.raises(PdemillError, match="indefinite"):
        audit_labels(helmholtz, "train", 0, np.zeros((1, 8, 8)))
