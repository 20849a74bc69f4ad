"""Ready families against exact solutions."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample
from pdemill.spec import validate
from tests.weak.problems import errors, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx", "netgen")
SLOW = pytest.mark.slow
ROLLERS = {
    "left": {"displacement": [0, None]}, "bottom": {"displacement": [None, 0]}, "top": {"displacement": [None, 0]},
}  # fmt: skip
BODY: dict[str, Any] = {"family": "elasticity", "resolution": [2, 2], "E": 3.0, "nu": 0.25, "boundary": ROLLERS}
PARABOLA = [formula("4*y*(1-y)"), 0.0]
CHANNEL: dict[str, Any] = {
    "family": "navier_stokes_steady", "resolution": [3, 3], "reynolds": 20.0,
    "boundary": {"left": {"velocity": PARABOLA}, "right": {"pressure": 0.3}, "default": "no_slip"},
}  # fmt: skip


def stretched(body: dict[str, Any], traction: list[float]) -> Array:
    """The displacements of a body on rollers that is pulled at its right end."""
    problem = body | {"boundary": body["boundary"] | {"right": {"traction": traction}}}
    job = opened(problem)
    fields, _ = solved(job)
    x = job.discretisation.points.coordinates["x"]
    np.testing.assert_allclose(fields[0], fields[0].max() * x, atol=1e-9)
    assert np.abs(fields[1:]).max() < 1e-9
    return np.asarray(fields[0].max())


@pytest.mark.parametrize(
    ("keys", "modulus"),
    [
        pytest.param({}, 3.0 * 0.75 / (1.25 * 0.5), marks=SLOW, id="plane strain"),
        pytest.param({"plane": "stress"}, 3.0 / (1.0 - 0.0625), id="plane stress"),
        pytest.param({"plane": "strain", "element": "P1"}, 3.0 * 0.75 / (1.25 * 0.5), marks=SLOW, id="P1"),
    ],
)
def test_a_body_between_smooth_walls_gives_by_its_constrained_modulus(keys: dict[str, Any], modulus: float) -> None:
    """(1 - ν) E / ((1 + ν)(1 - 2ν)) in plane strain, E / (1 - ν²) in plane stress."""
    np.testing.assert_allclose(stretched(BODY | keys, [0.3, 0.0]), 0.3 / modulus)


@pytest.mark.slow
def test_a_bar_in_three_dimensions_hangs_under_its_weight() -> None:
    """u = f (x - x²/2) / E without lateral contraction, held at x = 0."""
    free = {"left": "clamped", "default": "free"}
    problem = BODY | {"resolution": [1, 1, 1], "nu": 0.0, "body_force": [0.6, 0, 0], "boundary": free}
    assert errors(problem, (lambda x, y, z: 0.2 * (x - x**2 / 2), *[lambda x, y, z: 1e-30] * 2))[0] < 1e-9


def energy(law: dict[str, Any], stretch: float) -> float:
    """W of F = diag(stretch, 1, 1)."""
    first, J = stretch**2 + 2.0, stretch
    if law["law"] == "neo_hookean":
        mu, lmbda = law["E"] / 2 / (1 + law["nu"]), law["E"] * law["nu"] / (1 + law["nu"]) / (1 - 2 * law["nu"])
        return float(mu / 2 * (first - 3 - 2 * log(J)) + lmbda / 2 * log(J) ** 2)
    second = (first**2 - stretch**4 - 2.0) / 2
    parts = law["c1"] * (J ** (-2 / 3) * first - 3) + law["c2"] * (J ** (-4 / 3) * second - 3)
    return float(parts + law["bulk"] / 2 * (J - 1) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [
        {"law": "neo_hookean", "E": 3.0, "nu": 0.25},
        {"law": "mooney_rivlin", "c1": 0.5, "c2": 0.25, "bulk": 4.0},
    ],
    ids=lambda law: law["law"],
)
def test_a_body_that_is_stretched_far_pulls_by_the_derivative_of_its_energy(law: dict[str, Any]) -> None:
    pull = (energy(law, 1.5 + 1e-6) - energy(law, 1.5 - 1e-6)) / 2e-6
    body = {"family": "hyperelasticity", "resolution": [2, 2], "boundary": ROLLERS, **law}
    np.testing.assert_allclose(stretched(body, [pull, 0.0]), 0.5, rtol=1e-8)


@pytest.mark.slow
def test_order_of_hyperelasticity() -> None:
    """u = (g, h)(y), of which -∇·P = -(μ g'', (μ (1 + 1/J²) + λ (1 - ln J)/J²) h''), J = 1 + h'."""
    g, h = "0.3*sin(pi*y)", "0.1*sin(pi*y)"
    J, curve = "(1 + 0.1*pi*cos(pi*y))", "pi**2*sin(pi*y)"
    force = [f"0.3*{curve}", f"((1 + 1/{J}**2) + 2*(1 - log({J}))/{J}**2)*0.1*{curve}"]  # E = 8/3, nu = 1/3
    problem = {
        "family": "hyperelasticity", "E": 8 / 3, "nu": 1 / 3, "body_force": [formula(text) for text in force],
        "boundary": {"default": {"displacement": [formula(g), formula(h)]}},
    }  # fmt: skip
    exact = (lambda x, y: 0.3 * np.sin(np.pi * y), lambda x, y: 0.1 * np.sin(np.pi * y))
    for element, least, sizes in (("P1", 1.9, (8, 16)), ("P2", 2.9, (4, 8))):
        coarse, fine = (errors(problem | {"element": element, "resolution": [n, n]}, exact) for n in sizes)
        assert (np.log2(coarse / fine) >= least).all(), (coarse, fine)


def flow(x: Array, y: Array) -> Array:
    return np.asarray(4 * y * (1 - y))


@pytest.mark.parametrize(
    "change",
    [pytest.param({}, marks=SLOW, id="navier-stokes"), pytest.param({"family": "stokes"}, marks=SLOW, id="stokes")],
)
def test_flow_through_a_channel_is_exact(change: dict[str, Any]) -> None:
    """u = 4 y (1 - y), p = 0.3 + 8 ν (1 - x): the outlet's ν ∂u/∂n is 0 on it, as is inertia."""
    nu = 1.0 if change else 0.05
    problem = {key: value for key, value in CHANNEL.items() if key != "reynolds" or not change} | change
    exact = (flow, lambda x, y: 0.3 + 8 * nu * (1 - x))
    job = opened(problem)
    fields, _ = solved(job)
    places = job.discretisation.points.coordinates.values()
    np.testing.assert_allclose(fields[0], exact[0](*places), atol=1e-9)
    np.testing.assert_allclose(fields[1], 0.0, atol=1e-9)
    np.testing.assert_allclose(fields[2], exact[1](*places), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1.0, 4.0])
def test_order_of_waves_that_leave(k: float) -> None:
    """u = exp(6ix) between hard walls, κ = 6 √k, let in on the left by its flux -6ik."""
    problem = {
        "family": "helmholtz_absorbing", "wavenumber": 6.0 * k**0.5, "coefficient": k,
        "boundary": {"left": {"flux_imaginary": -6.0 * k}, "right": "absorbing", "default": "hard"},
    }  # fmt: skip
    exact = (lambda x, y: np.cos(6 * x), lambda x, y: np.sin(6 * x))
    coarse, fine = (errors(problem | {"resolution": [n, n]}, exact) for n in (8, 16))
    assert (np.log2(coarse / fine) >= 2.8).all(), (coarse, fine)


@pytest.mark.slow
def test_losses_and_complex_sources_of_waves() -> None:
    """u = (1 + 2i) cos(πx): f = (π² - κ² (1 + iδ)) u."""
    kappa, loss = 2.0, 0.3
    factor = (np.pi**2 - kappa**2 * (1 + 1j * loss)) * (1 + 2j)
    problem = {
        "family": "helmholtz_absorbing", "wavenumber": kappa, "loss": loss, "resolution": [12, 12],
        "source": formula(f"{factor.real}*cos(pi*x)"), "source_imaginary": formula(f"{factor.imag}*cos(pi*x)"),
        "boundary": {"default": "hard"},
    }  # fmt: skip
    assert errors(problem, (lambda x, y: np.cos(np.pi * x), lambda x, y: 2 * np.cos(np.pi * x))).max() < 1e-3


HELD = BODY | {"boundary": {"default": "clamped"}}
REFUSED = [
    (HELD | {"nu": 0.5}, "nu", "must be between -1 and 0.5, but reaches 0.5"),
    (HELD | {"E": {"uniform": [-1, 2]}}, "E", "must be positive"),
    (
        HELD | {"plane": "stress", "resolution": [2, 2, 2], "boundary": {"default": "clamped"}},
        "plane", "is for two dimensions",
    ),
    (HELD | {"body_force": [1.0]}, "body_force", "needs 2 entries"),
    (HELD | {"cellwise": ["k"]}, "cellwise.0", "there is no coefficient 'k'"),
    (HELD | {"form": "u*v*dx"}, "form", "unknown key"),
    (BODY, "boundary.right", "is missing: say clamped, free"),
    (HELD | {"boundary": {"default": "held"}}, "boundary.default", "should be one of clamped, free, {displacement"),
    (HELD | {"boundary": {"default": {"flux": 1}}}, "boundary.default.flux", "there are displacement, traction"),
    (HELD | {"boundary": {"default": {"traction": 1}}}, "boundary.default.traction", "needs a value per axis"),
    (HELD | {"boundary": {"default": {"traction": [1]}}}, "boundary.default.traction", "needs 2 entries"),
    (HELD | {"boundary": {"default": {"displacement": [0]}}}, "boundary.default.displacement", "needs 2 entries"),
    (
        HELD | {"boundary": {"default": {"displacement": [0, None], "traction": [1, 0]}}},
        "boundary.default.traction.0", "does nothing where displacement is given",
    ),
    (CHANNEL | {"viscosity": 1.0}, "viscosity", "give either viscosity or reynolds"),
    (
        CHANNEL | {"boundary": {"default": {"velocity": [0, 0], "pressure": 1.0}}},
        "boundary.default.pressure", "does nothing where velocity is given",
    ),
    (HELD | {"family": "hyperelasticity", "law": "mooney_rivlin"}, "E", "means nothing: mooney_rivlin has c1, c2"),
    (HELD | {"family": "hyperelasticity", "nu": None}, "nu", "is missing: neo_hookean has E, nu"),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "path", "why"), REFUSED, ids=[f"{path}: {why[:20]}" for _, path, why in REFUSED])
def test_what_does_not_fit_is_refused_by_the_keys_of_the_family(problem: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate({"problem": problem, "samples": 1})
    assert [".".join(map(str, fault.path)) for fault in caught.value.faults] == [f"problem.{path}"]
    assert why in str(caught.value)


def test_specs_are_read_again_as_they_are_written() -> None:
    side = {"displacement": [{"uniform": [0, 1]}, None], "traction": [0, formula("x")]}
    boundary = {"left": "clamped", "right": side, "default": "free"}
    for problem in (BODY | {"boundary": boundary, "body_force": [0, {"uniform": [1, 2]}]}, CHANNEL):
        spec = validate({"problem": problem, "samples": 1})
        again = validate(spec.model_dump(mode="json"))
        assert again.canonical() == spec.canonical()
        assert again.problem.conditions == spec.problem.conditions


@pytest.mark.slow
def test_ratios_that_are_drawn_too_large_are_samples_that_fail() -> None:
    job = opened(HELD | {"nu": formula("0.2 + x"), "boundary": {"left": "clamped", "default": "free"}})
    with pytest.raises(InvalidSample, match=r"nu must be between -1 and 0\.5, but reaches"):
        job.discretisation.equation(job.instance("train", 0))


@pytest.mark.slow
def test_enclosed_flows_have_a_pressure_of_mean_0_and_must_be_in_balance() -> None:
    walls = {"left": {"velocity": PARABOLA}, "right": {"velocity": PARABOLA}, "default": "no_slip"}
    problem = CHANNEL | {"family": "stokes", "boundary": walls, "resolution": [2, 2], "outputs": {"p": "pressure*dx"}}
    del problem["reynolds"]
    job = opened(problem)
    instance = job.instance("train", 0)
    fields, _ = solved(job)
    mean, sizes = job.discretisation.outputs(job.discretisation.from_fields(fields), instance)
    assert abs(mean[0]) < 1e-9 * sizes[0]
    leaking = opened(problem | {"boundary": walls | {"right": "no_slip"}})
    with pytest.raises(InvalidSample, match="loads on pressure are not in balance"):
        leaking.discretisation.equation(leaking.instance("train", 0))
