"""Orders of P1 and P2 elements on polygons, the mesh itself, and heat in the plate of skr-thermal.

The solution is u = sin(2x + 0.3) cos y with k = 1.5 + 0.5 sin(x + 2y), so that, with m = cos(x + 2y) / 2,
f = 5 k u - m u_x - 2 m u_y; for the diagonal tensor (k, 2 + y) it is (4 k + 2 + y) u - m u_x - u_y. What other terms
add to f is written beside them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.tri import LinearTriInterpolator, Triangulation

import pdemill
from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators import meshing
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.meshing import triangulate
from pdemill.spec import load_preset
from pdemill.spec.domain import Polygon
from pdemill.spec.problem import families

if TYPE_CHECKING:
    from tests.operators.conftest import Begin, Solve

type Corners = list[tuple[float, float]]

U, U_X, U_Y = "sin(2*x+0.3)*cos(y)", "2*cos(2*x+0.3)*cos(y)", "-sin(2*x+0.3)*sin(y)"
K, M = "(1.5+0.5*sin(x+2*y))", "0.5*cos(x+2*y)"
F = f"5*{K}*{U}-{M}*({U_X}+2*({U_Y}))"
EXCHANGE = "(1+x**2)"


def _expression(formula: str) -> dict[str, str]:
    return {"field": "expression", "formula": formula}


@dataclass(frozen=True)
class Equation:
    """A family with the coefficients of a row: ``k`` along x and y, the source, and keys of the problem."""

    family: str
    k: tuple[str, str]
    source: str
    keys: dict[str, Any]


HEAT = {"coefficient": _expression(K)}
EQUATIONS = {
    "thermal": Equation("thermal", (K, K), F, HEAT),
    "thermal, loss": Equation("thermal", (K, K), f"{F}+(1+x)*{U}", HEAT | {"reaction": _expression("1+x")}),
    "poisson": Equation("poisson", ("1", "1"), f"5*{U}", {}),
    "screened_poisson": Equation(
        "screened_poisson", ("1", "1"), f"(8+x**2)*{U}", {"screening": _expression("3+x**2")}),
    "darcy": Equation("darcy", (K, K), F, HEAT),
    "darcy, diagonal tensor": Equation(
        "darcy", (K, "(2+y)"), f"(4*{K}+2+y)*{U}-{M}*({U_X})-({U_Y})",
        {"coefficient": {"diagonal": [_expression(K), _expression("2+y")]}}),
    "helmholtz": Equation("helmholtz", (K, K), f"{F}-(4+x)**2*{U}", HEAT | {"wavenumber": _expression("4+x")}),
    "convection_diffusion": Equation(
        "convection_diffusion", (K, K), f"{F}+(1.2+0.5*x)*({U_X})+(0.8-x)*({U_Y})+0.7*{U}",
        HEAT | {"velocity": [_expression("1.2+0.5*x"), _expression("0.8-x")], "reaction": 0.7}),
}  # fmt: skip

PENTAGON: Corners = [(0.0, 0.0), (1.2, -0.1), (1.5, 0.7), (0.7, 1.2), (-0.2, 0.8)]
PLATE: Corners = [(0.0, 0.0), (1.6, 0.0), (1.6, 1.2), (0.0, 1.2)]
SLOT: Corners = [(0.5, 0.4), (0.9, 0.4), (0.9, 0.7), (0.5, 0.7)]
DOMAINS: dict[str, tuple[Corners, list[Corners]]] = {"pentagon": (PENTAGON, []), "holed plate": (PLATE, [SLOT])}
ROWS = [  # equation, domain, kind of each side, element order, least slope, cell sizes
    ("thermal", "pentagon", "drnnd", 1, 1.85, (0.16, 0.08, 0.04)),
    ("thermal", "pentagon", "drnnd", 2, 2.8, (0.24, 0.12, 0.06)),
    ("thermal", "pentagon", "rrrrr", 1, 1.85, (0.16, 0.08, 0.04)),
    ("thermal", "pentagon", "nnnnn", 1, 1.85, (0.16, 0.08, 0.04)),
    ("thermal", "pentagon", "nnnnn", 2, 2.8, (0.24, 0.12, 0.06)),
    ("thermal", "holed plate", "drnrn", 1, 1.85, (0.16, 0.08, 0.04)),
    ("thermal", "holed plate", "drnrn", 2, 2.8, (0.24, 0.12, 0.06)),
    ("thermal", "holed plate", "nnrnd", 1, 1.85, (0.16, 0.08, 0.04)),
    ("thermal", "holed plate", "nnrnd", 2, 2.8, (0.24, 0.12, 0.06)),
    *((name, "pentagon", "drnnd", 1, 1.85, (0.16, 0.08, 0.04)) for name in EQUATIONS if name != "thermal"),
    *((name, "holed plate", "drnrn", 2, 2.8, (0.24, 0.12, 0.06)) for name in EQUATIONS if name != "thermal"),
]


def _normals(outline: Corners, holes: list[Corners]) -> list[tuple[str, str]]:
    """The outward normal on every edge of an anticlockwise outline, and on the rims of upright rectangles."""
    normals = []
    for (x0, y0), (x1, y1) in pairwise([*outline, outline[0]]):
        length = hypot(x1 - x0, y1 - y0)
        normals.append((f"({(y1 - y0) / length!r})", f"({(x0 - x1) / length!r})"))
    for (x0, y0), _, (x1, y1), _ in holes:
        s = f"({2 / (x1 - x0)!r}*(x-{(x0 + x1) / 2!r}))"
        t = f"({2 / (y1 - y0)!r}*(y-{(y0 + y1) / 2!r}))"
        upright = f"sign(abs({s})-abs({t}))"  # 1 on the edges x = x0, x = x1; -1 on the others
        normals.append((f"(-0.5*sign({s})*(1+{upright}))", f"(-0.5*sign({t})*(1-{upright}))"))
    return normals


def _problem(domain: str, kinds: str, order: int, name: str = "thermal") -> dict[str, Any]:
    equation = EQUATIONS[name]
    k_x, k_y = equation.k
    outline, holes = DOMAINS[domain]
    names = [f"edge{i}" for i in range(len(outline))] + [f"hole{j}" for j in range(len(holes))]
    boundary: dict[str, Any] = {}
    for side, kind, (n_x, n_y) in zip(names, kinds, _normals(outline, holes), strict=True):
        flux = f"({n_x}*{k_x}*{U_X}+{n_y}*{k_y}*({U_Y}))"
        robin = {"coefficient": _expression(EXCHANGE), "value": _expression(f"{EXCHANGE}*{U}+{flux}")}
        boundary[side] = {
            "d": {"dirichlet": _expression(U)},
            "n": {"neumann": _expression(flux)},
            "r": {"robin": robin},
        }[kind]
    return {
        "family": equation.family,
        "order": order,
        "domain": {"shape": "polygon", "outline": outline, "holes": holes},
        **equation.keys,
        "source": _expression(equation.source),
        "boundary": boundary,
        "compatibility": "project",
    }


def _arrays(grid: Discretisation) -> dict[str, Any]:
    return {name: values for name, (_, values) in grid.arrays().items()}


def _areas(points: Array, cells: Any) -> Array:
    a, b, c = (points[cells[:, i]].T for i in range(3))
    return np.asarray(((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) / 2)


@pytest.mark.parametrize(("equation", "domain", "kinds", "order", "least", "sizes"), ROWS)
def test_order(
    equation: str,
    domain: str,
    kinds: str,
    order: int,
    least: float,
    sizes: tuple[float, ...],
    begin: Begin,
    solve: Solve,
) -> None:
    steps, errors = [], []
    for h in sizes:
        job = begin(_problem(domain, kinds, order, equation) | {"resolution": {"h": h}})
        grid = job.discretisation
        arrays = _arrays(grid)
        x, y = arrays["points"].T
        exact = np.sin(2 * x + 0.3) * np.cos(y)
        if job.problem.singular:
            assert set(kinds) == {"n"}
            exact -= grid.weights @ exact / grid.weights.sum()
        error = solve(job, grid).field - exact
        errors.append(np.linalg.norm(error) / np.linalg.norm(exact))
        steps.append(1 / np.sqrt(len(arrays["cells"])))
    slope = float(np.polyfit(np.log(steps), np.log(errors), 1)[0])
    assert slope >= least, f"slope {slope}, errors {errors}"


def test_every_mesh_family_has_rows() -> None:
    assert {EQUATIONS[row[0]].family for row in ROWS} == {
        n for n, kind in families.items() if kind.linear and not kind.evolves
    }


@pytest.mark.parametrize(("order", "u", "source"), [(1, "1+2*x-3*y", 0), (2, "1+2*x-3*y+x**2+x*y-2*y**2", 2)])
@pytest.mark.parametrize("domain", list(DOMAINS))
def test_polynomials_of_the_element_are_exact(
    domain: str, order: int, u: str, source: float, begin: Begin, solve: Solve
) -> None:
    outline, holes = DOMAINS[domain]
    problem = _problem(domain, "d" * (len(outline) + len(holes)), order)
    changes = {"coefficient": 1, "source": source, "boundary": {"default": {"dirichlet": _expression(u)}}}
    job = begin(problem | changes | {"resolution": {"h": 0.3}})
    field = solve(job, job.discretisation).field
    x, y = _arrays(job.discretisation)["points"].T
    exact = 1 + 2 * x - 3 * y + (x**2 + x * y - 2 * y**2 if order == 2 else 0)
    np.testing.assert_allclose(field, exact, atol=1e-12)


def _reversed(corners: Corners, turn: bool) -> Corners:
    return corners[::-1] if turn else corners


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("order", [1, 2])
def test_mesh_fills_the_polygon_and_knows_its_sides(order: int, turned: tuple[bool, bool], begin: Begin) -> None:
    outline, hole = _reversed(PLATE, turned[0]), _reversed(SLOT, turned[1])
    sides = ["wall", "inlet", "wall", "outlet"]
    domain = {"shape": "polygon", "outline": outline, "holes": [hole], "sides": sides}
    job = begin({"family": "thermal", "order": order, "resolution": {"h": 0.1}, "domain": domain})
    grid, problem = job.discretisation, job.problem
    for level in (grid, grid.refined()):
        arrays = _arrays(level)
        points, facets = arrays["points"], arrays["facets"]
        areas = _areas(points, arrays["cells"])
        assert areas.min() > 0
        assert areas.sum() == pytest.approx(1.6 * 1.2 - 0.4 * 0.3, rel=1e-13)
        assert problem.volume == pytest.approx(areas.sum(), rel=1e-13)
        edges = np.sort(arrays["cells"][:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        unique, count = np.unique(edges, axis=0, return_counts=True)
        assert np.array_equal(unique[count == 1], np.unique(np.sort(facets, axis=1), axis=0))
        loops = [(outline, sides), (hole, ["hole0"] * 4)]
        for number, side in enumerate(problem.sides):
            ends = points[facets[arrays["facet_sides"] == number]]
            lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
            assert lengths.sum() == pytest.approx(problem.measure(side), rel=1e-13)
            segments = [
                (a, b)
                for loop, names in loops
                for a, b, name in zip(loop, loop[1:] + loop[:1], names, strict=True)
                if name == side
            ]
            detours = [
                np.linalg.norm(ends - a, axis=2) + np.linalg.norm(ends - b, axis=2) - np.hypot(*np.subtract(b, a))
                for a, b in segments
            ]
            assert np.min([detour.max(axis=1) for detour in detours], axis=0).max() < 1e-13


def _fingerprint(problem: dict[str, Any], begin: Begin) -> str:
    arrays = _arrays(begin(problem).discretisation)
    return sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


FRESH = """
import json, sys
from hashlib import sha256
from pdemill.spec import validate
from pdemill.solvers.field_job import FieldJob
arrays = FieldJob(validate({"problem": json.load(sys.stdin), "samples": 1})).discretisation.arrays()
sys.stdout.write(sha256(b"".join(arrays[name][1].tobytes() for name in sorted(arrays))).hexdigest())
"""


def test_the_same_mesh_every_time(begin: Begin) -> None:
    problem = _problem("holed plate", "drnrn", 2) | {"resolution": {"h": 0.05}}
    here = _fingerprint(problem, begin)
    assert _fingerprint(problem, begin) == here
    fresh = subprocess.run(
        [sys.executable, "-c", FRESH], input=json.dumps(problem), capture_output=True, text=True, check=True
    )
    assert fresh.stdout == here


@pytest.mark.parametrize("order", [1, 2])
def test_a_stored_mesh_gives_the_same_system(order: int, begin: Begin) -> None:
    job = begin(_problem("holed plate", "drnrn", order) | {"resolution": {"h": 0.1}})
    grid = job.discretisation
    again = job.problem.discretise(_arrays(grid))
    for name, values in _arrays(grid).items():
        assert np.array_equal(_arrays(again)[name], values)
    one, two = (level.assemble(job.instance("train", 0)) for level in (grid, again))
    assert np.array_equal(one.matrix.values, two.matrix.values)
    assert np.array_equal(one.rhs, two.rhs)


@pytest.mark.parametrize("order", [1, 2])
def test_refined_meshes_nest(order: int, begin: Begin, solve: Solve) -> None:
    job = begin(_problem("holed plate", "drnrn", order) | {"resolution": {"h": 0.08}})
    coarse, fine = job.discretisation, job.refined
    for axis in range(2):
        here, there = _arrays(coarse)["points"][:, axis], _arrays(fine)["points"][:, axis]
        assert np.array_equal(coarse.restrict(there), here)
    assert len(_arrays(fine)["cells"]) == 4 * len(_arrays(coarse)["cells"])
    errors = []
    for grid in (coarse, fine):
        x, y = _arrays(grid)["points"].T
        error = solve(job, grid).field - np.sin(2 * x + 0.3) * np.cos(y)
        errors.append(np.linalg.norm(error if grid is coarse else coarse.restrict(error)))
    assert errors[1] < errors[0] / 2 ** (order + 0.7)


RANDOM = {"uniform": [1, 2]}
OPERATORS: list[tuple[dict[str, Any], bool, bool]] = [  # changes, constant, singular
    ({"boundary": {"edge0": {"dirichlet": RANDOM}, "default": {"neumann": RANDOM}}}, True, False),
    ({"boundary": {"default": {"neumann": RANDOM}}}, True, True),
    ({"boundary": {"default": {"neumann": RANDOM}}, "coefficient": RANDOM}, False, True),
    ({"boundary": {"edge0": {"robin": {"coefficient": 1, "value": RANDOM}}}}, True, False),
    ({"boundary": {"edge0": {"robin": {"coefficient": RANDOM, "value": 1}}}}, False, False),
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("changes", "constant", "singular"), OPERATORS)
def test_properties_hold(
    changes: dict[str, Any], constant: bool, singular: bool, order: int, begin: Begin, solve: Solve
) -> None:
    problem = _problem("holed plate", "ddddd", order) | {"coefficient": _expression(K), "resolution": {"h": 0.3}}
    job = begin(problem | changes)
    grid = job.discretisation
    first, second = (grid.assemble(job.instance("train", sample)) for sample in (0, 1))
    properties, dense = first.matrix.properties, first.matrix.sparse().toarray()
    assert (properties.constant, first.matrix.singular) == (constant, singular)
    assert first.matrix.pattern is second.matrix.pattern is grid.pattern
    assert (first.matrix is second.matrix) is constant
    np.testing.assert_allclose(dense, dense.T, atol=1e-13 * np.abs(dense).max())
    assert bool(np.abs(dense.sum(axis=1)).max() < 1e-12 * np.abs(dense).max()) is singular
    assert np.linalg.eigvalsh(dense)[int(singular)] > 1e-12
    if singular:
        solved = solve(job, grid)
        assert abs(first.rhs.sum()) < 1e-12 * np.abs(first.rhs).sum()
        assert abs(grid.weights @ solved.field) < 1e-12 * np.abs(solved.field).max()


def _heat(h: float, order: int, solve: Solve) -> tuple[LinearTriInterpolator, float]:
    """The temperature in the plate of skr-thermal as a function, linear between the nodes; the largest one."""
    spec = load_preset("skr-thermal", [f"problem.resolution.h={h}", f"problem.order={order}", "solver.method=direct"])
    job = FieldJob(spec)
    field = solve(job, job.discretisation).field
    points, cells = _arrays(job.discretisation)["points"], _arrays(job.discretisation)["cells"]
    if order == 2:  # corners 0, 1, 2, then the midpoints of 01, 12, 02
        cells = np.concatenate([cells[:, part] for part in ([0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5])])
    return LinearTriInterpolator(Triangulation(points[:, 0], points[:, 1], cells), field), float(np.abs(field).max())


def test_heat_around_the_slot_against_a_fine_reference(solve: Solve) -> None:
    x, y = np.random.default_rng(0).uniform((-0.5, -0.8), (0.5, 0.8), (4000, 2)).T
    outside = (abs(x) > 0.051) | (abs(y) > 0.401)
    x, y = x[outside], y[outside]
    reference = _heat(0.0125, 2, solve)[0](x, y)
    assert not np.ma.getmaskarray(reference).any()
    errors = [
        np.linalg.norm(_heat(h, 1, solve)[0](x, y) - reference) / np.linalg.norm(reference) for h in (0.05, 0.025)
    ]
    order = np.log2(errors[0] / errors[1])
    assert 1.1 < order < 2.1, f"order {order}, errors {errors}"
    assert errors[1] < 0.01


RIGHT_ANGLE = {"shape": "polygon", "outline": [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]}
ROBIN = {"robin": {"coefficient": _expression("1+y"), "value": _expression("x+1")}}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "keys",
    [
        {"family": "poisson", "boundary": {"default": ROBIN}},
        {"family": "screened_poisson", "boundary": {"default": {"neumann": 0}}},
        {"family": "helmholtz", "wavenumber": _expression("1+x"), "boundary": {"default": {"neumann": 0.5}}},
        {
            "family": "convection_diffusion", "velocity": [1, _expression("x")], "reaction": 2,
            "boundary": {"default": {"neumann": 0}, "edge0": ROBIN},
        },
        {"family": "darcy", "reaction": _expression("max(0, x - 0.4)"), "boundary": {"edge2": ROBIN}},
    ],
    ids=lambda keys: keys["family"],
)  # fmt: skip
def test_right_angles_take_no_entry_out_of_a_matrix(keys: dict[str, Any], order: int, begin: Begin) -> None:
    """There the gradients of two basis functions are orthogonal, and a matrix of diffusion alone has no entry for them.

    The matrix is compared with one of dense sums over the elements, of this mesh and of the refined one.
    """
    source = {"source": _expression("1+x*y")}
    size = 1.0 if "default" in keys["boundary"] else 0.6  # where a side is Dirichlet, one triangle has no free node
    job = begin(keys | source | {"order": order, "resolution": {"h": size}, "domain": RIGHT_ANGLE})
    for grid in (job.discretisation, job.refined):
        instance = job.instance("train", 0)
        found = grid.assemble(instance).matrix.sparse().toarray()
        np.testing.assert_allclose(found, _dense(grid, instance), rtol=0, atol=1e-12 * np.abs(found).max())


def _dense(grid: Any, instance: Any) -> Array:
    """The matrix of the free nodes, without a pattern."""
    basis, terms = grid._basis, instance.terms
    inside = grid._inside
    k = np.broadcast_to(terms.diffusion[0](inside), inside.shape)
    b = [np.broadcast_to(f(inside), inside.shape) for f in terms.convection] or [0.0 * k, 0.0 * k]
    c = 0.0 * k if terms.reaction is None else np.broadcast_to(terms.reaction(inside), inside.shape)
    total = np.zeros((basis.N, basis.N))
    for row, test in enumerate(basis.basis):
        for column, trial in enumerate(basis.basis):
            (v,), (u,) = test, trial
            value = k * (u.grad * v.grad).sum(axis=0) + (
                b[0] * u.grad[0] + b[1] * u.grad[1] + c * np.asarray(u)
            ) * np.asarray(v)
            entries = (value * basis.dx).sum(axis=1)
            np.add.at(total, (basis.element_dofs[row], basis.element_dofs[column]), entries)
    for side, facets in grid._side_bases.items():
        condition, data = instance.condition(side)
        if condition.kind() == "robin":
            places = grid.side_points[side]
            a = np.broadcast_to(data["coefficient"](places), places.shape)
            for row, test in enumerate(facets.basis):
                for column, trial in enumerate(facets.basis):
                    (v,), (u,) = test, trial
                    entries = (a * np.asarray(u) * np.asarray(v) * facets.dx).sum(axis=1)
                    np.add.at(total, (facets.element_dofs[row], facets.element_dofs[column]), entries)
    return np.asarray(total[np.ix_(grid._free, grid._free)])


def test_a_mesh_with_right_angles_is_certified_with_its_refinement(tmp_path: Path) -> None:
    spec = {
        "problem": {"family": "helmholtz", "resolution": {"h": 0.25}, "boundary": {"default": {"neumann": 0}}},
        "samples": 2,
        "certify": {"refine": 1},
    }
    summary = pdemill.generate(spec, tmp_path / "waves.zarr", workers=0)
    assert summary.ok, summary.failures


def _plate(x: float, y: float, closed: bool) -> Polygon:
    corners = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 1.0), (1.0, 2.0), (0.0, 2.0), *((0.0, 0.0),) * closed)
    hole = ((0.25, 0.25), (0.5, 0.25), (0.5, 0.5), *((0.25, 0.25),) * closed)
    outline, rim = ([(x + a, y + b) for a, b in loop] for loop in (corners, hole))
    return Polygon.model_validate({"outline": outline, "holes": [rim]})


def test_a_polygon_far_from_the_origin_has_the_mesh_of_one_at_it() -> None:
    near, far = triangulate(_plate(0, 0, False), 0.03), triangulate(_plate(500_000, 5_000_000, True), 0.03)
    np.testing.assert_allclose(far.points - (500_000, 5_000_000), near.points, rtol=0, atol=2e-9)
    for name in ("cells", "facets", "sides"):
        np.testing.assert_array_equal(getattr(far, name), getattr(near, name))


def test_heat_far_from_the_origin(tmp_path: Path) -> None:
    found = []
    for x, y in ((0, 0), (500_000, 5_000_000)):
        outline = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
        problem = {
            "family": "thermal",
            "resolution": {"h": 0.05},
            "domain": {"shape": "polygon", "outline": outline, "sides": ["bottom", "right", "top", "left"]},
            "source": 1,
            "boundary": {"default": {"dirichlet": 0}},
        }
        out = tmp_path / f"{x}.zarr"
        spec = {"problem": problem, "samples": 1, "store": {"dtype": "float64"}}
        assert pdemill.generate(spec, out, workers=0).ok
        found.append(pdemill.open(out)[0]["y"])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-9)
    assert abs(found[1].max() - 0.0736713) < 2e-4  # of the square's torsion function


def test_what_the_mesher_throws_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshing, "FAR", float("inf"))
    with pytest.raises(SolverError, match=r"mesher failed.*resolution\.h"):
        triangulate(_plate(500_000, 5_000_000, False), 0.01)


def test_a_robin_side_and_varying_k_on_elements_of_order_2(tmp_path: Path) -> None:
    """The example of the page of ``thermal``, with a seed whose sums had entries that cancel."""
    page = (Path(__file__).parents[2] / "docs" / "families" / "thermal.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "thermal.yaml").write_text(example)
    summary = pdemill.generate(tmp_path / "thermal.yaml", tmp_path / "thermal.zarr", settings=["seed=11"], workers=0)
    assert summary.ok, summary.failures
    assert summary.total == 120
