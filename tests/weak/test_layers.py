"""Perfectly matched layers of time-harmonic waves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import hankel1

from pdemill.errors import SpecError
from pdemill.spec import validate
from tests.weak.problems import formula, opened, solved

pytestmark = pytest.mark.needs("ffcx")
SOURCE: dict[str, Any] = {
    "family": "helmholtz_absorbing", "resolution": [32, 32], "domain": {"lengths": [2, 2]}, "wavenumber": 12,
    "source": formula("exp(-((x - 0.9)**2 + (y - 1.1)**2)/(2*0.08**2))"),
    "boundary": {"default": "pml"}, "layer": 0.5,
}  # fmt: skip


def error_of_a_source(problem: dict[str, Any]) -> float:
    """That in free space, u = i/4 H0(κr) ∫ f(s) J0(κs) 2πs ds outside of the source, in the middle of the box."""
    fields, _ = solved(job := opened(problem))
    x, y = job.discretisation.points.coordinates.values()
    distance = np.hypot(x - 0.9, y - 1.1)
    there = (distance > 0.35) & (np.abs(x - 1) < 0.5) & (np.abs(y - 1) < 0.5)
    strength = 2 * np.pi * 0.08**2 * np.exp(-((12 * 0.08) ** 2) / 2)
    exact = 0.25j * hankel1(0, 12 * distance[there]) * strength
    return float(np.linalg.norm((fields[0] + 1j * fields[1])[there] - exact) / np.linalg.norm(exact))


def test_less_comes_back_from_layers_than_from_absorbing_sides() -> None:
    """2.3 % from sides of first order, on any mesh; from layers what the mesh leaves, 0.1 % with 40 cells."""
    plain = {key: value for key, value in SOURCE.items() if key != "layer"} | {"boundary": {"default": "absorbing"}}
    assert error_of_a_source(plain) > 0.02
    assert error_of_a_source(SOURCE) < 0.004


def test_waves_of_any_speed_die_out_in_layers() -> None:
    """k = 100 and ten times the wave number make the same wave of a hundred times the source."""
    source = formula("100*" + SOURCE["source"]["formula"])
    assert error_of_a_source({**SOURCE, "coefficient": 100, "wavenumber": 120, "source": source}) < 0.004


@pytest.mark.parametrize("axes", [2, 3])
def test_a_wave_that_goes_into_a_layer(axes: int) -> None:
    """u = exp(iκz) from the side where it is given, in a duct whose other walls are hard."""
    sides, thin = ("left", "top") if axes == 2 else ("left", "front"), [0.2] * (axes - 1)
    problem = {
        "family": "helmholtz_absorbing", "resolution": [1] * (axes - 1) + [32], "domain": {"lengths": [*thin, 2]},
        "wavenumber": 6, "layer": 0.8,
        "boundary": {
            sides[1]: "pml", ("bottom" if axes == 2 else "back"): {"u_real": 1, "u_imaginary": 0}, "default": "hard"
        },
    }  # fmt: skip
    fields, _ = solved(job := opened(problem))
    along = list(job.discretisation.points.coordinates.values())[-1]
    there = along < 1.2
    assert np.abs(fields[0] + 1j * fields[1] - np.exp(6j * along))[there].max() < 0.01
    assert np.abs(fields[:, along > 1.95]).max() < 0.01


BAD = [
    ({"layer": None}, r"layer: is the width of layers"),
    ({"boundary": {"default": "absorbing"}}, r"layer: is the width of layers"),
    ({"layer": 1.0}, r"layer: leaves nothing of the length 2"),
    ({"domain": {"shape": "disk"}, "resolution": {"h": 0.2}}, r"boundary\.boundary: cannot be pml"),
    ({"domain": {"without": [{"shape": "disk", "radius": 0.2}]}, "resolution": {"h": 0.2}, "layer": 0.1},
     r"boundary\.hole0: cannot be pml"),
    ({"source": 0.0}, r"source: is 0"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), BAD)
def test_layers_that_cannot_be_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=rf"problem\.{told}"):
        validate({"problem": SOURCE | change, "samples": 1})
