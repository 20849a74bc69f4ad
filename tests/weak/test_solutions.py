"""Weak forms against known solutions, and against other ways to solve the same problems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.operators.equation import NonlinearEquation
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.weak.equation import LinearForm
from tests.weak.problems import POISSON, errors, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx", "netgen")
PI, SLOW = np.pi, pytest.mark.slow
VECTOR = {"element": "P2", "shape": "vector", "test": "v"}
FLOW = {"u": VECTOR, "p": {"element": "P1", "test": "q"}}
STOKES = "inner(grad(u), grad(v))*dx - p*div(v)*dx - q*div(u)*dx - inner([sin(pi*y), pi*cos(pi*y)], v)*ds('right')"
F = ("2*pi**2*cos(pi*x)*sin(pi*y) - pi*sin(pi*x)*sin(pi*y)", "-2*pi**2*sin(pi*x)*cos(pi*y) + pi*cos(pi*x)*cos(pi*y)")
LOADED = f"{STOKES} - inner([{F[0]}, {F[1]}], v)*dx"
CONVECTED = f"{LOADED} + inner(dot(grad(u), u) + [pi/2*sin(2*pi*x), pi/2*sin(2*pi*y)], v)*dx"
VELOCITY = [formula("cos(pi*x)*sin(pi*y)"), formula("-sin(pi*x)*cos(pi*y)")]


def bump(x: Array, y: Array) -> Array:
    return np.asarray(np.sin(PI * x) * np.sin(PI * y))


def poisson(element: str, resolution: Any) -> dict[str, Any]:
    form = "inner(grad(u), grad(v))*dx - 2*pi**2*sin(pi*x)*sin(pi*y)*v*dx"
    return POISSON | {"unknowns": {"u": element}, "resolution": resolution, "form": form}


def robin(element: str, resolution: Any) -> dict[str, Any]:
    """-∇²u = -e^x y with u = e^x y: ∂u/∂n + 2 u = 3 e y on the right, ∂u/∂n = e^x at the top."""
    return POISSON | {
        "unknowns": {"u": element}, "resolution": resolution,
        "form": "inner(grad(u), grad(v))*dx + exp(x)*y*v*dx + (2*u - 3*exp(1)*y)*v*ds('right') - exp(x)*v*ds('top')",
        "boundary": {
            "left": {"u": {"dirichlet": formula("y")}}, "bottom": {"u": {"dirichlet": 0.0}}, "default": "natural",
        },
    }  # fmt: skip


def quasilinear(element: str, resolution: Any) -> dict[str, Any]:
    u, v = "sin(pi*x)*sin(pi*y)", "((cos(pi*x)*sin(pi*y))**2 + (sin(pi*x)*cos(pi*y))**2)"
    load = formula(f"2*pi**2*{u}*(1 + ({u})**2) - 2*{u}*pi**2*{v}")
    form = "(1 + u**2)*inner(grad(u), grad(v))*dx - f*v*dx"
    return POISSON | {
        "unknowns": {"u": element}, "resolution": resolution, "form": form, "coefficients": {"f": load},
    }  # fmt: skip


def elastic(element: str, resolution: Any) -> dict[str, Any]:
    """-div(2 sym grad u + tr(grad u) I) = f with u = (sin πx sin πy, 0), held on all sides."""
    u, v = "pi**2*sin(pi*x)*sin(pi*y)", "pi**2*cos(pi*x)*cos(pi*y)"
    stress = "2*inner(sym(grad(u)), sym(grad(v))) + div(u)*div(v)"
    return POISSON | {
        "unknowns": {"u": {"element": element, "shape": "vector"}}, "resolution": resolution,
        "form": f"({stress})*dx - (4*{u}*v[0] - 2*{v}*v[1])*dx",
        "boundary": {"default": {"u": {"dirichlet": [0.0, 0.0]}}},
    }  # fmt: skip


def flow(form: str) -> Any:
    def made(_: str, resolution: Any) -> dict[str, Any]:
        return POISSON | {
            "unknowns": FLOW, "resolution": resolution, "form": form, "degree": 6,
            "boundary": {"default": {"u": {"dirichlet": VELOCITY}}, "right": "natural"},
        }  # fmt: skip

    return made


EXACT_FLOW = (
    lambda x, y: np.cos(PI * x) * np.sin(PI * y),
    lambda x, y: -np.sin(PI * x) * np.cos(PI * y),
    lambda x, y: np.cos(PI * x) * np.sin(PI * y),
)
ROWS = [  # problem, elements, resolutions, exact solution, least order of each channel
    pytest.param(poisson, "P1", ([8, 8], [16, 16]), (bump,), (1.9,), id="poisson, P1"),
    pytest.param(poisson, "P2", ([6, 6], [12, 12]), (bump,), (2.9,), marks=SLOW, id="poisson, P2"),
    pytest.param(poisson, "P1", ({"h": 0.2}, {"h": 0.1}), (bump,), (1.7,), marks=SLOW, id="poisson, P1, mesher"),
    pytest.param(robin, "P1", ([8, 8], [16, 16]), (lambda x, y: np.exp(x) * y,), (1.9,), marks=SLOW, id="robin, P1"),
    pytest.param(robin, "P2", ([4, 4], [8, 8]), (lambda x, y: np.exp(x) * y,), (2.9,), id="robin, P2"),
    pytest.param(quasilinear, "P1", ([8, 8], [16, 16]), (bump,), (1.9,), marks=SLOW, id="quasilinear, P1"),
    pytest.param(quasilinear, "P2", ([6, 6], [12, 12]), (bump,), (2.9,), id="quasilinear, P2"),
    pytest.param(flow(LOADED), "", ([6, 6], [12, 12]), EXACT_FLOW, (2.9, 2.9, 1.9), marks=SLOW, id="stokes"),
    pytest.param(flow(CONVECTED), "", ([6, 6], [12, 12]), EXACT_FLOW, (2.9, 2.9, 1.9), id="navier-stokes"),
]


@pytest.mark.parametrize(("problem", "element", "resolutions", "exact", "least"), ROWS)
def test_orders_of_manufactured_solutions(
    problem: Any, element: str, resolutions: Any, exact: Any, least: tuple[float, ...]
) -> None:
    coarse, fine = (errors(problem(element, resolution), exact) for resolution in resolutions)
    assert (np.log2(coarse / fine) >= least).all(), (coarse, fine)


@pytest.mark.parametrize(("element", "least"), [pytest.param("P1", 1.9, marks=SLOW), ("P2", 2.9)])
def test_orders_of_elasticity(element: str, least: float) -> None:
    found = []
    for n in (8, 16):
        job = opened(elastic(element, [n, n]))
        fields, _ = solved(job)
        x, y = job.discretisation.points.coordinates.values()
        found.append(np.linalg.norm(fields - np.stack([bump(x, y), np.zeros_like(x)])) / np.linalg.norm(bump(x, y)))
    assert np.log2(found[0] / found[1]) >= least


def test_tetrahedra() -> None:
    form = "inner(grad(u), grad(v))*dx - 2*pi**2*sin(pi*x)*sin(pi*y)*v*dx + 0*z*v*dx"
    problem = POISSON | {"form": form, "unknowns": {"u": "P2"}}
    problem["boundary"] = POISSON["boundary"] | {"back": "natural", "front": "natural"}
    found = [errors(problem | {"resolution": [n, n, 2]}, (lambda x, y, z: bump(x, y),)) for n in (3, 6)]
    assert np.log2(found[0] / found[1]) >= 2.6


def test_elements_hold_polynomials_of_their_order_on_a_holed_polygon() -> None:
    domain = {
        "shape": "polygon", "outline": [[0, 0], [2, 0], [2, 1], [0, 1]],
        "holes": [[[0.8, 0.4], [1.2, 0.4], [1.0, 0.7]]],
    }  # fmt: skip
    form = "inner(grad(u), grad(v))*dx + 4*v*dx - dot([2*x, 2*y - 3], n)*v*ds('hole0')"
    exact = "x**2 + y**2 - 3*y"
    problem = POISSON | {"domain": domain, "resolution": {"h": 0.4}, "unknowns": {"u": "P2"}, "form": form}
    boundary = {"default": {"u": {"dirichlet": formula(exact)}}, "hole0": "natural"}
    assert errors(problem | {"boundary": boundary}, (lambda x, y: x**2 + y**2 - 3 * y,)) < 1e-12


def test_numbers_are_floating_point_numbers() -> None:
    """Written as integers 2**64 would reach C as 0, 10**20 as 7.8e18."""
    for number in ("2**64", "100000000000000000000"):
        problem = POISSON | {"form": f"{number}*u*v*dx - {number}*x*v*dx", "boundary": {"default": "natural"}}
        assert errors(problem, (lambda x, y: x,)) < 1e-12


@pytest.mark.slow
def test_energies_are_differentiated() -> None:
    body = POISSON | {
        "unknowns": {"u": {"element": "P1", "shape": "vector"}}, "resolution": [6, 6],
        "coefficients": {"mu": 1.5, "lmbda": 3.0},
        "boundary": {"left": {"u": {"dirichlet": [0.0, 0.0]}}, "default": "natural"},
    }  # fmt: skip
    parts = {"F": "Identity(2) + grad(u)", "J": "det(F)"}
    energy = {**parts, "psi": "mu/2*(inner(F, F) - 2) - mu*ln(J) + lmbda/2*ln(J)**2"}
    stress = {**parts, "P": "mu*(F - transpose(inv(F))) + lmbda*ln(J)*transpose(inv(F))"}
    load = " - 0.1*v[1]*ds('right')"
    one, _ = solved(opened(body | {"definitions": energy, "form": "derivative(psi*dx, u, v)" + load}))
    other, _ = solved(opened(body | {"definitions": stress, "form": "inner(P, grad(v))*dx" + load}))
    np.testing.assert_allclose(one, other, atol=1e-8 * np.abs(one).max())
    assert one[1].max() > 0.1


def test_a_patch_of_a_body_that_is_stretched_far_is_homogeneous() -> None:
    """u = (0.5 x, 0) on all sides of a neo-Hookean body is its solution, to rounding."""
    definitions = {"F": "Identity(2) + grad(u)", "J": "det(F)"}
    form = "derivative((0.5*(inner(F, F) - 2) - ln(J) + ln(J)**2)*dx, u, v)"
    given = [formula("0.5*x"), 0.0]
    problem = POISSON | {
        "unknowns": {"u": {"element": "P2", "shape": "vector"}}, "resolution": [3, 3], "definitions": definitions,
        "form": form, "boundary": {"default": {"u": {"dirichlet": given}}},
    }  # fmt: skip
    fields, _ = solved(opened(problem))
    np.testing.assert_allclose(fields[0], 0.5 * opened(problem).discretisation.points.coordinates["x"], atol=1e-9)


def test_darcy_through_the_form_through_elements_and_on_a_box() -> None:
    field = {"field": "lognormal", "modes": 3, "std": 0.5, "alpha": 3, "tau": 3}
    form = "k*inner(grad(u), grad(v))*dx - v*dx"
    common = {"seed": 3, "certify": {"refine": 0}}
    written = opened(POISSON | {"form": form, "coefficients": {"k": field}, "resolution": {"h": 0.1}}, **common)
    built = opened({"family": "darcy", "coefficient": field, "resolution": {"h": 0.1}}, **common)
    mine, theirs = written.instance("train", 0), built.instance("train", 0)
    mine.fields["k"] = theirs.drawn("coefficient")
    one = written.discretisation.equation(mine)
    (label,) = written.scheme.labels([one], written.sequence(), Stopwatch())
    other, _ = solved(built)
    assert label.unknowns is not None
    fields = written.discretisation.to_fields(label.unknowns, mine)
    np.testing.assert_array_equal(written.discretisation.mesh.points, built.discretisation.mesh.points)  # type: ignore[attr-defined]
    assert np.linalg.norm(fields - other) < 0.01 * np.linalg.norm(other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"boundary": {"default": "natural"}}, "a constant added to u changes nothing"),
        ({"form": "inner(grad(u), grad(v))*dx - inner(grad(u), grad(v))*dx + 0*u*v*dx - v*dx"}, "leave something open"),
        (
            {
                "unknowns": FLOW, "form": "inner(grad(u), grad(v))*dx - p*div(v)*dx - q*div(u)*dx - v[0]*dx",
                "boundary": {"default": {"u": {"dirichlet": [0.0, 0.0]}}},
            },
            "a constant added to p changes nothing",
        ),
        (
            {
                "unknowns": {"u": VECTOR}, "form": "inner(sym(grad(u)), sym(grad(v)))*dx - v[0]*dx",
                "boundary": {"default": "natural"},
            },
            "3 independent solutions .* hold more than constants.*only then may constraints fix the means of u_x, u_y",
        ),
        (
            {"unknowns": {"u": VECTOR}, "form": "inner(grad(u), grad(v))*dx", "boundary": {"default": "natural"}},
            r"a constant added to u_x or u_y changes nothing.* set constraints: \{u: \{mean: \[0.0, 0.0\]\}\}",
        ),
    ],
)  # fmt: skip
def test_what_a_form_leaves_open_is_refused_when_it_is_opened(change: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=rf"problem\.boundary: .*{why}"):
        opened(POISSON | change)


def test_the_residual_of_a_linear_form_is_that_of_its_matrix() -> None:
    job = opened(robin("P2", [4, 4]))
    equation = job.discretisation.equation(job.instance("train", 0))
    assert isinstance(equation, LinearForm)
    u = np.random.default_rng(1).standard_normal(job.discretisation.pattern.size)
    np.testing.assert_allclose(equation.residual_otherwise(u), equation.residual(u), atol=1e-12 * np.abs(u).max())


def test_the_derivative_of_a_form_is_that_of_its_residual() -> None:
    job = opened(quasilinear("P2", [3, 3]))
    equation = job.discretisation.equation(job.instance("train", 0))
    assert isinstance(equation, NonlinearEquation)
    u, d = np.random.default_rng(2).standard_normal((2, job.discretisation.pattern.size))
    exact = equation.jacobian(u).sparse() @ d
    found = (equation.residual(u - 1e-6 * d) - equation.residual(u + 1e-6 * d)) / 2e-6
    np.testing.assert_allclose(found, exact, atol=1e-7 * np.abs(exact).max())
