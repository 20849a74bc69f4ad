"""What sensors see: exact where fields are linear, the same in every order and process, refused where it cannot be."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import StoreError
from tests.store.trajectories import write_trajectories

PLANE: dict[str, Any] = {
    "problem": {
        "family": "poisson", "resolution": [16, 8], "domain": {"lengths": [2.0, 1.0]}, "source": 0.0,
        "boundary": {"left": {"dirichlet": {"uniform": [1, 2]}}, "right": {"dirichlet": 5}, "default": {"neumann": 0}},
    },
    "splits": {"train": 6, "test": 2}, "store": {"dtype": "float64", "shard": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """u is linear in x, from what is drawn on the left to 5 on the right."""
    out = tmp_path_factory.mktemp("plane") / "plane.zarr"
    assert pdemill.generate(PLANE, out, workers=0).ok
    return out


def test_a_linear_solution_is_seen_exactly_up_to_the_walls(plane: Path) -> None:
    data = pdemill.open(plane, sensors={"points": [[0.0, 0.0], [0.31, 0.77], [1.99, 0.5], [2.0, 1.0]]})
    for number in range(6):
        seen, left = data[number], float(data[number]["x"][0].max())
        wanted = left + (5.0 - left) * seen["sensors"][:, 0] / 2.0
        np.testing.assert_allclose(seen["observed"][0], wanted, rtol=1e-5)
    near = pdemill.open(plane, sensors={"points": [[0.31, 0.77]], "interpolate": "nearest"})
    assert near[2]["observed"][0, 0] == near[2]["y"][0, 2, 6]


def test_places_and_noise_are_those_of_the_sample_however_it_is_asked_for(plane: Path) -> None:
    told = {"random": 9, "seed": 4}
    data = pdemill.open(plane, sensors=told, noise=0.1)
    one = [data[number] for number in range(6)]
    batch, again = data[[5, 0, 3]], pickle.loads(pickle.dumps(data))[::-1]
    for row, number in enumerate((5, 0, 3)):
        for key in ("x", "y", "sensors", "observed"):
            np.testing.assert_array_equal(batch[key][row], one[number][key])
            np.testing.assert_array_equal(again[key][5 - number], one[number][key])
    chosen = pdemill.open(plane, where="sample_id >= 3", sensors=told, noise=0.1)
    np.testing.assert_array_equal(chosen[0]["observed"], one[3]["observed"])
    assert chosen.numbers.tolist() == [3, 4, 5]
    assert {key: values.shape[1:] for key, values in data[[]].items()} == {k: v.shape for k, v in one[0].items()}
    assert chosen.solution_channels == ("u",)
    assert abs(data.normaliser("y").encode(data[:]["y"]).mean()) < 1e-4
    assert (one[0]["sensors"] != one[1]["sensors"]).all()
    assert (one[0]["sensors"] != pdemill.open(plane, sensors={**told, "seed": 5})[0]["sensors"]).all()
    assert (one[0]["sensors"] != pdemill.open(plane, "test", sensors=told)[0]["sensors"]).all()
    assert ((one[0]["sensors"] > 0) & (one[0]["sensors"] < [2, 1])).all()


def test_noise_has_the_size_that_was_asked_for(plane: Path) -> None:
    told = {"random": 4000}
    clean, noisy = (pdemill.open(plane, sensors=told, noise=noise)[0]["observed"] for noise in (0.0, 0.05))
    std = pdemill.open(plane).attributes["stats"]["solution/u"]["std"]
    assert np.std(noisy - clean) == pytest.approx(0.05 * std, rel=0.05)
    inputs = pdemill.open(plane, sensors={"random": 3, "of": "x"})[0]
    assert inputs["observed"].shape == (len(pdemill.open(plane).channels), 3)


def test_trajectories_are_seen_at_all_times_across_the_seam(tmp_path: Path) -> None:
    """Nodes at 0, 1/4, 1/2, 3/4 and 0, 1/3, 2/3: between the last and the first of a period is half of each."""
    write_trajectories(tmp_path / "t.zarr", block=4)
    data = pdemill.open(tmp_path / "t.zarr", sensors={"points": [[0.875, 0.0], [0.25, 5.0 / 6.0]]})
    seen, y = data[1]["observed"], data[1]["y"]
    assert seen.shape == (2, 7, 2)
    np.testing.assert_allclose(seen[..., 0], 0.5 * (y[..., 3, 0] + y[..., 0, 0]), rtol=1e-6)
    np.testing.assert_allclose(seen[..., 1], 0.5 * (y[..., 1, 2] + y[..., 1, 0]), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give one of points and random"),
        ({"random": 3, "points": [[0.1, 0.1]]}, "give one of points and random"),
        ({"random": 0}, "there are 1 to"),
        ({"random": 3, "seed": -1}, "their seed"),
        ({"random": 3, "grid": 2}, "sensors have no grid"),
        ({"random": 3, "of": "z"}, "of x or y"),
        ({"random": 3, "interpolate": "cubic"}, "linear or nearest"),
        (5, "sensors are told by keys"),
        ({"random": 1.5}, "are integers"),
        ({"points": [["a", "b"]]}, "a list of places"),
        ({"points": [0.1, 0.2]}, "a list of places"),
        ({"points": [[0.1]]}, "have 1 coordinates, the box 2"),
        ({"points": [[0.1, 0.1], [2.1, 0.2]]}, r"sensor 1 at \[2.1, 0.2\] is outside the box \[0, 2\] x \[0, 1\]"),
    ],
)
def test_sensors_that_cannot_be_are_refused(given: Mapping[str, Any], words: str, plane: Path) -> None:
    with pytest.raises(ValueError, match=words):
        pdemill.open(plane, sensors=given)


def test_what_has_no_grid_and_what_goes_with_nothing_is_refused(plane: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="noise is of what sensors see"):
        pdemill.open(plane, noise=0.1)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="noise is a number from 0, not 'a'"):
        pdemill.open(plane, sensors={"random": 1}, noise="a")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="leave window, pairs and follow out"):
        pdemill.open(plane, sensors={"random": 1}, window=(1, 1))  # type: ignore[call-overload]
    points = {
        "problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 3}, "source": 1.0,
                    "boundary": {"boundary": {"dirichlet": 0}}},
        "samples": 1, "solver": {"method": "walks", "walks": 20},
    }  # fmt: skip
    pdemill.generate(points, tmp_path / "p.zarr", workers=0)
    with pytest.raises(StoreError, match="cannot be seen by sensors"):
        pdemill.open(tmp_path / "p.zarr", sensors={"random": 1})


HARMONIC: dict[str, tuple[str, Any]] = {
    "P1": ("1 + 2*x - 3*y", lambda x, y: 1 + 2 * x - 3 * y),
    "P2": ("1 + x**2 - y**2 + 3*x*y", lambda x, y: 1 + x**2 - y**2 + 3 * x * y),
}


@pytest.mark.needs("ffcx", "netgen")
@pytest.mark.parametrize("element", ["P1", "P2"])
def test_functions_of_the_elements_are_seen_exactly_on_meshes(element: str, tmp_path: Path) -> None:
    """Harmonic functions, linear and quadratic, on a mesh of each sample's own; nothing is seen in its hole."""
    text, exact = HARMONIC[element]
    spec = {
        "problem": {
            "family": "weak_form", "resolution": {"h": 0.3}, "unknowns": {"u": element},
            "domain": {"without": [{"shape": "disk", "radius": {"uniform": [0.1, 0.3]}}]},
            "form": "inner(grad(u), grad(v))*dx",
            "boundary": {"default": {"u": {"dirichlet": {"field": "expression", "formula": text}}}},
        },
        "samples": 3,
    }  # fmt: skip
    pdemill.generate(spec, tmp_path / "m.zarr", workers=0)
    given = [[0.0, 0.0], [0.5, 0.5], [0.21, 0.93], [0.77, 0.5]]
    seen = pdemill.open(tmp_path / "m.zarr", sensors={"points": given})
    radii = seen.data.columns(seen.data.shards[0])["params"][:, 0]
    for number in range(3):
        found = seen[number]["observed"][0]
        within = np.hypot(*(np.array(given).T - 0.5)) > radii[number]
        assert (np.isfinite(found) == within).all()
        np.testing.assert_allclose(found[within], exact(*np.array(given)[within].T), atol=2e-6)
    drawn = pdemill.open(tmp_path / "m.zarr", sensors={"random": 200}, noise=0.0)
    for number in (0, 2):
        item = drawn[number]
        assert (np.hypot(*(item["sensors"].T - 0.5)) > 0.9 * radii[number]).all()
        np.testing.assert_allclose(item["observed"][0], exact(*item["sensors"].T), atol=3e-6)
        np.testing.assert_array_equal(drawn.places(number).astype(np.float32), item["sensors"])
        assert np.abs(item["sensors"].mean(axis=0) - 0.5).max() < 0.1
    assert drawn[[]]["observed"].shape == (0, 1, 200)
    with pytest.raises(ValueError, match="have 1 coordinates, the mesh 2"):
        pdemill.open(tmp_path / "m.zarr", sensors={"points": [[0.1]]})
    with pytest.raises(ValueError, match="leave interpolate out"):
        pdemill.open(tmp_path / "m.zarr", sensors={"random": 1, "interpolate": "nearest"})


@pytest.mark.needs("ffcx")
def test_a_mesh_of_tetrahedra_is_seen_too(tmp_path: Path) -> None:
    value = {"field": "expression", "formula": "x - 2*y + 3*z"}
    spec = {
        "problem": {
            "family": "weak_form", "resolution": [2, 2, 2], "unknowns": {"u": "P1"},
            "form": "k*inner(grad(u), grad(v))*dx", "coefficients": {"k": {"uniform": [1, 2]}},
            "boundary": {"default": {"u": {"dirichlet": value}}},
        },
        "samples": 2,
    }  # fmt: skip
    pdemill.generate(spec, tmp_path / "m.zarr", workers=0)
    seen = pdemill.open(tmp_path / "m.zarr", sensors={"random": 50})
    for number in range(2):
        x, y, z = seen[number]["sensors"].T
        np.testing.assert_allclose(seen[number]["observed"][0], x - 2 * y + 3 * z, atol=3e-6)
    with pytest.raises(ValueError, match=r"sensor 1 at \[1.5, 0.5, 0.5\] is outside the mesh"):
        pdemill.open(tmp_path / "m.zarr", sensors={"points": [[0.5, 0.5, 0.5], [1.5, 0.5, 0.5]]})
