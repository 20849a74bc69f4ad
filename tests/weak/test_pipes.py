"""Pipes whose centre line is drawn for every sample."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from pdemill.errors import SpecError
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.weak.elements import WeakElements
from pdemill.spec import validate
from tests.weak.problems import POISSON, errors, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx")
WAVY: dict[str, Any] = {
    "shape": "pipe", "length": 4, "width": 0.5,
    "heights": [0, {"uniform": [-0.5, 0.5]}, {"uniform": [-0.5, 0.5]}], "slopes": [0.1, {"uniform": [-0.2, 0.2]}, 0],
}  # fmt: skip


def on(domain: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return POISSON | {"domain": domain, "resolution": [8, 2], **keys}


def test_flow_between_inclined_walls() -> None:
    """u = U(y - x/2) (1, 1/2), U = 1 - 4 s², p = -10 ν (x + y/2) + a constant: in the elements, so that it is exact."""
    profile, line = "(1 - 4*(y - x/2)**2)", {"shape": "pipe", "length": 2, "width": 1}
    problem = {
        "family": "navier_stokes_steady", "viscosity": 0.1, "resolution": [4, 2],
        "domain": line | {"heights": [0, 1], "slopes": [0.5, 0.5]},
        "boundary": {
            "left": {"velocity": [formula(profile), formula(f"{profile}/2")]},
            "right": {"velocity": [formula(profile), formula(f"{profile}/2")]}, "default": "no_slip",
        },
    }  # fmt: skip
    exact = (
        lambda x, y: 1 - 4 * (y - x / 2) ** 2,
        lambda x, y: (1 - 4 * (y - x / 2) ** 2) / 2,
        lambda x, y: -(x + y / 2 - 1.25),
    )
    assert errors(problem, exact).max() < 1e-7


def test_centre_lines_are_hermite_cubics() -> None:
    """In every sample walls are where they are drawn, in the refined mesh too, and the area is length times width."""
    job = opened(on(WAVY, outputs={"area": "1*dx"}), samples=4)
    meshes = []
    for sample in (1, 2):
        instance = job.instance("train", sample)
        drawn = instance.parameters()
        heights = [0.0, drawn["domain.heights.1"], drawn["domain.heights.2"]]
        line = CubicHermiteSpline([0.0, 2.0, 4.0], heights, [0.1, drawn["domain.slopes.1"], 0.0])
        for whole in (job.discretisation, job.refined):
            grid = whole.of(instance)
            assert isinstance(grid, WeakElements)
            for side, half in (("bottom", -0.25), ("top", 0.25)):
                places = grid.side_points[side].coordinates
                np.testing.assert_allclose(places["y"], line(places["x"]) + half, atol=1e-12)
            meshes.append(grid.mesh)
        fields, _ = solved(job, sample)
        (area,), _ = job.discretisation.outputs(job.discretisation.from_fields(fields), instance)
        assert area == pytest.approx(2.0, rel=1e-12)
    assert meshes[0].cells is meshes[2].cells


def test_as_much_leaves_as_enters() -> None:
    problem = {
        "family": "stokes", "resolution": [8, 2], "domain": WAVY,
        "boundary": {"left": {"velocity": [formula("1 - 16*y**2"), 0]}, "right": "outlet", "default": "no_slip"},
        "outputs": {"out": "velocity[0]*ds('right')"},
    }  # fmt: skip
    job = opened(problem, samples=2)
    fields, _ = solved(job, 1)
    (out,), _ = job.discretisation.outputs(job.discretisation.from_fields(fields), job.instance("train", 1))
    assert out == pytest.approx(1 / 3, rel=1e-10)


def test_a_pipe_of_numbers_is_one_mesh() -> None:
    job = opened(on({"shape": "pipe", "length": 3, "width": 1, "heights": [0, 1]}, resolution={"h": 0.5}))
    assert job.discretisation.of(job.instance("train", 0)) is job.discretisation
    assert job.discretisation.own_layout() == {}
    y = job.discretisation.side_points["right"].coordinates["y"]
    assert (y.min(), y.max()) == (0.5, 1.5)


def test_pipes_beyond_the_box_of_fields_are_failures() -> None:
    far = {"shape": "pipe", "length": 1, "width": 0.5, "heights": [0, {"normal": [0, 1]}]}
    job = opened(on(far, coefficients={"k": {"field": "lognormal", "std": 0.1}},
                    form="k*inner(grad(u), grad(v))*dx - v*dx"), samples=20)  # fmt: skip
    told = []
    for sample in range(20):
        try:
            job.discretisation.of(job.instance("train", sample))
        except InvalidSample as fault:
            told.append(str(fault))
    assert 0 < len(told) < 20
    assert all("beyond the box in which fields are drawn" in text or "too thin" in text for text in told)


BAD = [
    ({"slopes": [0, 1]}, {}, "problem.domain.slopes: has 2 entries, but there are 3 heights"),
    ({"heights": [0]}, {}, "problem.domain.heights: "),
    ({"heights": [0, 1e60, 0]}, {}, "problem.domain.heights: make a pipe that is too large"),
    ({"heights": [0, {"uniform": [-1e300, 1e300]}, 0]}, {}, "problem.domain.heights: make a pipe that is too large"),
    ({"width": 0}, {}, "problem.domain.width: "),
    ({}, {"resolution": [4, 4, 4]}, "problem.resolution: needs two entries"),
    ({}, {"resolution": {"h": 2}}, "problem.resolution.h: is larger than the domain"),
    ({}, {"boundary": {"left": "periodic", "right": "periodic", "default": "natural"}}, "problem.boundary.left: "),
    ({}, {"boundary": {"wall": "natural", "default": "natural"}}, "problem.boundary.wall: no such side"),
]


@pytest.mark.parametrize(("domain", "keys", "told"), BAD)
def test_what_is_wrong_is_refused(domain: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=re.escape(told)):
        validate({"problem": on(WAVY | domain) | keys, "samples": 1})
