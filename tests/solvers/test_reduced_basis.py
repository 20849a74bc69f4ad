"""Reduced bases: right labels and honest certificates, few factorisations, the same bits whatever a worker did before,
and refusals of what is no problem of few numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.local.generate import generate
from pdemill.solvers.methods.candidates import for_few
from pdemill.solvers.methods.direct import Direct, DirectSolver
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import System
from pdemill.solvers.planning.planner import make_plan
from pdemill.solvers.reduced.affine import Affine
from pdemill.solvers.reduced.inverses import Mean, Transforms, inverse_like
from pdemill.solvers.reduced.learning import ENOUGH, FACTORISED, Loads, learnt, left
from pdemill.solvers.reduced.rows import Rows
from pdemill.solvers.reduced.solver import ReducedBasisSolver
from pdemill.solvers.sequence import Sequence
from pdemill.solvers.sketch import Sketch
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.store.layout import Shard

WAVES: dict[str, Any] = {
    "family": "helmholtz", "resolution": [24, 24],
    "wavenumber": {
        "field": "expression", "formula": "kappa * (1 + a * cos(pi * x) * cos(pi * y))",
        "where": {"kappa": {"uniform": [9, 15]}, "a": {"uniform": [-0.1, 0.1]}},
    },
    "source": {"field": "expression", "formula": "exp(-((x - 0.3)**2 + (y - 0.6)**2) / 0.05)"},
}  # fmt: skip
PLATES: dict[str, Any] = {
    "family": "darcy", "resolution": {"h": 0.09},
    "domain": {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    "coefficient": {
        "field": "expression", "formula": "a * (1 - sign(x - 0.5)) + b * (1 + sign(x - 0.5))",
        "where": {"a": {"uniform": [1, 10]}, "b": {"uniform": [1, 10]}},
    },
    "boundary": {"edge0": {"robin": {"coefficient": {"uniform": [0.5, 2]}, "value": 1}}, "default": {"dirichlet": 0}},
}  # fmt: skip
CONTRAST: dict[str, Any] = {
    **PLATES,
    "coefficient": {
        "field": "expression", "formula": "exp(a) * (1 - sign(x - 0.5)) + exp(b) * (1 + sign(x - 0.5))",
        "where": {"a": {"uniform": [-6, 6]}, "b": {"uniform": [-6, 6]}},
    },
}  # fmt: skip
CONVECTION: dict[str, Any] = {
    "family": "convection_diffusion", "resolution": [20, 20], "velocity": [{"uniform": [5, 9]}, {"uniform": [-4, 4]}],
}  # fmt: skip

BOX: dict[str, Any] = {
    "family": "darcy", "resolution": [20, 20],
    "coefficient": {"field": "expression", "formula": "1 + a*x", "where": {"a": {"uniform": [1, 10]}}},
}  # fmt: skip
SIDES: dict[str, Any] = {
    **WAVES, "resolution": [24, 18],
    "boundary": {"left": {"dirichlet": 1}, "right": {"neumann": 0}, "bottom": "periodic", "top": "periodic"},
}  # fmt: skip


def _job(problem: dict[str, Any], samples: int = 32, shard: int = 16, **options: Any) -> FieldJob:
    solver = {"method": "reduced_basis", **options}
    return FieldJob(
        validate({"problem": problem, "samples": samples, "solver": solver, "certify": {"refine": 0},
                  "store": {"shard": shard, "dtype": "float64"}})
    )  # fmt: skip


def _refined(system: System) -> Any:
    """The solution by factors and three corrections in doubled precision."""
    direct = Direct(method="direct").solver()
    u = direct.solve(system, None).value
    for _ in range(3):
        u = u + direct.solve(System(system.matrix, system.precise_residual(u)), None).value
    return u


@pytest.fixture
def factorised(monkeypatch: pytest.MonkeyPatch) -> list[System]:
    """Every system that is solved by factors of its own."""
    met: list[System] = []
    solve = DirectSolver.solve_batch

    def counting(self: DirectSolver, systems: list[System], state: None) -> Any:
        met.extend(one for one in systems if not one.matrix.properties.constant)
        return solve(self, systems, state)

    monkeypatch.setattr(DirectSolver, "solve_batch", counting)
    return met


@pytest.mark.parametrize(
    "problem", [WAVES, SIDES, PLATES, CONTRAST, CONVECTION], ids=["waves", "sides", "mesh", "contrast", "nonsymmetric"]
)
def test_labels_are_right_and_their_errors_are_told(problem: dict[str, Any]) -> None:
    """The algebraic error is at least what a label is off by, in the norm that it is told in."""
    job = _job(problem)
    sequence = job.sequence()
    systems = [job.discretisation.equation(job.instance("train", i)).linearised(np.empty(0)) for i in range(16)]
    for system, label in zip(systems, sequence.labels(systems, Stopwatch()), strict=True):
        assert label.unknowns is not None
        assert label.method == "reduced_basis"
        exact = _refined(system)
        off = job.discretisation.relative(label.unknowns - exact, exact)
        assert off <= 1.05 * label.algebraic_error + 1e-14
        assert label.algebraic_error <= 1e-6


def test_a_resonance_outside_the_basis_is_told() -> None:
    """A sample beside an eigenvalue (2, 1) whose vector has a load of 3e-9 that no learnt sample had: its residual is
    below the tolerance before that part of the solution is found."""
    wave = {
        "family": "helmholtz", "resolution": [16, 16], "boundary": {"default": {"dirichlet": 0}},
        "wavenumber": {"field": "expression", "formula": "k + 0*x", "where": {"k": {"uniform": [6.98, 7.2]}}},
        "source": {
            "field": "expression", "where": {"t": {"uniform": [0, 1]}},
            "formula": "sin(pi*x)*sin(pi*y) + exp(-((x-0.5)**2 + (y-0.5)**2)/0.05)"
                       " + 1.5e-9*(1 + sign(t - 0.97))*sin(2*pi*x)*sin(pi*y)",
        },
    }  # fmt: skip
    job = _job(wave, 640)
    system = job.discretisation.equation(job.instance("train", 619)).linearised(np.empty(0))
    (label,) = job.sequence().labels([system], Stopwatch())
    assert label.unknowns is not None
    exact = _refined(system)
    off = job.discretisation.relative(label.unknowns - exact, exact)
    assert off <= 1.05 * label.algebraic_error + 1e-14


@pytest.mark.parametrize(("load", "sample"), [(1e-9, 11), (1e-11, 191)])
def test_a_resonance_that_steps_do_not_see_is_told(load: float, sample: int) -> None:
    """Beside an eigenvalue of little load steps get shorter and residuals fall, while u is off by 2e-6 and more."""
    wave = {
        "family": "helmholtz", "resolution": [16, 16], "boundary": {"default": {"dirichlet": 0}},
        "wavenumber": {
            "field": "expression", "formula": "k * (1 + a * cos(pi*x) * cos(pi*y))",
            "where": {"k": {"uniform": [6.9, 7.2]}, "a": {"uniform": [-0.01, 0.01]}},
        },
        "source": {
            "field": "expression", "formula": "sin(pi*x)*sin(pi*y) + exp(-((x-0.5)**2 + (y-0.5)**2)/0.05)"
                                              f" + {load}*sin(2*pi*x)*sin(pi*y)",
        },
    }  # fmt: skip
    job = _job(wave, 192)
    system = job.discretisation.equation(job.instance("train", sample)).linearised(np.empty(0))
    (label,) = job.sequence().labels([system], Stopwatch())
    assert label.unknowns is not None
    exact = _refined(system)
    off = job.discretisation.relative(label.unknowns - exact, exact)
    assert off <= 1.05 * label.algebraic_error + 1e-13
    assert label.algebraic_error <= 1e-6


@pytest.mark.parametrize("load", [0.0, 1e-6, 1e-8, 1e-10])
def test_a_hidden_resonance_is_told_where_transforms_take_steps(load: float) -> None:
    """All samples beside an eigenvalue of little or no load, each against its exact solution."""
    wave = {
        "family": "helmholtz", "resolution": [16, 16], "boundary": {"default": {"dirichlet": 0}},
        "wavenumber": {
            "field": "expression", "formula": "k * (1 + a * cos(pi*x) * cos(pi*y))",
            "where": {"k": {"uniform": [6.98, 7.03]}, "a": {"uniform": [-0.001, 0.001]}},
        },
        "source": {"field": "expression", "formula": f"sin(pi*x)*sin(pi*y) + {load}*sin(2*pi*x)*sin(pi*y)"},
    }  # fmt: skip
    job = _job(wave, 64)
    systems = [job.discretisation.equation(job.instance("train", i)).linearised(np.empty(0)) for i in range(64)]
    assert Transforms.suit(systems[0].matrix)
    sequence = job.sequence()
    for begin in range(0, 64, 16):
        batch = systems[begin : begin + 16]
        for system, label in zip(batch, sequence.labels(batch, Stopwatch()), strict=True):
            assert label.unknowns is not None
            exact = _refined(system)
            off = job.discretisation.relative(label.unknowns - exact, exact)
            assert off <= 1.05 * label.algebraic_error + 1e-12
            assert label.algebraic_error <= 1e-6


@pytest.mark.parametrize(("problem", "most"), [(WAVES, 80), (PLATES, 40)], ids=["waves", "mesh"])
def test_few_systems_are_factorised(problem: dict[str, Any], most: int, factorised: list[System]) -> None:
    """Those that the basis is learnt from, once per job; no sample of a shard, not even for its certificate."""
    job = _job(problem, 64, 32)
    solve_shard(job, Shard("train", 0, 0, 32), lambda progress: None)
    learning = len(factorised)
    assert 4 < learning < most
    data, _ = solve_shard(job, Shard("train", 1, 32, 64), lambda progress: None)
    assert len(factorised) == learning
    assert not data.failures


def test_bits_do_not_depend_on_what_was_solved_before() -> None:
    one, other = _job(WAVES), _job(WAVES)
    solve_shard(one, Shard("train", 0, 0, 16), lambda progress: None)
    later = Shard("train", 1, 16, 32)
    first, second = (solve_shard(job, later, lambda progress: None)[0].arrays for job in (one, other))
    for name in set(first) - {"solve_seconds"}:
        assert np.array_equal(first[name], second[name], equal_nan=True), name


@pytest.mark.slow
def test_bits_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    spec = _job(WAVES).spec
    for workers in (1, 2):
        assert generate(spec, tmp_path / f"{workers}.zarr", workers=workers).ok
    for file in sorted((tmp_path / "1.zarr").rglob("*")):
        if file.is_file() and "solve_seconds" not in file.parts and "_manifest" not in file.parts:
            assert file.read_bytes() == (tmp_path / "2.zarr" / file.relative_to(tmp_path / "1.zarr")).read_bytes()


def test_what_a_small_basis_does_not_reach_is_factorised(factorised: list[System]) -> None:
    """With room for two vectors: every sample is certified all the same."""
    data, _ = solve_shard(_job(WAVES, basis=2), Shard("train", 0, 0, 16), lambda progress: None)
    assert not data.failures
    assert len({id(system.matrix) for system in factorised}) >= 12


def test_without_a_job_the_basis_grows_along_the_sequence(factorised: list[System]) -> None:
    """Solved one after another, with nothing to learn from: later systems are within reach of earlier ones."""
    job = _job(WAVES)
    solver = ReducedBasisSolver(Direct(method="direct").solver, 1e-8, 100)
    state, met = None, []
    for number in range(80):
        system = job.discretisation.assemble(job.instance("train", number))
        before = len(factorised)
        solution = solver.solve(system, state)
        state = solution.state
        met.append(len(factorised) - before)
        assert two_norm(system.residual(solution.value)) <= 1e-8 * system.size
    assert met[0] == 1
    assert sum(met[:40]) > 2 * sum(met[40:])
    assert state is not None
    assert state.basis.rows.count == sum(met)


# --- near inverses


@pytest.mark.parametrize("boundary", [{}, SIDES["boundary"]])
def test_transforms_invert_waves_of_one_number(boundary: dict[str, Any]) -> None:
    """To single precision; of tiny residuals too."""
    job = _job({**WAVES, "wavenumber": {"uniform": [9, 15]}, "boundary": {"default": {"dirichlet": 0}, **boundary}})
    systems = [job.discretisation.assemble(job.instance("train", number)) for number in range(3)]
    inverse = inverse_like(systems[0].matrix, Direct(method="direct").solver())
    assert isinstance(inverse, Transforms)
    for size in (1.0, 1e-40):
        found = inverse.applied([one.matrix for one in systems], [size * one.rhs for one in systems])
        for system, z in zip(systems, found, strict=True):
            assert two_norm(size * system.rhs - system.matrix.sparse() @ z) <= 1e-3 * size * system.size


def test_transforms_stay_bounded_at_an_eigenvalue() -> None:
    """Free on all sides, without waves: constants have no eigenvalue."""
    job = _job({**WAVES, "boundary": {"default": {"neumann": 0}}, "wavenumber": {"uniform": [1e-9, 1e-8]}})
    system = job.discretisation.assemble(job.instance("train", 0))
    (z,) = Transforms().applied([system.matrix], [system.rhs])
    assert np.isfinite(z).all()


@pytest.mark.parametrize(
    ("problem", "suits"), [(WAVES, True), (SIDES, True), (PLATES, False), (CONVECTION, False), (BOX, False)]
)
def test_transforms_suit_constant_couplings(problem: dict[str, Any], suits: bool) -> None:
    job = _job(problem)
    assert Transforms.suit(job.discretisation.assemble(job.instance("train", 0)).matrix) == suits


def test_waves_need_no_factors_of_a_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor more than a step or two, each of which leaves a hundredth and less."""
    monkeypatch.setattr(Mean, "applied", None)
    job = _job(WAVES)
    data, _ = solve_shard(job, Shard("train", 0, 0, 16), lambda progress: None)
    assert not data.failures
    assert np.asarray(data.arrays["iterations"]).mean() <= 1.3


# --- the combination of matrices


def test_the_parts_of_waves_are_found() -> None:
    """-lap, and the three products of κ² (1 + a c)²."""
    job = _job(WAVES)
    found = learnt(job.drawn_apart, Direct(method="direct").solver, 100)
    assert found is not None
    assert len(found[0].affine.parts) == 4
    assert found[0].affine.coefficients(job.discretisation.assemble(job.instance("train", 3)).matrix.values) is not None


def test_later_samples_are_learnt_from_by_steps(factorised: list[System]) -> None:
    """Fewer factorisations than vectors; and the basis leaves of other samples what it would by factors."""
    job, direct = _job(WAVES), Direct(method="direct")
    found = learnt(job.drawn_apart, direct.solver, 100)
    assert found is not None
    basis, _ = found
    assert basis.rows.count > len(factorised) >= FACTORISED
    systems = [job.discretisation.assemble(job.instance("train", number)) for number in range(16)]
    rests = [left(basis, system, Sketch(len(system.rhs))) for system in systems]
    assert sum(rest <= ENOUGH for rest in rests) >= 12
    assert max(rests) <= 1e2 * ENOUGH


def test_a_part_in_few_entries_is_found_where_places_missed_it() -> None:
    rng = np.random.default_rng(1)
    parts = rng.standard_normal((2, 200_000))
    affine = Affine.begun(200_000).extended(parts[0])
    missed = int(np.setdiff1d(np.arange(200_000), affine.places)[1000])
    changed = parts[0].copy()
    changed[missed] += 1.0
    affine = affine.extended(changed)
    assert len(affine.parts) == 2
    assert missed in affine.places
    theta = affine.coefficients(3.0 * parts[0] + 2.0 * (changed - parts[0]))
    assert theta is not None
    assert np.allclose(theta @ np.stack(affine.parts), 3.0 * parts[0] + 2.0 * (changed - parts[0]), atol=1e-12)
    assert affine.coefficients(parts[1]) is None
    assert affine.coefficients(np.full(200_000, np.nan)) is None


def test_loads_grow_with_the_basis() -> None:
    """What is kept of one right-hand side is not taken for another."""
    job = _job(WAVES)
    found = learnt(job.drawn_apart, Direct(method="direct").solver, 20)
    assert found is not None
    basis, rng = found[0], np.random.default_rng(1)
    small = replace(basis, rows=Rows(20, basis.vectors.shape[1]).added(basis.vectors[0]))
    loads, (one, other) = Loads(), rng.standard_normal((2, basis.vectors.shape[1]))
    for V, rhs in ((small, one), (basis, one), (basis, one.copy()), (small, other), (basis, other)):
        assert np.allclose(loads.of(V, rhs), V.vectors @ rhs, rtol=1e-13, atol=1e-13)


def test_rows_stay_what_they_are() -> None:
    base = Rows(3, 2).added(np.array([1.0, 2.0]))
    one, other = base.added(np.array([3.0, 4.0])), base.added(np.array([5.0, 6.0]))
    assert one.array.tolist() == [[1, 2], [3, 4]]
    assert other.array.tolist() == [[1, 2], [5, 6]]
    assert base.array.tolist() == [[1, 2]]
    assert other.added(np.array([7.0, 8.0])).full


# --- whom it admits


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ({**WAVES, "wavenumber": {"field": "lognormal", "modes": 4}}, "a field or shape is drawn"),
        ({**WAVES, "source": {"field": "gaussian", "modes": 4}}, "a field or shape is drawn"),
        ({**WAVES, "wavenumber": 9.0}, "all samples have one"),
        (
            {**CONVECTION, "boundary": {"obstacles": {"dirichlet": 0}, "default": {"dirichlet": 0}},
             "domain": {"shape": "box", "without": [{"shape": "disk", "radius": {"uniform": [0.1, 0.2]}}]}},
            "a field or shape is drawn",
        ),
    ],
)  # fmt: skip
def test_others_are_refused(problem: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError) as fault:
        _job(problem)
    assert [one.path for one in fault.value.faults] == [("solver", "method")]
    assert reason in str(fault.value)


@pytest.mark.parametrize(("problem", "numbers"), [(WAVES, 2), (PLATES, 3), (CONVECTION, 2)])
def test_drawn_numbers_are_counted(problem: dict[str, Any], numbers: int) -> None:
    assert _job(problem).problem.properties.numbers == numbers


def test_few_samples_are_never_solved_by_it() -> None:
    problem = _job(WAVES).problem
    found = for_few(problem, problem.size, 1e-8)
    assert found is not None
    assert found.method != "reduced_basis"


def test_a_trial_of_it_is_a_sequence_of_its_own() -> None:
    """Without samples to learn from it still solves."""
    job = _job(WAVES)
    sequence = Sequence(job.method)
    labels = sequence.labels([job.discretisation.assemble(job.instance("train", 0))], Stopwatch())
    assert labels[0].unknowns is not None


@pytest.mark.slow
@pytest.mark.parametrize(("samples", "offered"), [(1000, False), (200_000, True)])
def test_a_trial_tries_it_where_many_samples_share_what_is_learnt(samples: int, offered: bool) -> None:
    """At a twentieth of the job's time, at most; what is learnt is in its figure."""
    problem = {**WAVES, "resolution": [100, 100]}
    plan = make_plan(FieldJob(validate({"problem": problem, "samples": samples})))
    found = {one.name: one for one in plan.candidates}
    assert ("reduced_basis" in found) == offered
    if offered:
        assert plan.method["method"] == "reduced_basis"
        assert found["reduced_basis"].certified == 16
