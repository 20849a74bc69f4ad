"""Batched multigrid: the assembled matrix, the answer of MUMPS, few iterations, and no lane that sees another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.multigrid import layout as of
from pdemill.solvers.multigrid.cg import move
from pdemill.solvers.multigrid.layout import left_over, plan_coarsening
from pdemill.solvers.multigrid.solver import GridSolver
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.operators.system import System
from pdemill.solvers.sequence import Sequence
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.store.layout import Shard

FLUX, HELD = {"neumann": {"uniform": [-1, 1]}}, {"dirichlet": {"uniform": [-1, 1]}}
ROBIN = {"robin": {"coefficient": {"uniform": [0.1, 10]}, "value": {"uniform": [-1, 1]}}}
SOURCE = {"field": "gaussian", "modes": 8}
SMOOTH = {"field": "lognormal", "modes": 8}
LAYERS = {"field": "gaussian", "modes": 16}
TWO = {"field": "threshold", "low": 3, "high": 12, "of": LAYERS}
SIDES: dict[str, dict[str, Any]] = {
    "held": {"default": HELD},
    "free": {"default": FLUX},
    "robin": {"default": ROBIN},
    "mixed": {"left": HELD, "right": FLUX, "bottom": ROBIN, "default": FLUX},
    "periodic x": {"left": "periodic", "right": "periodic", "default": HELD},
    "periodic y": {"bottom": "periodic", "top": "periodic", "default": FLUX},
    "periodic": {"default": "periodic"},
}


def _job(problem: dict[str, Any], samples: int = 8, method: str = "multigrid", **solver: Any) -> FieldJob:
    darcy = {"coefficient": TWO} if "family" not in problem else {}
    whole = {"family": "darcy", "source": SOURCE, "compatibility": "project", **darcy, **problem}
    return FieldJob(validate({"problem": whole, "samples": samples, "solver": {"method": method, **solver}}))


def _systems(job: FieldJob, count: int) -> list[System]:
    return [job.discretisation.assemble(job.instance("train", sample)) for sample in range(count)]


def _screened(problem: dict[str, Any]) -> dict[str, Any]:
    return {"family": "screened_poisson", "screening": SMOOTH, **problem}


def _rows() -> dict[str, tuple[dict[str, Any], int]]:
    """Problems, and how many iterations they may take to 1e-9."""
    rows: dict[str, tuple[dict[str, Any], int]] = {}
    for name, boundary in SIDES.items():
        rows[f"2D {name}"] = ({"resolution": [32, 48], "boundary": boundary}, 18)
        rows[f"2D {name}, smooth"] = ({"resolution": [16, 64], "boundary": boundary, "coefficient": SMOOTH}, 18)
        rows[f"3D {name}"] = ({"resolution": [12, 8, 16], "boundary": boundary}, 20)
    tensor = {"diagonal": [SMOOTH, {"uniform": [1, 20]}, 0.3]}
    rows |= {
        "2D odd": ({"resolution": [37, 53]}, 16),
        "2D odd, free": ({"resolution": [41, 29], "boundary": {"default": FLUX}}, 20),
        "2D smallest": ({"resolution": [4, 5]}, 14),
        "2D long": ({"resolution": [4, 301]}, 16),
        "3D odd": ({"resolution": [9, 11, 13], "boundary": SIDES["mixed"]}, 18),
        "2D stretched": ({"resolution": [48, 48], "domain": {"lengths": [8, 1]}}, 16),
        "2D stretched the other way": ({"resolution": [33, 40], "domain": {"lengths": [1, 8]}}, 16),
        "3D stretched": ({"resolution": [12, 16, 10], "domain": {"lengths": [1, 6, 2]}}, 18),
        "3D flat": ({"resolution": [8, 24, 24], "domain": {"lengths": [8, 1, 1]}, "boundary": SIDES["mixed"]}, 20),
        "2D tensor": ({"resolution": [40, 24], "coefficient": {"diagonal": tensor["diagonal"][:2]}}, 18),
        "3D tensor": ({"resolution": [12, 12, 12], "coefficient": tensor, "boundary": SIDES["periodic x"]}, 20),
        "2D reaction": (_screened({"resolution": [40, 31], "boundary": SIDES["mixed"]}), 14),
        "2D reaction alone": (_screened({"resolution": [40, 32], "boundary": SIDES["free"]}), 14),
        "3D reaction": (_screened({"resolution": [10, 12, 14], "boundary": SIDES["robin"]}), 14),
        "large reaction": (_screened({"resolution": [24, 24], "screening": 1e5}), 8),
        "small reaction": (_screened({"resolution": [24, 24], "screening": 1e-2, "boundary": SIDES["periodic"]}), 16),
    }
    return rows


ROWS = _rows()


@pytest.mark.parametrize("name", ROWS)
def test_it_agrees_with_mumps_in_few_iterations(name: str) -> None:
    problem, most = ROWS[name]
    job = _job(problem)
    systems = _systems(job, 3)
    exact = Direct(method="direct").solver()
    for system, solution in zip(
        systems, GridSolver(job.discretisation.pattern, 3).solve(systems, 1e-9, 60), strict=True
    ):
        assert solution.result is Result.CONVERGED
        assert relative_residual(system, solution.value) <= 1e-9
        assert solution.stats.iterations <= most
        values = solution.value, exact.solve(system, None).value
        found, expected = (job.discretisation.centred(value) for value in values)
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def _first_direction(solver: GridSolver, system: System) -> tuple[Array, Array]:
    """The first direction p of the iteration and A p as the kernel computes it, in float32 and units of the matrix."""
    solver.solve([system], 1e-8, 1)
    layout = solver._current
    assert layout is not None
    t = layout.levels[0]
    nz, ny, nx = np.ix_(*(np.arange(n) for n in t[of.NZ : of.NX + 1]))
    places = ((nz + ny + nx) & 1) * t[of.SIZE] + t[of.BASE] + nz * t[of.PLANE] + ny * t[of.PITCH] + nx // 2
    p, q = (solver._w[t[column] + places].reshape(-1).astype(np.float64) for column in (of.P, of.Q))
    return p, q / solver._scales[0]


@pytest.mark.parametrize("name", ROWS)
def test_the_kernel_applies_the_assembled_matrix(name: str) -> None:
    job = _job(ROWS[name][0])
    solver = GridSolver(job.discretisation.pattern, 1)
    for system in _systems(job, 2):
        rough = replace(system, rhs=np.random.default_rng(0).standard_normal(job.discretisation.pattern.size))
        p, q = _first_direction(solver, rough)
        matrix = system.matrix.sparse()
        assert np.linalg.norm(p) > 0.0
        assert (np.abs(q - matrix @ p) <= 1e-6 * (abs(matrix) @ np.abs(p))).all()


@pytest.mark.parametrize("name", ["2D mixed", "2D odd", "3D periodic", "3D flat", "2D reaction", "2D tensor"])
def test_a_sample_is_the_same_to_the_bit_in_every_batch(name: str) -> None:
    """Alone, at any lane, beside any others, and after another batch in the same buffers."""
    job = _job(ROWS[name][0])
    systems = _systems(job, 8)
    alone = [GridSolver(job.discretisation.pattern, 1).solve([system], 1e-8, 60)[0] for system in systems]
    solver = GridSolver(job.discretisation.pattern, 8)
    for lanes in ([0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5], [3], [5, 0, 3, 1, 6], [2, 2, 4]):
        together = solver.solve([systems[lane] for lane in lanes], 1e-8, 60)
        for lane, solution in zip(lanes, together, strict=True):
            assert solution.value.tobytes() == alone[lane].value.tobytes()
            assert solution.stats == alone[lane].stats


def test_lanes_that_wait_or_are_left_behind_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Residuals are checked when no lane runs any more, or before slow lanes go on in buffers of their own."""
    moved: list[list[int]] = []

    def counted(*arguments: Any) -> None:
        moved.append(arguments[4].tolist())
        move(*arguments)

    monkeypatch.setattr("pdemill.solvers.multigrid.solver.move", counted)
    hard = {"field": "threshold", "low": 1, "high": 1e3, "of": {"field": "gaussian", "modes": 16, "alpha": 1.5}}
    mild, slow = (_job({"resolution": [48, 40], "coefficient": k}) for k in (TWO, hard))
    pattern = mild.discretisation.pattern
    drawn = [*_systems(mild, 3), *_systems(slow, 3)]
    systems = [replace(s, matrix=replace(s.matrix, pattern=pattern)) for s in drawn]
    for rtol in (1e-8, 3e-12):
        together = GridSolver(pattern, 6).solve(systems, rtol, 200)
        counts = [solution.stats.iterations for solution in together]
        assert max(counts) > 1.5 * min(counts)
        assert moved
        moved.clear()
        for system, solution in zip(systems, together, strict=True):
            alone = GridSolver(pattern, 1).solve([system], rtol, 200)[0]
            assert alone.stats == solution.stats
            assert alone.value.tobytes() == solution.value.tobytes()
            assert relative_residual(system, solution.value) <= rtol


def test_arrays_with_gaps_are_read_as_they_are() -> None:
    """Kernels read matrices by their addresses; what is not contiguous is copied first."""
    job = _job({"resolution": [20, 24]})
    system = _systems(job, 1)[0]
    values, rhs = (np.stack([array, array + 1.0], axis=1)[:, 0] for array in (system.matrix.values, system.rhs))
    assert not values.flags.c_contiguous
    solver = GridSolver(job.discretisation.pattern, 2)
    gaps = replace(system, matrix=replace(system.matrix, values=values), rhs=rhs)
    plain, other = solver.solve([system, gaps], 1e-8, 60)
    assert plain.value.tobytes() == other.value.tobytes()


def test_a_lane_that_overflows_leaves_the_others_alone() -> None:
    job = _job({"resolution": [24, 24]})
    good, bad = _systems(job, 2)
    values = bad.matrix.values.copy()
    values[100] = np.nan
    rhs = bad.rhs.copy()
    rhs[5] = np.inf
    broken = [replace(bad, matrix=replace(bad.matrix, values=values)), replace(bad, rhs=rhs)]
    solver = GridSolver(job.discretisation.pattern, 3)
    first, second, third = solver.solve([broken[0], good, broken[1]], 1e-8, 60)
    assert not first.result.ok
    assert third.result is Result.NOT_FINITE
    assert second.value.tobytes() == solver.solve([good], 1e-8, 60)[0].value.tobytes()


@pytest.mark.parametrize("sides", ["held", "free"])
def test_a_shard_is_the_same_to_the_bit_however_it_is_cut(sides: str) -> None:
    job = _job({"resolution": [20, 18], "boundary": SIDES[sides]}, samples=20)

    def solved(start: int, stop: int) -> Array:
        data, watch = solve_shard(job, Shard("train", 0, start, stop), lambda progress: None)
        assert not data.failures
        assert data.arrays["solve_seconds"].sum() == pytest.approx(
            watch.seconds["solve"] + watch.seconds["certify"], rel=1e-3
        )
        return np.asarray(data.arrays["solution"])

    whole = solved(0, 20)
    assert np.array_equal(whole[5:19], solved(5, 19))
    assert np.array_equal(whole[7:8], solved(7, 8))


@pytest.mark.usefixtures("ticking")
def test_channels_of_high_contrast_are_solved_by_direct() -> None:
    """Thin channels defeat a few iterations; the others of the batch stay, and are not charged for what direct takes,
    on a clock on which every solve and every certificate takes a second."""
    channels = {"field": "threshold", "low": 1, "high": 1e5, "of": {"field": "gaussian", "modes": 32, "alpha": 1.2}}
    job = _job({"resolution": [64, 64], "coefficient": channels}, max_iterations=15)
    mild = _systems(_job({"resolution": [64, 64]}), 3)
    hard = [replace(s, matrix=replace(s.matrix, pattern=mild[0].matrix.pattern)) for s in _systems(job, 2)]
    mild = [replace(s, matrix=replace(s.matrix, pattern=mild[0].matrix.pattern)) for s in mild]
    labels = Sequence(job.method).labels([mild[0], hard[0], mild[1], hard[1]], Stopwatch())
    assert [label.method for label in labels] == ["multigrid", "direct", "multigrid", "direct"]
    assert all(label.residual <= 1e-8 for label in labels)
    assert labels[1].iterations == 15
    assert [label.seconds for label in labels] == [0.5, 2.5, 0.5, 2.5]


def test_a_tolerance_that_rounding_forbids_is_not_claimed() -> None:
    job = _job({"resolution": [64, 64]})
    solution = GridSolver(job.discretisation.pattern, 1).solve(_systems(job, 1), 1e-17, 100)[0]
    assert solution.result is Result.MISSED_TOLERANCE
    assert solution.stats.iterations < 60


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-11, 1e-13])
def test_other_tolerances_are_reached(rtol: float) -> None:
    job = _job({"resolution": [64, 64], "source": 1}, rtol=rtol)
    system = _systems(job, 1)[0]
    solution = job.method.solver().solve(system, None)
    assert solution.result is Result.CONVERGED
    assert relative_residual(system, solution.value) <= rtol


@pytest.mark.parametrize("cells", [16, 32, 64, 128])
def test_iterations_do_not_grow_with_the_grid(cells: int) -> None:
    job = _job({"resolution": [cells, cells], "source": 1})
    solutions = GridSolver(job.discretisation.pattern, 4).solve(_systems(job, 4), 1e-8, 60)
    assert max(solution.stats.iterations for solution in solutions) <= 13


def test_stretched_cells_are_first_halved_along_their_short_side() -> None:
    short = plan_coarsening((64, 1, 64), (False, False, False), (0, 0, -4))
    assert short.shapes[:3] == ((64, 1, 64), (32, 1, 64), (16, 1, 64))
    assert plan_coarsening((8, 8, 8), (False, False, False), (-3, 0, 0)).shapes[1:3] == ((8, 4, 4), (4, 2, 2))
    assert plan_coarsening((5, 1, 7), (False, False, False), (0, 0, 0)).shapes[-1] == (1, 1, 1)


@pytest.mark.parametrize(("cells", "left"), [(64, 1), (4, 1), (96, 6), (6, 6), (100, 50), (26, 26)])
def test_a_periodic_axis_is_halved_while_it_stays_even(cells: int, left: int) -> None:
    assert left_over(cells, periodic=True) == left


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ({"resolution": [64]}, "two or three axes"),
        ({"resolution": [15, 16], "boundary": SIDES["periodic"]}, "even number of cells"),
        ({"resolution": [16, 100], "boundary": SIDES["periodic"]}, "halved until at most 26"),
        ({"family": "convection_diffusion", "resolution": [16, 16], "velocity": [1, 1]}, "symmetric"),
        ({"family": "helmholtz", "resolution": [16, 16], "wavenumber": 3}, "definite"),
    ],
)
def test_what_it_cannot_solve_is_refused_with_the_spec(problem: dict[str, Any], reason: str) -> None:
    whole = {"family": "darcy", "compatibility": "project", **problem}
    with pytest.raises(SpecError, match=reason):
        validate({"problem": whole, "samples": 1, "solver": {"method": "multigrid"}})


@pytest.mark.needs("petsc4py")
@pytest.mark.parametrize(
    ("problem", "method"),
    [
        ({"resolution": [64, 64]}, "multigrid"),
        ({"resolution": [24, 24]}, "multigrid"),
        ({"resolution": [8, 8]}, "cg"),
        ({"resolution": [16, 16, 16]}, "multigrid"),
        ({"resolution": [5000]}, "cg"),
        ({"resolution": [64, 64], "coefficient": {**TWO, "high": 1e4}}, "direct"),
        ({"resolution": [64, 64], "coefficient": SMOOTH}, "multigrid"),
        ({"resolution": [100, 100], "boundary": SIDES["periodic"]}, "direct"),
        ({"resolution": [64, 64], "coefficient": 1}, "fft"),
    ],
)
def test_auto_takes_it_where_it_wins(problem: dict[str, Any], method: str) -> None:
    assert _job(problem, method="auto").method.method == method
