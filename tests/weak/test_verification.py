"""Weak forms against problems that everybody solves."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

import numpy as np
import pytest

from benchmarks.shared.cavity import EXTREMES, cavity, centre_lines, from_tables
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from tests.weak.problems import formula, opened, solved

pytestmark = [pytest.mark.needs("ffcx", "netgen"), pytest.mark.slow]


def at(job: FieldJob, fields: Array, *place: float) -> Array:
    """The channels at a node."""
    points = np.stack(list(job.discretisation.points.coordinates.values()), axis=1)
    distance = np.linalg.norm(points - np.array(place), axis=1)
    assert distance.min() < 1e-9
    return np.asarray(fields[:, distance.argmin()])


def test_cooks_membrane() -> None:
    """Cook 1974, "Improved two-dimensional finite element", J. Struct. Div. 100: the middle of the right edge of a skew
    panel of E = 1, ν = 1/3 in plane stress, sheared by a force of 1, is lifted by 23.96."""
    outline = [[0, 0], [48, 44], [48, 52], [48, 60], [0, 44]]
    problem = {
        "family": "elasticity", "resolution": {"h": 3.0}, "E": 1.0, "nu": 1 / 3, "plane": "stress",
        "domain": {"outline": outline, "sides": ["bottom", "right", "right", "top", "left"]},
        "boundary": {"left": "clamped", "right": {"traction": [0, 1 / 16]}, "default": "free"},
        "outputs": {"shear": {"reaction": "left", "of": "displacement_y"}},
    }  # fmt: skip
    job = opened(problem)
    fields, label = solved(job)
    assert abs(at(job, fields, 48.0, 52.0)[1] / 23.96 - 1.0) < 2e-3
    assert label.unknowns is not None
    held, _ = job.discretisation.outputs(label.unknowns, job.instance("train", 0))
    np.testing.assert_allclose(held, -1.0)


def test_flow_around_a_cylinder() -> None:
    """Case 2D-1 of Schäfer and Turek 1996, doi:10.1007/978-3-322-89849-4_39, at Re = 20: drag, lift and the pressure in
    front less that behind; the digits are those of FEATFLOW."""
    count, height = 96, 0.41
    rim = [[0.2 + 0.05 * cos(2 * pi * i / count), 0.2 + 0.05 * sin(2 * pi * i / count)] for i in range(count)]
    domain: dict[str, Any] = {
        "outline": [[0, 0], [2.2, 0], [2.2, height], [0, height]], "sides": ["wall", "right", "wall", "left"],
        "holes": [rim],
    }  # fmt: skip
    inflow = {"velocity": [formula(f"1.2*y*({height}-y)/{height}**2"), 0]}
    problem = {
        "family": "navier_stokes_steady", "viscosity": 1e-3, "resolution": {"h": 0.015}, "domain": domain,
        "boundary": {"left": inflow, "right": "outlet", "default": "no_slip"},
        "outputs": {
            name: {"reaction": "hole0", "of": f"velocity_{axis}", "scale": -500.0}
            for name, axis in (("drag", "x"), ("lift", "y"))
        },
    }  # fmt: skip
    job = opened(problem)
    fields, label = solved(job)
    assert label.unknowns is not None
    found, _ = job.discretisation.outputs(label.unknowns, job.instance("train", 0))
    np.testing.assert_allclose(found, [5.57953523384, 0.010618948146], rtol=1e-2)
    difference = at(job, fields, 0.15, 0.2)[2] - at(job, fields, 0.25, 0.2)[2]
    assert abs(difference / 0.11752016697 - 1.0) < 1e-2


def test_flow_in_a_cavity() -> None:
    """Ghia, Ghia and Shin 1982 at Re = 100, whose tables are off by 0.01, and Botella and Peyret 1998."""
    job = opened(cavity(100, 64))
    fields, _ = solved(job)
    points = np.stack(list(job.discretisation.points.coordinates.values()), axis=1)
    assert max(from_tables(100, points, fields[:2])) < 1e-2
    u, v = centre_lines(points, fields[:2])
    np.testing.assert_allclose((u.min(), v.max(), v.min()), EXTREMES[100], rtol=2e-4)
