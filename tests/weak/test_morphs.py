"""Shapes that are drawn for every sample, on meshes that a smooth map makes of one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.job import open_job
from pdemill.solvers.weak.elements import WeakElements
from pdemill.solvers.weak.morph import fading
from pdemill.spec import validate
from tests.weak.problems import POISSON, errors, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx", "netgen")
HOLE = {"shape": "disk", "radius": {"uniform": [0.2, 0.3]}}
STAR = {
    "shape": "star", "radius": {"uniform": [0.8, 1.2]},
    "harmonics": [{"order": 4, "cosine": {"uniform": [-0.2, 0.2]}}, {"order": 8, "cosine": {"uniform": [-0.1, 0.1]}}],
}  # fmt: skip
BOX: dict[str, Any] = {"lengths": [1, 1], "without": [HOLE]}


def on(domain: dict[str, Any], h: float = 0.2, **keys: Any) -> dict[str, Any]:
    return POISSON | {"domain": domain, "resolution": {"h": h}, **keys}


def drawn(problem: dict[str, Any], sample: int = 0, **keys: Any) -> tuple[WeakElements, Array, dict[str, float]]:
    """The mesh of a sample, its solution there, and its measures."""
    job = opened(problem, samples=8, **keys)
    fields, _ = solved(job, sample)
    instance = job.instance("train", sample)
    grid = job.discretisation.of(instance)
    assert isinstance(grid, WeakElements)
    return grid, fields, instance.parameters()


@pytest.mark.parametrize("element", ["P1", "P2"])
def test_order_on_drawn_disks(element: str) -> None:
    """u = (R² - x² - y²) / 4; edges that are straight leave order 2."""
    found = []
    for h in (0.3, 0.15):
        domain = {"shape": "disk", "radius": {"uniform": [0.5, 2.0]}}
        grid, fields, measures = drawn(on(domain, h, unknowns={"u": element}), 1)
        x, y = grid.points.coordinates.values()
        exact = (measures["domain.radius"] ** 2 - x**2 - y**2) / 4
        found.append(np.linalg.norm(fields[0] - exact) / np.linalg.norm(exact))
    assert np.log2(found[0] / found[1]) > 1.8
    assert found[1] < 0.03


def test_order_about_a_hole_that_moves() -> None:
    """u = ln |x - c|: given on the box, and on the rim of a hole of its own in every sample."""
    hole = {
        "shape": "disk",
        "radius": {"uniform": [0.1, 0.2]},
        "centre": [{"uniform": [0.4, 0.6]}, {"uniform": [0.4, 0.6]}],
    }
    found = []
    for h in (0.1, 0.05):
        job = opened(on({"without": [hole]}, h), samples=8)
        instance = job.instance("train", 3)
        numbers = instance.parameters()
        a, b, r = (numbers[f"domain.without.0.{name}"] for name in ("centre.0", "centre.1", "radius"))
        log = formula(f"log((x - {a})**2 + (y - {b})**2)/2")
        problem = on({"without": [hole]}, h, form="inner(grad(u), grad(v))*dx", boundary={
            "default": {"u": {"dirichlet": log}}, "hole0": {"u": {"dirichlet": float(np.log(r))}},
        })  # fmt: skip
        grid, fields, _ = drawn(problem, 3)
        x, y = grid.points.coordinates.values()
        rim = grid.side_points["hole0"].coordinates
        np.testing.assert_allclose(np.hypot(rim["x"] - a, rim["y"] - b), r, rtol=1e-12)
        exact = np.log(np.hypot(x - a, y - b))
        found.append(np.linalg.norm(fields[0] - exact) / np.linalg.norm(exact))
    assert np.log2(found[0] / found[1]) > 1.7


def test_rims_of_stars_are_where_they_are_drawn() -> None:
    grid, _, numbers = drawn(on(STAR), 2)
    rim = grid.side_points["boundary"].coordinates
    angle = np.arctan2(rim["y"], rim["x"])
    a, b = (numbers[f"domain.harmonics.{number}.cosine"] for number in range(2))
    radius = numbers["domain.radius"] * (1 + a * np.cos(4 * angle) + b * np.cos(8 * angle))
    np.testing.assert_allclose(np.hypot(rim["x"], rim["y"]), radius, rtol=1e-12)


def test_radii_of_bounded_stars_are_what_they_say() -> None:
    hole = {
        "shape": "bounded_star", "least": 0.2, "most": 0.4, "level": {"normal": [0, 1]},
        "harmonics": [{"order": 3, "sine": {"normal": [0, 0.5]}}],
    }  # fmt: skip
    grid, _, numbers = drawn(on({"without": [hole]}, 0.1), 3)
    rim = grid.side_points["hole0"].coordinates
    angle = np.arctan2(rim["y"] - 0.5, rim["x"] - 0.5)
    level, sine = numbers["domain.without.0.level"], numbers["domain.without.0.harmonics.0.sine"]
    radius = 0.2 + 0.2 / (1 + np.exp(level + sine * np.sin(3 * angle)))
    np.testing.assert_allclose(np.hypot(rim["x"] - 0.5, rim["y"] - 0.5), radius, rtol=1e-12)
    with pytest.raises(SpecError, match="should be above least"):
        validate({"problem": on({"without": [hole | {"most": 0.1}]}), "samples": 1})


def test_coordinates_are_inputs_where_nothing_else_is_drawn() -> None:
    job = opened(on(BOX), samples=2)
    assert job.channels == ("x", "y")
    instance = job.instance("train", 1)
    places = job.discretisation.of(instance).points.coordinates
    np.testing.assert_array_equal(job.inputs(instance, 0.0), np.stack([places["x"], places["y"]]))


def test_outputs_are_those_of_the_mesh_of_a_sample() -> None:
    """The integral of (R² - r²) / 4 over a disk is π R⁴ / 8."""
    job = opened(on({"shape": "disk", "radius": {"uniform": [0.5, 2]}}, outputs={"total": "u*dx"}), samples=2)
    for number in range(2):
        instance = job.instance("train", number)
        fields, _ = solved(job, number)
        (total,), _ = job.discretisation.outputs(job.discretisation.from_fields(fields), instance)
        assert total == pytest.approx(np.pi * instance.parameters()["domain.radius"] ** 4 / 8, rel=0.03)


def test_patterns_and_numbers_are_those_of_all_samples() -> None:
    job = opened(on(BOX), samples=4)
    one, two = (job.discretisation.of(job.instance("train", i)) for i in range(2))
    assert isinstance(one, WeakElements)
    assert isinstance(two, WeakElements)
    assert one.pattern is two.pattern is job.discretisation.pattern
    assert one.mesh.cells is two.mesh.cells
    assert not np.array_equal(one.mesh.points, two.mesh.points)
    assert one.mesh.volumes.sum() != two.mesh.volumes.sum()


def test_elements_hold_linear_functions_on_every_mesh() -> None:
    problem = on(BOX, boundary={"default": {"u": {"dirichlet": formula("1 + 2*x - 3*y")}}},
                 form="inner(grad(u), grad(v))*dx", unknowns={"u": "P2"})  # fmt: skip
    grid, fields, _ = drawn(problem, 1)
    x, y = grid.points.coordinates.values()
    np.testing.assert_allclose(fields[0], 1 + 2 * x - 3 * y, atol=1e-12)


@pytest.mark.parametrize("element", ["P1", "P2"])
def test_values_of_the_refined_mesh_come_back_exactly(element: str) -> None:
    """Also in the middles of edges on a rim, where the refined mesh has no node."""
    job = opened(on(BOX, unknowns={"u": element}), samples=4)
    instance = job.instance("train", 1)
    coarse, fine = job.discretisation.of(instance), job.refined.of(instance)
    x, y = fine.points.coordinates.values()
    values = 1 + x + 2 * y + (x * y - y**2 if element == "P2" else 0)
    there = coarse.restrict(np.asarray(values))
    x, y = coarse.points.coordinates.values()
    np.testing.assert_allclose(there, 1 + x + 2 * y + (x * y - y**2 if element == "P2" else 0), atol=1e-12)


def test_error_estimates_are_true(tmp_path: Path) -> None:
    """Of u = (R² - x² - y²) / 4 on disks: within a factor of 1.5."""
    spec = {"problem": on({"shape": "disk", "radius": {"uniform": [0.5, 2]}}), "samples": 4, "certify": {"refine": 1.0}}
    pdemill.generate(spec, out=tmp_path / "s.zarr", workers=0)
    data = pdemill.open(tmp_path / "s.zarr")
    columns = data.columns(data.shards[0])
    for number in range(4):
        radius, (x, y) = columns["params"][number, 0], data[number]["points"].T
        exact = (radius**2 - x**2 - y**2) / 4
        true = np.linalg.norm(data[number]["y"][0] - exact) / np.linalg.norm(exact)
        assert 1 / 1.5 < columns["error_estimate"][number] / true < 1.5
    assert columns["mesh_quality"].min() > 0.5


def test_a_sample_whose_mesh_folds_is_a_failure(tmp_path: Path) -> None:
    """Some of these holes reach the walls."""
    hole = HOLE | {"radius": {"uniform": [0.1, 0.7]}, "centre": [0.5, 0.5]}
    problem = on({"without": [hole]}, 0.1)
    job = opened(problem, samples=16)
    radii = [job.instance("train", i).parameters()["domain.without.0.radius"] for i in range(16)]
    folded = [number for number, radius in enumerate(radii) if radius >= 0.5]
    with pytest.raises(InvalidSample, match="the mesh folds"):
        job.discretisation.of(job.instance("train", folded[0]))
    summary = pdemill.generate({"problem": problem, "samples": 16}, out=tmp_path / "s.zarr", workers=0)
    failed = {failure.sample: failure.reason for failure in summary.failures}
    assert set(folded) <= set(failed)
    assert len(failed) < 12
    assert all("the mesh folds" in failed[number] for number in folded)
    assert all(radii[number] > 0.45 and "too thin" in failed[number] for number in failed.keys() - set(folded))
    assert all(" failed: " in fault for fault in pdemill.verify(tmp_path / "s.zarr").faults)


def layered(values: dict[str, Any], **keys: Any) -> dict[str, Any]:
    domain = {"shape": "disk", "radius": 2, "inclusions": [{"shape": "disk", "radius": {"uniform": [0.8, 1.2]}}]}
    form = "k*inner(grad(u), grad(v))*dx - v*dx"
    return on(domain, form=form, coefficients={"k": {"field": "regions", "values": values}}, **keys)


def test_inclusions_have_a_material_of_their_own() -> None:
    """k u' = -r/2 on both sides of r = R, where u is continuous."""
    found = []
    for h in (0.4, 0.2):
        problem = layered({"inclusion0": {"uniform": [5, 10]}, "default": 2.0}) | {"resolution": {"h": h}}
        grid, fields, numbers = drawn(problem, 1)
        k, radius = numbers["k.inclusion0"], numbers["domain.inclusions.0.radius"]
        r = np.hypot(*grid.points.coordinates.values())
        outer = (4 - np.maximum(r, radius) ** 2) / (4 * 2.0)
        exact = outer + (radius**2 - np.minimum(r, radius) ** 2) / (4 * k)
        found.append(np.linalg.norm(fields[0] - exact) / np.linalg.norm(exact))
    assert np.log2(found[0] / found[1]) > 1.8
    assert found[1] < 0.01


WRONG_REGIONS = [
    ({"default": 1.0}, "has no value of inclusion0"),
    ({"inclusions": 2.0}, "has no value of default"),
    ({"inclusion0": 1.0, "inclusion1": 2.0, "default": 1.0}, "has a value of inclusion1"),
    ({"inclusion0": 1.0, "inclusions": 2.0, "default": 1.0}, "has a value of inclusions"),
]


@pytest.mark.parametrize(("values", "told"), WRONG_REGIONS)
def test_regions_that_do_not_fit_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=f"problem.coefficients.k.values: {told}"):
        validate({"problem": layered(values), "samples": 1})


def test_regions_need_inclusions() -> None:
    k = {"field": "regions", "values": {"default": 1.0}}
    with pytest.raises(SpecError, match=r"problem\.coefficient\.field: tells values of inclusions"):
        validate({"problem": {"family": "darcy", "resolution": [8, 8], "coefficient": k}, "samples": 1})


@pytest.mark.slow
def test_stores_have_the_points_of_every_sample(tmp_path: Path) -> None:
    coefficients = {"k": {"field": "lognormal", "std": 0.5}, "g": {"uniform": [1, 2]}}
    spec = {
        "problem": on(
            BOX, coefficients=coefficients, form="k*inner(grad(u), grad(v))*dx - g*v*dx",
            boundary={"hole0": "natural", "default": {"u": {"dirichlet": 0.0}}},
        ),
        "samples": 4, "store": {"shard": 2}, "certify": {"refine": 0.5},
    }  # fmt: skip
    for count in (1, 2):
        assert pdemill.generate(spec, out=tmp_path / f"{count}.zarr", workers=count).ok
    one, two = (pdemill.verify(tmp_path / f"{count}.zarr") for count in (1, 2))
    assert one.faults + two.faults == ()
    assert one.content == two.content
    data = pdemill.open(tmp_path / "1.zarr")
    job = opened(**{"problem": spec["problem"]}, samples=4)  # type: ignore[arg-type]
    batch = data[[2, 0]]
    for row, number in enumerate((2, 0)):
        instance = job.instance("train", number)
        grid = job.discretisation.of(instance)
        x, y = grid.points.coordinates.values()
        np.testing.assert_allclose(batch["points"][row], np.stack([x, y], axis=1), atol=1e-6)
        (k,) = instance.drawn("k")
        np.testing.assert_allclose(batch["x"][row, 0], k(grid.points), rtol=1e-6)
    assert data.attributes["parameters"][-1] == "domain.without.0.radius"
    (fresh,) = [sample for _, sample in zip(range(1), pdemill.stream(spec, workers=0), strict=False)]
    assert np.shape(fresh["points"]) == batch["points"][0].shape


def test_designs_place_measures() -> None:
    job = open_job(validate({"problem": on(BOX), "splits": {"train": {"samples": 4, "design": {"method": "sobol"}}}}))
    assert isinstance(job, FieldJob)
    radii = sorted(job.instance("train", i).parameters()["domain.without.0.radius"] for i in range(4))
    assert [int((radius - 0.2) / 0.1 * 4) for radius in radii] == [0, 1, 2, 3]


def test_motion_fades_smoothly() -> None:
    places = np.linspace(-0.5, 1.5, 2001)
    weights = fading(places)
    assert weights[0] == 1.0
    assert weights[-1] == 0.0
    slopes = np.diff(weights) / np.diff(places)
    inside = (places[:-1] > 0.01) & (places[:-1] < 1.5)
    assert slopes.min() >= -1.25 - 1e-9
    assert np.abs(np.diff(slopes[inside])).max() < 0.01


TWO = {"shape": "disk", "radius": 0.2, "centre": [0.5, 0.5]}
BAD = [
    (BOX | {"without": [TWO, TWO | {"centre": [0.6, 0.5]}]}, {}, "problem.domain.without: "),
    (BOX | {"without": [TWO], "inclusions": [TWO]}, {}, "problem.domain.without: "),
    (BOX | {"without": [TWO | {"centre": [0.1, 0.5]}]}, {}, "problem.domain.without: "),
    (BOX | {"without": [{"shape": "box", "lengths": [0.1, 0.1]}]}, {}, "problem.domain.without[0].shape: "),
    (BOX, {"resolution": [8, 8]}, "problem.resolution: "),
    ({"shape": "star", "harmonics": []}, {}, "problem.domain.harmonics: "),
    (BOX, {"mesh": "own"}, "problem.mesh: "),
    (BOX, {"boundary": {"hole1": "natural", "default": "natural"}}, "problem.boundary.hole1: "),
]


@pytest.mark.parametrize(("domain", "keys", "told"), BAD)
def test_what_is_wrong_is_refused(domain: dict[str, Any], keys: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=re.escape(told)):
        validate({"problem": on(domain) | keys, "samples": 1})


def test_a_fixed_disk_is_one_mesh() -> None:
    assert errors(on({"shape": "disk"}), (lambda x, y: (1 - x**2 - y**2) / 4,)) < 0.01
    job = opened(on({"shape": "disk"}))
    assert job.discretisation.of(job.instance("train", 0)) is job.discretisation
    assert job.discretisation.own_layout() == {}


def test_outlines_beyond_the_square_in_which_fields_are_drawn_are_failures() -> None:
    """With a field that is drawn; numbers are everywhere."""
    disk = {"shape": "disk", "radius": {"uniform": [0.5, 3.5]}}
    drawn_in_it = on(
        disk, form="k*inner(grad(u), grad(v))*dx - v*dx", coefficients={"k": {"field": "lognormal", "std": 0.3}}
    )
    numbers = on(disk, form="k*inner(grad(u), grad(v))*dx - v*dx", coefficients={"k": {"uniform": [1, 2]}})
    told = []
    for problem in (drawn_in_it, numbers):
        job, beyond = opened(problem, samples=20), []
        for sample in range(20):
            try:
                job.discretisation.of(job.instance("train", sample))
            except InvalidSample as fault:
                beyond.append(str(fault))
        told.append(beyond)
    assert 0 < len(told[0]) < 20
    assert all(text.startswith("its outline goes beyond the square") for text in told[0])
    assert not told[1]
