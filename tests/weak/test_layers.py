"""Perfectly matched layers of time-harmonic waves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import hankel1

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.instance import InvalidSample
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


@pytest.mark.slow
def test_absorbing_sides_beside_a_layer() -> None:
    """Where the layer begins does not matter; it did, by 2 %, when absorbing sides were not stretched in it."""
    near, far = (wave_before_a_layer(length) for length in (1.5, 3.0))
    assert np.abs(near - far).max() < 1e-4 * np.abs(far).max()


def wave_before_a_layer(length: float) -> Array:
    """u in x < 1, of a box with a layer at its right end."""
    fields, _ = solved(job := opened(SOURCE | {
        "resolution": [round(24 * length), 24], "domain": {"lengths": [length, 1]},
        "source": formula("exp(-((x - 0.6)**2 + (y - 0.5)**2)/(2*0.05**2))"),
        "boundary": {"right": "pml", "default": "absorbing"},
    }))  # fmt: skip
    x, y = (axis.round(6) for axis in job.discretisation.points.coordinates.values())
    order = np.lexsort((y, x))
    return np.asarray((fields[0] + 1j * fields[1])[order[x[order] < 1]])


OUT_OF_PLACE: list[tuple[dict[str, Any], str]] = [
    ({"source": formula("exp(-((x - 0.6)**2 + (y - 1.1)**2)/(2*0.08**2))")}, "source is not 0.* side left"),
    ({"source": formula("exp(-((x - 0.9)**2 + (y - 1.4)**2)/(2*0.08**2))")}, "source is not 0.* side top"),
    ({"boundary": {"right": "pml", "bottom": {"flux_real": formula("x**2")}, "default": "hard"}},
     "bottom_flux_real is not 0"),
    ({"boundary": {"right": "pml", "bottom": {"u_real": formula("x"), "u_imaginary": 0}, "default": "hard"}},
     "bottom_u_real is not 0"),
    ({"element": "P1", "wavenumber": formula("12 + x")}, "wavenumber varies between 12 and 12.5 in"),
    ({"element": "P1", "wavenumber": formula("12 + x"), "cellwise": ["wavenumber"]}, "wavenumber varies"),
    ({"element": "P1", "resolution": {"h": 0.2},
      "coefficient": {"field": "regions", "values": {"default": 1.0, "inclusions": 2.0}},
      "domain": {"lengths": [2, 2], "inclusions": [{"shape": "disk", "centre": [0.6, 1], "radius": 0.3}]}},
     "coefficient varies between 1 and 2 in the layer of the side left"),
    ({"boundary": {"default": "pml", "hole0": "hard"}, "resolution": {"h": 0.2}, "layer": 0.3,
      "domain": {"lengths": [2, 2], "without": [{"shape": "disk", "centre": [1, 1.6], "radius": 0.3}]}},
     "hole0 reaches into what lies in the layer of the side top"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"), [*OUT_OF_PLACE[:2], *(pytest.param(*case, marks=pytest.mark.slow) for case in OUT_OF_PLACE[2:])]
)
def test_samples_with_something_in_a_layer_are_refused(change: dict[str, Any], told: str) -> None:
    job = opened(SOURCE | change)
    with pytest.raises(InvalidSample, match=told):
        job.discretisation.equation(job.instance("train", 0))


@pytest.mark.slow
def test_a_medium_that_varies_outside_of_layers_is_possible() -> None:
    calm = "12 + max(0.3 - abs(x - 1), 0)*max(0.3 - abs(y - 1), 0)"
    fields, _ = solved(opened(SOURCE | {"element": "P1", "resolution": [16, 16], "wavenumber": formula(calm)}))
    assert np.isfinite(fields).all()


BAD = [
    ({"layer": None}, r"layer: is the width of layers"),
    ({"boundary": {"default": "absorbing"}}, r"layer: is the width of layers"),
    ({"layer": 1.0}, r"layer: leaves nothing of the length 2"),
    ({"domain": {"shape": "disk"}, "resolution": {"h": 0.2}}, r"boundary\.boundary: cannot be pml"),
    ({"domain": {"without": [{"shape": "disk", "radius": 0.2}]}, "resolution": {"h": 0.2}, "layer": 0.1},
     r"boundary\.hole0: cannot be pml"),
    ({"source": 0.0}, r"source: is 0"),
    ({"source": 1.0}, r"source: is nowhere 0"),
    ({"source_imaginary": {"uniform": [1, 2]}}, r"source_imaginary: is nowhere 0"),
    ({"boundary": {"left": {"flux_real": 1}, "default": "pml"}}, r"boundary\.left\.flux_real: is nowhere 0"),
    ({"boundary": {"left": {"u_real": 1, "u_imaginary": 0}, "default": "pml"}}, r"boundary\.left\.u_real: is nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), BAD)
def test_layers_that_cannot_be_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=rf"problem\.{told}"):
        validate({"problem": SOURCE | change, "samples": 1})
