"""Equations as text against the families that are built in, which are other code, and against exact solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.points import Array
from pdemill.solvers.spectral import written
from tests.evolving import formula
from tests.spectral.test_trajectories import arrays

LINE: dict[str, Any] = {"resolution": [64], "domain": {"lengths": [22.0]}}
SINES = {"field": "sines", "terms": 5, "waves": [1, 3]}
WAVES = {"field": "fourier", "waves": 3, "scale": 0.3}
ROUNDED = 1e-10
"""Largest relative difference after some 100 steps: products are other products, and sums have another order, so that
bits are others too."""

SAME: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "kuramoto_sivashinsky": (
        {**LINE, "initial": SINES, "time": {"end": 4.0, "intervals": 2}},
        {"hyperviscosity": 0.9},
        {"equations": "u_t = -0.5*d(u**2, x) - d(u, x, 2) - nu*d(u, x, 4)", "where": {"nu": 0.9}},
    ),
    "burgers": (
        {**LINE, "initial": SINES, "time": {"end": 1.0, "intervals": 1}, "source": {"field": "sines", "waves": [1, 2]}},
        {"viscosity": 0.5},
        {"equations": "u_t = -u*d(u, x) + 0.5*lap(u)"},
    ),
    "korteweg_de_vries": (
        {**LINE, "initial": SINES, "time": {"end": 2.0, "intervals": 1}},
        {"dispersion": 0.7},
        {"equations": "u_t = -d(u**2/2 + q*d(u, x, 2), x)", "where": {"q": 0.7}},
    ),
    "general_linear": (
        {"resolution": [16, 12], "domain": {"lengths": [2.0, 1.0]}, "initial": WAVES, "time": {"times": [1.0]}},
        {"velocity": [0.3, -0.2], "diffusion": 0.01, "dispersion": 0.002, "hyperdiffusion": 1e-4, "reaction": 0.1},
        {
            "equations": "u_t = -0.3*d(u, x) + 0.2*d(u, y) + 0.01*lap(u) - p*(d(u, x, 3) + d(u, y, 3))"
            " - 1e-4*lap(lap(u)) - 0.1*u",
            "where": {"p": 0.002},
        },
    ),
    "reaction_diffusion": (
        {"resolution": [32, 24], "domain": {"lengths": [2.0, 1.0]}, "initial": WAVES, "time": {"times": [0.2]}},
        {"coefficient": 0.05, "reaction": {"law": "allen_cahn", "where": {"a": 0.8}}},
        {"equations": "u_t = 0.05*lap(u) - a*(u**3 - u)", "where": {"a": 0.8}},
    ),
    "reaction_diffusion of two": (
        {
            "resolution": [48],
            "initial": [formula("1 - 0.5*exp(cos(2*pi*x) - 1)"), formula("0.3*exp(cos(2*pi*(x - 0.1)) - 1)")],
            "time": {"times": [0.5]},
            "source": [0.0, WAVES],
        },
        {"coefficient": [2e-3, 1e-3], "reaction": {"law": "gray_scott", "where": {"F": 0.03, "K": 0.06}}},
        {
            "equations": [
                "u_t = 2e-3*d(u, x, 2) - u*v**2 + F*(1 - u)",
                "v_t = 1e-3*d(v, x, 2) + u*v**2 - (F + 0.06)*v",
            ],
            "where": {"F": 0.03},
        },
    ),
}


def solved(problem: dict[str, Any], out: Path, samples: int = 2) -> dict[str, Array]:
    """By steps of 1/50; of laws, whose linear part is another's in a text, by such that errors in time are rounding."""
    step = 0.0025 if problem["initial"] != SINES else 0.02
    spec = {"problem": problem, "samples": samples, "certify": {"refine": 0}, "store": {"dtype": "float64"}}
    pdemill.generate(spec | {"solver": {"method": "etdrk4", "step": step}}, out, workers=0)
    return arrays(out)


@pytest.mark.parametrize("name", SAME)
def test_built_in_families_are_remade_from_text(name: str, tmp_path: Path) -> None:
    problem, own, text = SAME[name]
    one = solved({"family": name.split()[0], **problem, **own}, tmp_path / "one.zarr")["solution"]
    other = solved({"family": "spectral", **problem, **text}, tmp_path / "other.zarr")["solution"]
    assert np.isfinite(one).all()
    assert np.abs(other - one).max() <= ROUNDED * np.abs(one).max()


@pytest.mark.slow
def test_drawn_numbers_are_parameters_and_are_those_of_the_equation(tmp_path: Path) -> None:
    problem, _, text = SAME["kuramoto_sivashinsky"]
    where = {"nu": {"uniform": [0.8, 1.2]}}
    drawn = solved({"family": "spectral", **problem, **text, "where": where}, tmp_path / "drawn.zarr", samples=3)
    root: Any = zarr.open_group(tmp_path / "drawn.zarr", mode="r")
    assert root.attrs["parameters"] == ["equations.nu"]
    for number, (nu,) in enumerate(drawn["params"]):
        assert 0.8 < nu < 1.2
        alone = {"family": "kuramoto_sivashinsky", **problem, "hyperviscosity": float(nu)}
        found = solved(alone, tmp_path / f"{number}.zarr", samples=number + 1)["solution"][number]
        assert np.abs(found - drawn["solution"][number]).max() <= ROUNDED * np.abs(found).max()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("u_t = -u*d(u, x) + 0.5*lap(u)", "u_t = -d(u**2, x)/2 + d(d(u, x), x)/2"),
        ("u_t = 0.5*lap(u) + d(u**3, x, 2)/9", "u_t = 0.5*lap(u) + u**2*lap(u)/3 + 2*u*d(u, x)**2/3"),
        ("u_t = lap(u) - 0.1*(u + d(u, x))**2", "u_t = lap(u) - (u**2 + d(u**2, x) + d(u, x)**2)/10"),
        ("u_t = 0.5*lap(u) + d(u*d(u*d(u, x), x), x)/9", "u_t = 0.5*lap(u) + d(u*d(u**2, x, 2), x)/18"),
    ],
)
def test_one_equation_in_two_ways_has_one_solution(one: str, other: str, tmp_path: Path) -> None:
    """As far as the grid resolves it: what is dropped of one is not what is dropped of the other."""
    problem = {**LINE, "family": "spectral", "initial": SINES, "time": {"times": [1.0]}}
    a, b = (
        solved({**problem, "equations": text}, tmp_path / f"{i}.zarr")["solution"]
        for i, text in enumerate((one, other))
    )
    assert np.abs(a - b).max() < 1e-8 * np.abs(a).max()


def test_compiled_products_and_values_at_points_are_one_tendency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two unknowns, which carry each other (Burgers in two dimensions), with a number that is drawn."""
    problem = {
        "family": "spectral", "resolution": [24, 16], "domain": {"lengths": [2.0, 1.0]},
        "where": {"a": {"uniform": [0.1, 0.2]}}, "equations": [
            "u_t = -a*u*d(u, x) - v*d(u, y) + 0.1*lap(u)", "v_t = -a*u*d(v, x) - d(v**2, y)/2 - d(u*v, y) + 0.1*lap(v)",
        ],
        "initial": [{**WAVES, "waves": 1}] * 2, "time": {"times": [0.1]},
    }  # fmt: skip
    one = solved(problem, tmp_path / "one.zarr")["solution"]
    assert np.isfinite(one).all()
    monkeypatch.setattr(written, "is_pointwise", lambda equations: True)
    other = solved(problem, tmp_path / "other.zarr")["solution"]
    assert 0.0 < np.abs(one - other).max() < 1e-12 * np.abs(one).max()


def test_coupled_waves_in_three_dimensions_are_exact_in_space(tmp_path: Path) -> None:
    """u_tt = lap u as two equations: standing waves, by a scheme of fourth order whose couplings are explicit."""
    wave = "cos(2*pi*x)*cos(2*pi*y)*cos(4*pi*z)"
    problem = {
        "family": "spectral", "resolution": [12, 12, 16], "equations": ["u_t = v", "v_t = c**2*lap(u)"],
        "where": {"c": 0.1}, "initial": [formula(wave), 0.0], "time": {"times": [1.0]},
    }  # fmt: skip
    errors = []
    for steps in (10, 20):
        spec = {
            "problem": problem,
            "samples": 1,
            "solver": {"method": "etdrk4", "step": 1.0 / steps, "time_rtol": 0.01},
        }
        pdemill.generate(spec | {"store": {"dtype": "float64"}}, tmp_path / f"{steps}.zarr", workers=0)
        found = arrays(tmp_path / f"{steps}.zarr")["solution"][0, :, 0]
        x, y, z = np.meshgrid(np.arange(12) / 12, np.arange(12) / 12, np.arange(16) / 16, indexing="ij")
        mode = np.cos(2 * np.pi * x) * np.cos(2 * np.pi * y) * np.cos(4 * np.pi * z)
        turn = 0.1 * 2 * np.pi * np.sqrt(6.0)
        exact = np.stack([np.cos(turn) * mode, -turn * np.sin(turn) * mode])
        errors.append(np.abs(found - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.2)
    assert errors[1] < 1e-6
