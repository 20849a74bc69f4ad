"""Pointwise jobs from the spec to the store: honest labels, the same bits however the work is cut, clear failures."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr

import pdemill
from pdemill.errors import SolverError, SpecError
from pdemill.spec import validate
from tests.sampling import sample, slow

type Json = dict[str, Any]

RANDOM_DISK: Json = {
    "problem": {
        "family": "poisson",
        "domain": {"shape": "disk", "radius": {"uniform": [0.5, 1.0]}},
        "points": {"random": 40},
        "sensors": 16,
        "source": {"uniform": [1, 4]},
        "boundary": {
            "boundary": {"dirichlet": {"field": "expression", "formula": "a*x", "where": {"a": {"normal": [0, 1]}}}},
        },
    },
    "splits": {"train": 20, "test": 5},
    "seed": 3,
    "solver": {"method": "walks", "walks": 600},
}  # fmt: skip


def changed(spec: Json, **parts: Json) -> Json:
    """A copy with keys of ``problem``, ``solver``, ``store`` set."""
    result = deepcopy(spec)
    for part, values in parts.items():
        result.setdefault(part, {}).update(values)
    return result


def content(spec: Json, out: Path, workers: int = 0) -> str:
    assert pdemill.generate(spec, out, workers).ok
    found = pdemill.verify(out)
    assert found.ok, found.faults
    return str(found.content)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("points") / "disks.zarr"
    content(RANDOM_DISK, out)
    return out


def test_labels_and_errors_are_those_of_the_exact_solution(disks: Path) -> None:
    """-Δu = f, u = a x on |x| = R: u = a x + f (R² - r²) / 4."""
    group: Any = zarr.open_group(disks, mode="r")["train"]
    names = zarr.open_group(disks, mode="r").attrs["parameters"]
    assert names == ["source", "boundary_dirichlet.a", "domain.radius"]
    f, a, radius = group["params"][:].T[:, :, None]
    x, y = np.moveaxis(group["points"][:], 2, 0)
    exact = a * x + f * (radius**2 - x**2 - y**2) / 4
    z = ((group["solution"][:] - exact) / group["stderr"][:]).ravel()
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 0.9 < np.sqrt((z**2).mean()) < 1.1


def test_a_store_holds_what_came_of_every_point(disks: Path) -> None:
    group: Any = zarr.open_group(disks, mode="r")["train"]
    assert {name: array.shape[1:] for name, array in group.arrays()} == {
        "points": (40, 2), "input": (1, 40), "solution": (40,), "stderr": (40,), "walks": (40,), "truncated": (40,),
        "epsilon": (40,), "steps": (40,), "boundary_points": (16, 2), "boundary_input": (1, 16), "params": (3,),
        "error_estimate": (), "largest_weight": (), "flags": (), "solve_seconds": (), "method": (), "sample_id": (),
    }  # fmt: skip
    assert (group["walks"][:] == 600).all()
    assert not group["truncated"][:].any()
    radius = group["params"][:, 2]
    assert np.allclose(group["epsilon"][:], 2e-3 * radius[:, None])
    rim = group["boundary_points"][:]
    assert np.allclose(np.hypot(*np.moveaxis(rim, 2, 0)), radius[:, None])
    assert np.allclose(group["boundary_input"][:, 0], group["params"][:][:, 1, None] * rim[:, :, 0], atol=1e-6)
    tree = xarray.open_datatree(str(disks), engine="zarr", consolidated=True)
    assert tree["train"]["stderr"].dims == ("sample", "point")


def test_a_data_set_gives_points_and_errors_beside_x_and_y(disks: Path) -> None:
    data = pdemill.open(disks)
    assert {name: values.shape for name, values in data[3].items()} == {
        "x": (1, 40), "y": (1, 40), "points": (40, 2), "stderr": (40,), "boundary_points": (16, 2), "boundary": (1, 16),
    }  # fmt: skip
    assert np.array_equal(data[2:5]["y"][1], data[3]["y"])


def test_the_bits_do_not_depend_on_workers_or_shards(disks: Path, tmp_path: Path) -> None:
    whole = pdemill.open(disks)[:]
    for number, (shard, workers) in enumerate([(1024, 2), (3, 2), (1, 1)]):
        out = tmp_path / f"{number}.zarr"
        content(changed(RANDOM_DISK, store={"shard": shard}), out, workers)
        found = pdemill.open(out)[:]
        assert all(np.array_equal(found[name], whole[name]) for name in whole)


def test_what_is_missing_is_made_again_to_the_same_bytes(tmp_path: Path) -> None:
    spec = changed(RANDOM_DISK, store={"shard": 4})
    out = tmp_path / "store.zarr"
    before = content(spec, out)
    for name in ("_manifest/train-00002.json", "train/solution/c/1/0", "test/stderr/c/0/0"):
        (out / name).unlink()
    assert content(spec, out) == before


@pytest.mark.parametrize(("wrong", "words"), [("solution", "its label"), ("stderr", "the standard error of its label")])
def test_verify_finds_what_the_walks_do_not_give(wrong: str, words: str, disks: Path) -> None:
    from pdemill.solvers.opening import open_work
    from pdemill.solvers.walks.check import check_labels

    job, store = open_work(disks)
    group = zarr.open_group(disks, mode="r")
    shard = next(iter(store.layout.shards()))
    rows = np.arange(len(shard))
    assert check_labels(job, group, shard, rows) == []  # type: ignore[arg-type]
    copied = zarr.group({})
    for name, array in group["train"].arrays():  # type: ignore[union-attr]
        values = np.asarray(array[...])
        if name == wrong:
            values[7] += 0.3 * group["train/stderr"][7]  # type: ignore[index, operator]
        copied.create_array(f"train/{name}", data=values)
    faults = check_labels(job, copied, shard, rows)  # type: ignore[arg-type]
    assert faults
    assert all(fault.startswith(f"sample 7 of train: {words} at point") for fault in faults)


def test_a_target_is_reached_by_as_many_walks_as_it_takes(tmp_path: Path) -> None:
    spec = changed(RANDOM_DISK, solver={"walks": None, "target_stderr": 0.01})
    out = tmp_path / "store.zarr"
    content(spec, out)
    group: Any = zarr.open_group(out, mode="r")["train"]
    walks, stderr = group["walks"][:], group["stderr"][:]
    assert (stderr <= 0.01).all()
    assert (walks % 256 == 0).all()
    assert walks.min() == 512
    assert walks.max() > 2000
    f, a, radius = group["params"][:].T[:, :, None]
    x, y = np.moveaxis(group["points"][:], 2, 0)
    z = (group["solution"][:] - a * x - f * (radius**2 - x**2 - y**2) / 4) / stderr
    assert 0.9 < np.sqrt((z**2).mean()) < 1.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"solver": {"max_steps": 10}}, "TRUNCATED: more than one walk in a thousand was cut short"),
        ({"solver": {"walks": None, "target_stderr": 1e-4, "max_walks": 1024}}, "MISSED_STDERR: the standard error is"),
        (
            {"problem": {"domain": {"shape": "star", "harmonics": [{"order": 2, "cosine": {"uniform": [1.1, 1.5]}}]}}},
            "INVALID: domain: a star's radius falls to",
        ),
        (
            {"problem": {"source": {"field": "expression", "formula": "1/(x - x)"}}},
            "INVALID: source is not finite everywhere",
        ),
    ],
)
def test_samples_without_an_honest_label_fail_with_a_reason(change: Json, words: str, tmp_path: Path) -> None:
    spec = changed(changed(RANDOM_DISK, **change), splits={"train": 2, "test": 1})
    summary = pdemill.generate(spec, tmp_path / "store.zarr", workers=0)
    assert [words in failure.reason for failure in summary.failures] == [True] * 3, summary.failures
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    assert np.isnan(group["solution"][:]).all()


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            {"points": {"list": [[0, 0], [0, 0.95]]}, "domain": {"shape": "disk", "radius": 0.9}},
            r"problem.points.list\[1\]: is not inside the domain",
        ),
        (
            {"points": {"list": [[0, 0], [0.899, 0]]}, "domain": {"shape": "disk", "radius": 0.9}},
            r"problem.points: number 1, \[0.899, 0.0\], is outside the domain or within epsilon",
        ),
        (
            {"points": {"grid": [2, 2]}, "domain": {"shape": "annulus", "inner": 0.8}, "boundary": {}},
            "points: none of them is inside",
        ),
        (
            {"domain": {"shape": "star", "harmonics": [{"order": 2, "cosine": 1.1}]}},
            "problem.domain.harmonics: make the radius -0.1",
        ),
    ],
)
def test_a_fixed_domain_or_point_that_is_none_is_a_fault_of_the_spec(problem: Json, words: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=words):
        pdemill.generate(changed(RANDOM_DISK, problem=problem), tmp_path / "store.zarr", workers=0)


def test_epoch_zero_is_the_store_and_others_are_fresh(disks: Path) -> None:
    stored = pdemill.open(disks)
    walked = list(pdemill.walk_labels(RANDOM_DISK, epoch=range(3), workers=2, ahead=5))
    assert [(s["epoch"], s["sample"]) for s in walked] == [(e, i) for e in range(3) for i in range(20)]
    first, second, third = walked[:20], walked[20:40], walked[40:]
    for here, there, stored_sample in zip(first, second, stored, strict=True):  # type: ignore[call-overload]
        assert all(np.array_equal(here[name], stored_sample[name]) for name in stored_sample)
        assert np.array_equal(here["points"], there["points"])
        assert not np.array_equal(here["y"], there["y"])
    differences = [
        (a["y"][0] - b["y"][0]) / np.hypot(a["stderr"], b["stderr"]) for a, b in zip(second, third, strict=True)
    ]
    assert 0.9 < np.std(differences) < 1.1


def test_fresh_labels_do_not_depend_on_the_pool(disks: Path) -> None:
    pool = list(pdemill.walk_labels(RANDOM_DISK, epoch=4, split="test", workers=2, shuffle=True))
    here = list(pdemill.walk_labels(RANDOM_DISK, epoch=4, split="test", workers=0, shuffle=True))
    assert sorted(s["sample"] for s in here) == list(range(5))
    for one, other in zip(pool, here, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_fresh_labels_tell_of_a_sample_without_one() -> None:
    spec = changed(RANDOM_DISK, solver={"max_steps": 10})
    with pytest.raises(SolverError, match="sample 0 of train has no label in epoch 1: more than one walk"):
        next(pdemill.walk_labels(spec, epoch=1, workers=1))
    with pytest.raises(SpecError, match="points"):
        pdemill.walk_labels({"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 2}, epoch=1)
    with pytest.raises(SpecError, match="no split 'valid'"):
        pdemill.walk_labels(RANDOM_DISK, split="valid")


def test_a_program_may_end_while_labels_are_walked() -> None:
    """The generator of labels is still suspended, inside of another one, when the interpreter ends."""
    program = (
        "import json, sys, pdemill\n"
        "labels = pdemill.walk_labels(json.loads(sys.argv[1]), epoch=range(99), workers=1)\n"
        "def use():\n"
        "    yield from labels\n"
        "using = use()\n"
        "next(using)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, json.dumps(RANDOM_DISK)], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_per_batch_keeps_the_mean_of_every_batch(tmp_path: Path) -> None:
    spec = changed(RANDOM_DISK, solver={"return": "per_batch"})
    content(spec, tmp_path / "store.zarr")
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    batches = group["batches"][:].astype(float)
    assert batches.shape == (20, 3, 40)
    mean = np.average(batches, axis=1, weights=[256, 256, 88])
    assert np.allclose(mean, group["solution"][:], atol=1e-6)


def test_gradients_are_those_of_the_exact_solution(tmp_path: Path) -> None:
    """∇u = (a - f x / 2, -f y / 2)."""
    content(changed(RANDOM_DISK, solver={"gradients": True}), tmp_path / "store.zarr")
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    f, a, _ = group["params"][:].T[:, :, None]
    exact = -0.5 * f[:, :, None] * group["points"][:]
    exact[:, :, 0] += a
    z = (group["gradient"][:] - exact) / group["gradient_stderr"][:]
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 0.9 < np.sqrt((z**2).mean()) < 1.1


@pytest.mark.parametrize(
    "domain",
    [
        {"shape": "star", "edges": 200, "harmonics": [{"order": 4, "cosine": 0.3}]},
        slow({"shape": "mesh", "blob": {"subdivisions": 3}}),
    ],
    ids=["star", "mesh"],
)
def test_gradients_have_the_right_size_where_spheres_are_not_the_largest(domain: Json, tmp_path: Path) -> None:
    """u = 3 x + 2 y: a wrong radius of the first sphere would scale its gradient."""
    spec = {
        "problem": {
            "family": "poisson",
            "domain": domain,
            "points": {"random": 300},
            "source": 0,
            "boundary": {"boundary": {"dirichlet": {"field": "expression", "formula": "3*x + 2*y"}}},
        },
        "samples": 1,
        "solver": {"method": "walks", "walks": 2048, "gradients": True, "control_variate": "none", "epsilon": 1e-5},
    }
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    for axis, exact in enumerate((3.0, 2.0)):
        z = (group["gradient"][0, :, axis] - exact) / group["gradient_stderr"][0, :, axis]
        assert abs(z.mean()) < 4 / np.sqrt(z.size)


def test_errors_are_honest_close_to_the_boundary_with_few_walks(tmp_path: Path) -> None:
    """Nearly all walks end at once there, and the few that carry the variance may be missing."""
    spec = changed(RANDOM_DISK, solver={"walks": 64, "epsilon": 1e-5}, problem={"points": {"random": 400}})
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    group: Any = zarr.open_group(tmp_path / "store.zarr", mode="r")["train"]
    f, a, radius = group["params"][:].T[:, :, None]
    x, y = np.moveaxis(group["points"][:], 2, 0)
    z = (group["solution"][:] - a * x - f * (radius**2 - x**2 - y**2) / 4) / group["stderr"][:]
    assert 0.85 < np.sqrt((z**2).mean()) < 1.15


@pytest.mark.parametrize(
    "arguments", [{"epoch": "3"}, {"epoch": 1.5}, {"epoch": None}, {"workers": -2}, {"workers": 1.5}, {"ahead": 0}]
)
def test_fresh_labels_name_a_wrong_argument(arguments: Json) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        pdemill.walk_labels(RANDOM_DISK, **arguments)
    with pytest.raises(ValueError, match="epoch should be a whole number from 0 on, not -1"):
        next(pdemill.walk_labels(RANDOM_DISK, epoch=[-1], workers=0))


@pytest.mark.parametrize("kind", sample(["harmonic", "grid"], "harmonic"))
def test_control_variates_lower_the_error_and_keep_it_honest(kind: str, tmp_path: Path) -> None:
    """u = e^{2x} cos 2y + x² + y² on a box: -Δu = -4."""
    problem = {
        "family": "poisson",
        "domain": {"shape": "box", "lengths": [1.5, 1]},
        "points": {"random": 60},
        "source": 0 if kind == "harmonic" else -4,
        "boundary": {
            "default": {"dirichlet": {"field": "expression", "formula": "exp(2*x)*cos(2*y) + x**2 " + (
                "- y**2" if kind == "harmonic" else "+ y**2")}},
        },
    }  # fmt: skip
    errors = {}
    for control in ("none", kind):
        spec = {
            "problem": problem,
            "samples": 10,
            "solver": {"method": "walks", "epsilon": 1e-4, "control_variate": control},
        }
        out = tmp_path / f"{control}.zarr"
        content(spec, out)
        group: Any = zarr.open_group(out, mode="r")["train"]
        x, y = np.moveaxis(group["points"][:], 2, 0)
        exact = np.exp(2 * x) * np.cos(2 * y) + x**2 + (-1 if kind == "harmonic" else 1) * y**2
        stderr = group["stderr"][:]
        if control == "none":
            z = (group["solution"][:] - exact) / stderr
            assert 0.88 < np.sqrt((z**2).mean()) < 1.12
        else:
            assert np.abs(group["solution"][:] - exact).max() < 6 * stderr.max() + 1e-6
        errors[control] = float(np.sqrt((stderr**2).mean()))
    assert errors[kind] < errors["none"] / 100


def test_attributes_tell_the_plan(disks: Path) -> None:
    attributes = json.loads((disks / "zarr.json").read_text())["attributes"]
    assert attributes["layout"] == "pointwise"
    assert attributes["plan"]["estimator"] == "independent"
    assert attributes["plan"]["control_variate"] == "none"
    assert attributes["boundary_channels"] == ["dirichlet"]
    assert "philox4x32-10" in attributes["seed_scheme"]


def test_auto_walks_where_points_are_wanted() -> None:
    spec = validate(RANDOM_DISK | {"solver": {}})
    assert spec.solver.resolve(spec.problem).method == "walks"


@pytest.mark.parametrize(
    "domain",
    [
        {"shape": "disk", "radius": {"uniform": [0.5, 1.0]}},
        {"shape": "annulus", "inner": 0.6},
        {"shape": "ball"},
        {"shape": "box", "lengths": [1, 1, 1, 1]},
    ],
    ids=lambda domain: str(domain["shape"]),
)
def test_a_store_is_drawn_in_any_dimension(domain: Json, tmp_path: Path) -> None:
    from pdemill.picture import draw

    spec = changed(RANDOM_DISK, problem={"domain": domain, "boundary": {}}, solver={"walks": 16})
    assert pdemill.generate(spec | {"splits": {"train": 2}}, tmp_path / "a.zarr", workers=0).ok
    assert draw(tmp_path / "a.zarr", tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
