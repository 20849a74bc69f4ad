"""The reason for sorting and recycling: fewer iterations. Counts, not seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.spec import Spec, load_preset, load_spec
from pdemill.store.layout import Shard
from tests.sampling import sample

WAVES = Path(__file__).parents[2] / "benchmarks" / "waves.yaml"


def _iterations(spec: Spec, samples: int) -> float:
    """Mean iterations over the first samples, solved as a shard is; all certified."""
    job = FieldJob(spec)
    data, _ = solve_shard(job, Shard("train", 0, 0, samples), lambda progress: None)
    assert (data.arrays["method"] == job.method_names().index(spec.solver.method)).all()
    return float(np.mean(data.arrays["iterations"]))


def _fresh(spec: Spec, samples: int) -> float:
    """Mean iterations when every sample starts without a recycled space: deflated restarts only."""
    job = FieldJob(spec)
    solver = job.method.solver()
    return float(
        np.mean(
            [
                solver.solve(job.discretisation.assemble(job.instance("train", i)), solver.start()).stats.iterations
                for i in range(samples)
            ]
        )
    )


def test_sorting_and_recycling_pay_for_indefinite_waves() -> None:
    """32 indefinite systems with two parameters: sorted < drawn order < deflated restarts alone."""
    sorted_spec = load_spec(WAVES, ["solver={method: skr, preconditioner: ilu, sort: greedy}"])
    drawn_spec = load_spec(sorted_spec, ["solver.sort=none"])
    samples = sorted_spec.samples
    ordered, drawn = _iterations(sorted_spec, samples), _iterations(drawn_spec, samples)
    alone = _fresh(drawn_spec, samples)
    assert ordered < 0.9 * drawn
    assert drawn < 0.95 * alone
    assert alone < 400


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_recycling_on_the_thermal_plate_takes_fifteen_times_fewer_iterations() -> None:
    """skr-thermal: n = 11,024, no preconditioner, 1e-8, against GMRES(40) on the first five of
    the same 20 systems."""
    common = ["samples=20", "certify.refine=0", "solver.preconditioner=none", "solver.guess=zero", "solver.rtol=1e-8"]
    recycled = load_preset("skr-thermal", [*common, "solver.method=skr"])
    restarted = load_preset("skr-thermal", [*common, "solver.method=gmres", "solver.restart=40"])
    ours, gmres = _iterations(recycled, 20), _iterations(restarted, 5)
    assert gmres >= 15 * ours


FIRST = [("none", 190), ("jacobi", 185), ("sor", 62), ("icc", 45)]


@pytest.mark.parametrize(("preconditioner", "most"), sample(FIRST, ("sor", 62)))
def test_the_compiled_kernel_takes_no_more_iterations_than_the_plain_one_did(preconditioner: str, most: int) -> None:
    """skr-thermal, 20 systems, mean iterations; the figures are those of the first kernel, in plain numpy."""
    options = [
        "samples=20",
        "certify.refine=0",
        f"solver={{method: skr, guess: zero, preconditioner: {preconditioner}}}",
    ]
    job = FieldJob(load_preset("skr-thermal", options))
    solver, iterations = job.method.solver(), []
    state = solver.start()
    for number in job.order(Shard("train", 0, 0, 20)).tolist():
        solution = solver.solve(job.discretisation.assemble(job.instance("train", number)), state)
        assert solution.result.ok
        state = solution.state
        iterations.append(solution.stats.iterations)
    assert np.mean(iterations) <= 1.02 * most


def test_the_same_matrix_needs_fewer_iterations_with_every_system() -> None:
    """One matrix, 12 right-hand sides: no system takes more iterations than the first."""
    spec = load_preset(
        "skr-thermal",
        ["samples=12", "problem.resolution.h=0.05", "solver={method: skr, guess: zero, preconditioner: none}"],
    )
    data, _ = solve_shard(FieldJob(spec), Shard("train", 0, 0, 12), lambda progress: None)
    counts = data.arrays["iterations"]
    assert (counts[1:] < counts[0]).all()
    assert counts[6:].mean() < 0.6 * counts[0]
