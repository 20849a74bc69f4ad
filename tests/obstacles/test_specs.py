"""What a spec says of obstacles: what is refused, where, and what a draw of them is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.operators.cut_box import CutBoxGrid
from pdemill.spec import validate

type Json = dict[str, Any]
DISK: Json = {"shape": "disk", "radius": 0.2}
SCATTERED: Json = {"shape": "scattered", "of": {"shape": "disk", "radius": {"uniform": [0.04, 0.1]}}, "count": [2, 6]}
STAR: Json = {"shape": "star", "radius": 0.2, "harmonics": [{"order": 3, "cosine": {"uniform": [0.0, 0.3]}}]}


def spec(without: list[Json], **problem: Any) -> Json:
    known = {"family": "darcy", "resolution": [16, 16], "domain": {"without": without}}
    return {"problem": known | problem, "samples": 8, "solver": {"method": "direct"}}


def masks(without: list[Json], resolution: tuple[int, ...] = (32, 32), samples: int = 8) -> list[Any]:
    job = FieldJob(validate(spec(without, resolution=list(resolution))))
    assert isinstance(job.discretisation, CutBoxGrid)
    return [job.discretisation.kept(job.instance("train", sample)) for sample in range(samples)]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (spec([{"shape": "dsk"}]), "problem.domain.without.0.shape"),
        (spec([DISK | {"radius": -1.0}]), "problem.domain.without.0.radius"),
        (spec([DISK | {"centre": [0.5]}]), "problem.domain.without.0.centre"),
        (spec([{"shape": "ball"}]), "problem.domain.without.0.shape"),
        (spec([{"shape": "box", "lengths": [0.5]}]), "problem.domain.without.0.lengths"),
        (spec([DISK], resolution=[8, 8, 8]), "problem.domain.without.0.shape"),
        (spec([SCATTERED | {"count": [6, 2]}]), "problem.domain.without.0.count"),
        (spec([SCATTERED | {"of": DISK | {"centre": [0.5, 0.5]}}]), "problem.domain.without.0.of.centre"),
        (spec([SCATTERED | {"of": SCATTERED}]), "problem.domain.without.0.of.shape"),
        (spec([{"shape": "level", "distance": {"field": "expression", "formula": "x+t"}}]),
         "problem.domain.without.0.distance"),
        (spec([DISK], boundary={"obstacles": {"neumann": 1.0}}), "problem.boundary.obstacles"),
        (spec([DISK], boundary={"obstacles": {"robin": {"coefficient": 1.0, "value": 0.0}}}),
         "problem.boundary.obstacles"),
        (spec([DISK], boundary={"obstacles": "periodic"}), "problem.boundary.obstacles"),
        (spec([], boundary={"obstacles": {"dirichlet": 1.0}}), "problem.boundary.obstacles"),
        (spec([DISK], boundary={"default": {"neumann": 0.0}}, source={"field": "gaussian", "boundary": "neumann"}),
         "problem.source"),
        (spec([DISK]) | {"solver": {"method": "fft"}}, "solver.method"),
        (spec([DISK]) | {"certify": {"audit": {"samples": 1}}}, "certify.audit"),
        (spec([DISK], family="poisson", resolution={"h": 0.1}), "problem.domain.without"),
        (spec([DISK], family="nonlinear_diffusion"), "problem.domain.without"),
        (spec([DISK], family="heat", times=[0.1]), "problem.domain.without"),
        (spec([DISK], family="wave", times=[0.1]), "problem.domain.without"),
        ({"problem": {"family": "poisson", "domain": {"shape": "box", "lengths": [1, 1], "without": [DISK]},
                      "points": {"random": 4}}, "samples": 2}, "problem.domain.without"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_path(data: Json, path: str) -> None:
    with pytest.raises(SpecError) as refused:
        validate(data)
    assert path in {".".join(map(str, fault.path)) for fault in refused.value.faults}, refused.value


def test_obstacles_are_part_of_the_hash_and_none_are_not() -> None:
    plain, empty, disk = (validate(spec(without)) for without in ([], [], [DISK]))
    del empty
    bare = {**spec([])}
    bare["problem"] = {key: value for key, value in bare["problem"].items() if key != "domain"}
    assert plain.sha256() == validate(bare).sha256()
    assert "without" not in plain.canonical()
    assert disk.sha256() not in {plain.sha256(), validate(spec([DISK | {"radius": 0.3}])).sha256()}
    assert validate(disk.model_dump(mode="json")).sha256() == disk.sha256()


def test_draws_are_those_of_their_sample_and_the_same_on_every_grid() -> None:
    first, again = masks([SCATTERED, STAR]), masks([SCATTERED, STAR])
    assert all(map(np.array_equal, first, again))
    assert len({mask.tobytes() for mask in first}) == len(first)
    finer = masks([SCATTERED, STAR], (96, 96))
    for coarse, fine in zip(first, finer, strict=True):
        assert np.array_equal(coarse, fine[1::3, 1::3])  # the centres of these cells are the same


def test_the_law_of_scattered_disks() -> None:
    """Areas of single disks: radii uniform on [0.04, 0.1], and centres uniform in the box."""
    alone = SCATTERED | {"count": 1, "apart": 0.0}
    cut = [~mask for mask in masks([alone], (64, 64), 300)]
    areas = np.array([mask.mean() for mask in cut])
    mean = np.pi * (0.1**3 - 0.04**3) / (3 * 0.06)
    spread = np.sqrt(np.pi**2 * (0.1**5 - 0.04**5) / (5 * 0.06) - mean**2)
    assert abs(areas.mean() - mean) < 4 * spread / np.sqrt(300)
    places = np.array([np.argwhere(mask).mean(axis=0) / 64 for mask in cut])
    assert np.abs(places.mean(axis=0) - 0.5).max() < 4 * 0.27 / np.sqrt(300)


def test_obstacles_that_are_apart_are_counted() -> None:
    from scipy.ndimage import label

    found = {label(~mask)[1] for mask in masks([SCATTERED | {"apart": 0.02}], (128, 128), 40)}
    assert found == {2, 3, 4, 5, 6}


def test_a_draw_without_room_is_a_failed_sample() -> None:
    crowd = {"shape": "scattered", "of": {"shape": "disk", "radius": 0.2}, "count": 8, "apart": 0.1}
    with pytest.raises(InvalidSample, match="no room for 8"):
        masks([crowd])


def test_shapes_cut_what_they_enclose() -> None:
    (disk,) = masks([DISK | {"centre": [0.25, 0.5]}], samples=1)
    x, y = np.meshgrid(*[(np.arange(32) + 0.5) / 32] * 2, indexing="ij")
    assert np.array_equal(~disk, np.hypot(x - 0.25, y - 0.5) < 0.2)
    (block,) = masks([{"shape": "box", "lengths": [0.5, 0.25]}], samples=1)
    assert np.array_equal(~block, (np.abs(x - 0.5) < 0.25) & (np.abs(y - 0.5) < 0.125))
    (polygon,) = masks([{"shape": "polygon", "outline": [[0.1, 0.1], [0.9, 0.1], [0.1, 0.7]]}], samples=1)
    assert np.array_equal(~polygon, (x > 0.1) & (y > 0.1) & (0.75 * x + y < 0.775))
    (level,) = masks([{"shape": "level", "distance": {"field": "expression", "formula": "x - 0.3"}}], samples=1)
    assert np.array_equal(~level, x < 0.3)
    (star,) = masks([STAR | {"harmonics": [{"order": 4, "cosine": 0.3}]}], samples=1)
    r, t = np.hypot(x - 0.5, y - 0.5), np.arctan2(y - 0.5, x - 0.5)
    assert np.array_equal(~star, r < 0.2 * (1 + 0.3 * np.cos(4 * t)))
    bounded = {"shape": "bounded_star", "least": 0.2, "most": 0.4, "harmonics": [{"order": 4, "cosine": 2}]}
    (star,) = masks([bounded], samples=1)
    assert np.array_equal(~star, r < 0.2 + 0.2 / (1 + np.exp(2 * np.cos(4 * t))))


def test_designs_place_the_measures_of_obstacles() -> None:
    def placed(**obstacle: Any) -> Any:
        splits = {"train": 2, "sobol": {"samples": 8, "design": {"method": "sobol"}}}
        problem = {"family": "poisson", "resolution": [16, 16], "domain": {"without": [obstacle]}}
        return validate({"problem": problem, "splits": splits})

    boxes = placed(shape="box", lengths=[{"uniform": [0.1, 0.3]}, 0.2], centre=[{"uniform": [0.3, 0.7]}, 0.5])
    job = FieldJob(boxes)
    drawn = [job.drawn("sobol", number)["params"] for number in range(8)]
    assert job.parameters == ("mask.0.centre_0", "mask.0.length_0") == tuple(boxes.placed_of("sobol"))
    for values, low, width in zip(np.array(drawn).T, (0.3, 0.1), (0.4, 0.2), strict=True):
        assert sorted((8 * (values - low) / width).astype(int)) == list(range(8))
    with pytest.raises(SpecError, match=r"cannot place problem\.domain\.without\.0\.of\.radius"):
        placed(shape="scattered", of={"shape": "disk", "radius": {"uniform": [0.1, 0.2]}}, count=2)


def test_another_condition_on_obstacles_in_a_split_is_told_by_its_path() -> None:
    problem = {"family": "poisson", "resolution": [16, 16], "domain": {"without": [DISK]}}
    splits = {"train": 2, "test": {"samples": 2, "problem": {"boundary": {"obstacles": {"dirichlet": 1}}}}}
    with pytest.raises(SpecError, match=r"^splits\.test\.problem\.boundary\.obstacles.*not the conditions"):
        validate({"problem": problem, "splits": splits})
