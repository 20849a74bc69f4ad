"""Grids with cells cut out: an independent assembly, exact solutions with their orders, regions, thickness."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.operators.cut_box import CutBoxGrid
from pdemill.solvers.operators.regions import regions, thin
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate

type Json = dict[str, Any]
BLOCK = {"shape": "box", "lengths": [0.5, 0.5]}
DISK = {"shape": "disk", "radius": 0.2}


def begin(problem: Mapping[str, Any], method: str = "direct", samples: int = 50) -> FieldJob:
    return FieldJob(validate({"problem": dict(problem), "samples": samples, "solver": {"method": method}}))


def solved(job: FieldJob, sample: int = 0) -> tuple[CutBoxGrid, Array, Any]:
    """The grid of a job, its field of a sample, and which cells are kept."""
    grid, instance = job.discretisation, job.instance("train", sample)
    assert isinstance(grid, CutBoxGrid)
    (label,) = job.scheme.labels([grid.equation(instance)], job.sequence(), Stopwatch())
    assert label.unknowns is not None, label.reason
    return grid, grid.to_field(grid.centred(label.unknowns, instance), instance), grid.kept(instance)


def formula(text: str) -> Json:
    return {"field": "expression", "formula": text}


def by_hand(grid: CutBoxGrid, kept: Any, k: Array, f: float, g: float, wall: float, given: bool) -> Array:
    """-div(k grad u) = f on the cells that are kept, face by face: u = ``wall`` on the box, on obstacles u = g if that
    is given, else no flux."""
    number = np.cumsum(kept).reshape(kept.shape) - 1
    A, b = np.zeros((kept.sum(), kept.sum())), np.full(kept.sum(), f)
    for cell in zip(*np.nonzero(kept), strict=True):
        row = number[cell]
        for axis, step in product(range(kept.ndim), (-1, 1)):
            h, n = grid.spacing[axis], kept.shape[axis]
            place = list(cell)
            place[axis] += step
            outside = not 0 <= place[axis] < n
            if outside and grid.periodic[axis]:
                place[axis], outside = place[axis] % n, False
            other = tuple(place)
            if not outside and kept[other]:
                flow = 2 * k[cell] * k[other] / (k[cell] + k[other]) / h**2
                A[row, row] += flow
                A[row, number[other]] -= flow
            elif outside or given:
                A[row, row] += 2 * k[cell] / h**2
                b[row] += 2 * k[cell] / h**2 * (wall if outside else g)
    found = np.zeros(kept.shape)
    found[kept] = np.linalg.solve(A, b)
    return found


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("method", ["direct", "multigrid"])
@pytest.mark.parametrize("periodic", [False, True])
def test_systems_are_those_of_an_assembly_by_hand(given: bool, method: str, periodic: bool) -> None:
    noise = {"shape": "level", "distance": {"field": "gaussian", "alpha": 2.0, "tau": 6.0, "mean": 0.02}}
    boundary: Json = {"default": {"dirichlet": 0.7}, "obstacles": {"dirichlet": -0.4} if given else {"neumann": 0.0}}
    if periodic:
        boundary |= {"left": "periodic", "right": "periodic"}
    problem = {
        "family": "darcy", "resolution": [16, 12], "coefficient": {"field": "lognormal"}, "source": 3.0,
        "domain": {"lengths": [1.5, 1.0], "without": [DISK, noise]}, "boundary": boundary,
    }  # fmt: skip
    job = begin(problem, method)
    tried = 0
    for sample in range(20):
        try:
            grid, field, kept = solved(job, sample)
        except InvalidSample:
            continue
        k = np.asarray(job.instance("train", sample).drawn("coefficient")[0](grid.points))
        expected = by_hand(grid, kept, k, 3.0, -0.4, 0.7, given)
        assert 10 < (~kept).sum() < 150
        assert not field[~kept].any()
        np.testing.assert_allclose(
            field, expected, atol=(1e-9 if method == "direct" else 1e-6) * np.abs(expected).max()
        )
        tried += 1
    assert tried >= 5


def test_systems_in_space_are_those_of_an_assembly_by_hand() -> None:
    balls = {"shape": "scattered", "of": {"shape": "ball", "radius": {"uniform": [0.15, 0.3]}}, "count": [1, 3]}
    problem = {
        "family": "darcy", "resolution": [7, 6, 8], "coefficient": {"field": "lognormal"}, "source": 3.0,
        "domain": {"without": [balls]},
        "boundary": {"default": {"dirichlet": 0.7}, "front": "periodic", "back": "periodic",
                     "obstacles": {"dirichlet": -0.4}},
    }  # fmt: skip
    job = begin(problem, "multigrid")
    grid, field, kept = solved(job)
    k = np.asarray(job.instance("train", 0).drawn("coefficient")[0](grid.points))
    expected = by_hand(grid, kept, k, 3.0, -0.4, 0.7, True)
    assert (~kept).sum() > 5
    np.testing.assert_allclose(field, expected, atol=1e-6 * np.abs(expected).max())


def errors(problem: Json, exact: str, sizes: tuple[int, ...]) -> list[float]:
    found = []
    for n in sizes:
        grid, field, kept = solved(begin(problem | {"resolution": [n] * 2}))
        x, y = (np.broadcast_to(grid.points.coordinates[name], kept.shape) for name in "xy")
        u = eval(exact, {"x": x, "y": y, "np": np})
        found.append(float(np.sqrt(np.mean((field - u)[kept] ** 2))))
    return found


def orders(found: list[float]) -> list[float]:
    return [float(np.log2(one / other)) for one, other in pairwise(found)]


@pytest.mark.parametrize("family", ["poisson", "convection_diffusion"])
def test_blocks_on_faces_are_of_second_order_with_no_flux(family: str) -> None:
    """u = cos 4πx cos 4πy has no flux through the sides of the block."""
    u = "cos(4*pi*x)*cos(4*pi*y)"
    drift = {"velocity": [1.0, 2.0]} if family == "convection_diffusion" else {}
    moved = f"-4*pi*sin(4*pi*x)*cos(4*pi*y) - 8*pi*cos(4*pi*x)*sin(4*pi*y) + 32*pi**2*{u}"
    source = moved if drift else f"32*pi**2*{u}"
    problem = {
        "family": family, "source": formula(source), "boundary": {"default": {"dirichlet": formula(u)}},
        "domain": {"without": [BLOCK]}, **drift,
    }  # fmt: skip
    found = errors(problem, "np.cos(4*np.pi*x)*np.cos(4*np.pi*y)", (16, 32, 64))
    assert min(orders(found)) > 1.8
    job = begin(problem | {"resolution": [32, 32]})
    assert job.discretisation.order_of(job.instance("train", 0)) == 2


def test_blocks_on_faces_are_of_second_order_with_given_values() -> None:
    u = "exp(x)*sin(2*y)"
    problem = {
        "family": "poisson", "source": formula(f"3*{u}"), "domain": {"without": [BLOCK]},
        "boundary": {"default": {"dirichlet": formula(u)}, "obstacles": {"dirichlet": formula(u)}},
    }  # fmt: skip
    assert min(orders(errors(problem, "np.exp(x)*np.sin(2*y)", (16, 32, 64)))) > 1.8


@pytest.mark.parametrize(
    ("u", "condition", "exact"),
    [
        ("log(sqrt((x-0.5)**2+(y-0.5)**2)/0.2)", {"dirichlet": 0.0}, "np.log(np.hypot(x-0.5, y-0.5)/0.2)"),
        (
            "(x-0.5)*(1+0.04/((x-0.5)**2+(y-0.5)**2))",
            {"neumann": 0.0},
            "(x-0.5)*(1+0.04/((x-0.5)**2+(y-0.5)**2))",
        ),
    ],
)
def test_disks_are_of_first_order(u: str, condition: Json, exact: str) -> None:
    """Harmonic functions around a disk: u = 0 on it, or no flow through it."""
    problem = {
        "family": "poisson", "source": 0.0, "domain": {"without": [DISK]},
        "boundary": {"default": {"dirichlet": formula(u)}, "obstacles": condition},
    }  # fmt: skip
    found = errors(problem, exact, (24, 96))
    assert 0.7 < orders(found)[0] / 2.0 < 1.6
    job = begin(problem | {"resolution": [32, 32]})
    assert job.discretisation.order_of(job.instance("train", 0)) == 1


def test_without_any_side_that_fixes_u_the_mean_over_what_is_kept_is_zero() -> None:
    problem = {
        "family": "darcy", "resolution": [24, 24], "coefficient": {"field": "lognormal"}, "compatibility": "project",
        "source": {"field": "gaussian"}, "domain": {"without": [DISK]}, "boundary": {"default": {"neumann": 0.0}},
    }  # fmt: skip
    fields = []
    for method in ("direct", "multigrid"):
        job = begin(problem, method)
        _, field, kept = solved(job)
        assert abs(field[kept].mean()) < 1e-14 * np.abs(field).max()
        assert not field[~kept].any()
        fields.append(field)
    np.testing.assert_allclose(fields[0], fields[1], atol=1e-7 * np.abs(fields[0]).max())


def test_regions_where_nothing_fixes_u_are_failed_samples() -> None:
    wall = {"shape": "box", "centre": [0.5, 0.5], "lengths": [0.25, 1.0]}
    problem: Json = {"family": "poisson", "resolution": [16, 16], "domain": {"without": [wall]}}

    def equation(boundary: Json, **more: Any) -> None:
        job = begin(problem | {"boundary": boundary} | more)
        job.discretisation.equation(job.instance("train", 0))

    equation({})
    equation({"default": {"neumann": 0.0}, "obstacles": {"dirichlet": 1.0}})
    equation({"default": "periodic", "obstacles": {"dirichlet": 1.0}})
    one = {"default": {"neumann": 0.0}, "left": {"dirichlet": 0.0}}
    with pytest.raises(InvalidSample, match="not fixed in 1 of the 2 regions"):
        equation(one)
    equation(one, family="darcy", reaction=1.0)
    with pytest.raises(InvalidSample, match="part the domain into 2 regions"):
        equation({"default": {"neumann": 0.0}}, compatibility="project")
    equation({"default": {"neumann": 0.0}, "left": "periodic", "right": "periodic"}, compatibility="project")
    whole = {"without": [{"shape": "disk", "radius": 3.0}]}
    with pytest.raises(InvalidSample, match="leave no cell"):
        equation({}, domain=whole)


def test_regions_are_joined_through_periodic_sides() -> None:
    kept = np.ones((6, 6), dtype=bool)
    kept[[2, 3]] = False
    assert regions(kept, (False, True))[1] == 2
    number, count = regions(kept, (True, False))
    assert count == 1
    assert set(number[kept].tolist()) == {1}
    assert not number[~kept].any()


@pytest.mark.parametrize(
    ("rows", "expected"), [(slice(8, 9), True), (slice(8, 10), True), (slice(8, 11), False), (slice(2, 9), True)]
)
def test_walls_and_gaps_of_less_than_three_cells_are_thin(rows: slice, expected: bool) -> None:
    kept = np.ones((20, 20), dtype=bool)
    kept[rows, 5:15] = False
    assert thin(kept, (False, False), 3) is expected


def test_disks_of_enough_cells_are_not_thin() -> None:
    x, y = np.meshgrid(np.arange(48) + 0.5, np.arange(48) + 0.5, indexing="ij")
    for centre in np.random.default_rng(1).uniform(16, 32, size=(40, 2)):
        assert not thin(np.hypot(x - centre[0], y - centre[1]) > 6.0, (False, False), 3)


def test_estimates_of_the_error_compare_what_both_grids_keep() -> None:
    """Around a disk with no flux, where the harmonic function is known."""
    u = "(x-0.5)*(1+0.04/((x-0.5)**2+(y-0.5)**2))"
    problem = {
        "family": "poisson", "source": 0.0, "resolution": [32, 32], "domain": {"without": [DISK]},
        "boundary": {"default": {"dirichlet": formula(u)}},
    }  # fmt: skip
    spec = {"problem": problem, "samples": 1, "solver": {"method": "direct"}, "store": {"dtype": "float64"}}
    job = FieldJob(validate(spec | {"certify": {"refine": 1.0}}))
    grid, field, kept = solved(job)
    from pdemill.solvers.field_estimates import Refiner

    estimate = Refiner(job).estimate(job.instance("train", 0), field[None], 1e-12, ordered=False)
    x, y = (np.broadcast_to(grid.points.coordinates[name], kept.shape) for name in "xy")
    exact = eval(u, {"x": x, "y": y})
    error = np.linalg.norm((field - exact)[kept]) / np.linalg.norm(exact[kept])
    assert 0.5 * error < estimate.error < 2.0 * error


@pytest.mark.parametrize("flux", ["central", "upwind", "fitted"])
@pytest.mark.parametrize("condition", [{"dirichlet": 0.3}, {"neumann": 0.0}])
def test_a_wall_makes_the_box_before_it(flux: str, condition: Json) -> None:
    """Whatever the flux of convection, along and against the way to the wall."""
    drift = [formula("30*(y-0.5)"), formula("5+0*x")]
    problem: Json = {
        "family": "convection_diffusion", "velocity": drift, "flux": flux, "coefficient": formula("1+y"),
        "reaction": 2.0, "source": formula("x+y"),
    }  # fmt: skip
    wall = {"shape": "box", "centre": [1.5, 0.5], "lengths": [1.0, 1.0]}
    domain = {"lengths": [2.0, 1.0], "without": [wall]}
    _, field, kept = solved(
        begin(problem | {"resolution": [24, 12], "domain": domain, "boundary": {"obstacles": condition}})
    )
    job = begin(problem | {"resolution": [12, 12], "boundary": {"right": condition}})
    instance = job.instance("train", 0)
    (label,) = job.scheme.labels([job.discretisation.equation(instance)], job.sequence(), Stopwatch())
    assert label.unknowns is not None
    assert kept.sum() == 144
    np.testing.assert_allclose(field[:12].ravel(), label.unknowns, rtol=1e-11)


def test_lines_have_obstacles_too() -> None:
    """-u'' = 2 with u = 0 at the ends of what is left of the line, and no flux through the obstacle."""
    block = {"shape": "box", "centre": [0.5], "lengths": [0.5]}
    for condition, exact in (({"dirichlet": 0.0}, "x*(0.25-x)"), ({"neumann": 0.0}, "x*(0.5-x)")):
        problem = {
            "family": "poisson", "resolution": [64], "source": 2.0, "domain": {"without": [block]},
            "boundary": {"obstacles": condition},
        }  # fmt: skip
        grid, field, kept = solved(begin(problem))
        x = np.asarray(grid.points.coordinates["x"])
        expected = np.where(kept, eval(exact, {"x": np.minimum(x, 1.0 - x)}), 0.0)
        assert np.abs(field - expected).max() < 2.0 / 64**2


@pytest.mark.needs("petsc4py")
@pytest.mark.parametrize("method", ["amg", "cg", "minres", "gmres", "skr"])
def test_other_methods_find_the_same(method: str) -> None:
    """Also where constants are free, and with zeros in cells that are cut."""
    problem = {
        "family": "darcy", "resolution": [16, 16], "coefficient": {"field": "lognormal"}, "compatibility": "project",
        "source": {"field": "gaussian"}, "domain": {"without": [DISK]},
    }  # fmt: skip
    for default in ({"dirichlet": 0.0}, {"neumann": 0.0}):
        found = []
        for name in ("direct", method):
            job = begin(problem | {"boundary": {"default": default}}, name)
            instance = job.instance("train", 0)
            equation = job.discretisation.equation(instance)
            (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
            assert label.unknowns is not None
            assert label.method == name
            assert isinstance(job.discretisation, CutBoxGrid)
            assert not label.unknowns[~job.discretisation.kept(instance).ravel()].any()
            found.append(job.discretisation.centred(label.unknowns, instance))
        np.testing.assert_allclose(found[0], found[1], atol=1e-6 * np.abs(found[0]).max())


def test_multigrid_takes_at_most_twice_the_iterations_around_resolved_obstacles() -> None:
    """The figures of docs/obstacles.md, on a few samples."""
    disks = {"shape": "scattered", "of": {"shape": "disk", "radius": {"uniform": [0.06, 0.13]}}, "count": [2, 5]}
    plain: Json = {"family": "darcy", "resolution": [48, 48], "coefficient": {"field": "lognormal"}}

    def iterations(problem: Json) -> list[int]:
        job = begin(problem, "multigrid", 24)
        systems = []
        for sample in range(24):
            instance = job.instance("train", sample)
            try:
                systems.append(job.discretisation.assemble(instance))
            except InvalidSample:
                continue
            assert not job.discretisation.is_thin(instance)
        solutions = [job.method.solver().solve(system, None) for system in systems]
        assert len(solutions) >= 12
        return [solution.stats.iterations for solution in solutions]

    without = iterations(plain)
    for condition in ({"neumann": 0.0}, {"dirichlet": 0.0}):
        around = plain | {"domain": {"without": [disks | {"apart": 0.1}]}, "boundary": {"obstacles": condition}}
        assert max(iterations(around)) <= 2 * np.median(without)


@pytest.mark.parametrize("door", [1, 3])
def test_errors_of_rooms_behind_doors_are_told(door: int) -> None:
    """The residual of a wrong level behind a door is small, and multigrid slow to reduce it: a correction that reduces
    the residual tenfold tells a seventieth of it."""
    wall, hole = "max(abs(x-0.5)-1/16, 0)", f"max(0, max(abs(y-0.5), abs(z-0.5))-{door / 32})"
    distance = formula(f"{wall}+0.001-min(0.002, 1e3*{hole})")
    problem = {
        "family": "poisson", "resolution": [16, 17, 17], "source": {"field": "gaussian", "modes": 8},
        "domain": {"without": [{"shape": "level", "distance": distance}]},
        "boundary": {"default": {"neumann": 0.0}, "left": {"dirichlet": 0.0}},
    }  # fmt: skip
    spec = {"problem": problem, "samples": 6, "solver": {"method": "multigrid", "rtol": 1e-5}}
    job = FieldJob(validate(spec | {"certify": {"algebraic_rtol": 0.1, "stored_rtol": 0.1}}))
    sequence, exact = job.sequence(), begin(problem).sequence()
    assert isinstance(job.discretisation, CutBoxGrid)
    for sample in range(6):
        instance = job.instance("train", sample)
        kept = job.discretisation.kept(instance).ravel()
        equation = job.discretisation.equation(instance)
        (label,), (true,) = (job.scheme.labels([equation], one, Stopwatch()) for one in (sequence, exact))
        assert label.unknowns is not None
        assert true.unknowns is not None
        off, u = (label.unknowns - true.unknowns)[kept], true.unknowns[kept]
        error = np.linalg.norm(off) / np.linalg.norm(u - u.mean())
        assert error <= 1.05 * label.algebraic_error
    assert regions(job.discretisation.kept(instance), (False,) * 3)[1] == 1
    assert (~job.discretisation.kept(instance)).sum() == 2 * (17**2 - door**2)
