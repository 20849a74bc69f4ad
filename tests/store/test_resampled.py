"""Samples on meshes as images, and cells found in meshes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import StoreError
from pdemill.reader.distances import signed_distance
from pdemill.reader.locating import TOGETHER, locate
from pdemill.reader.resampled import Resampled
from tests.weak.problems import POISSON, formula

needs = pytest.mark.needs("ffcx", "netgen")
TRIANGLES = np.array([[0, 0], [2, 0], [2, 1], [0, 1.0]]), np.array([[0, 1, 2], [0, 2, 3]])


def test_places_are_found_in_the_cells_that_hold_them() -> None:
    points, cells = TRIANGLES
    places = np.array([[1.5, 0.2], [0.5, 0.8], [1.0, 0.5], [2.1, 0.5], [-0.01, 0.5], [2.0, 1.0]])
    found = locate(points, cells, places)
    assert found.cell.tolist() == [0, 1, 0, -1, -1, 0]
    values = 1 + 3 * points[:, 0] - points[:, 1]
    inside = found.cell >= 0
    np.testing.assert_allclose(found.of(values)[inside], (1 + 3 * places[:, 0] - places[:, 1])[inside], atol=1e-14)
    assert not found.of(values)[~inside].any()


def test_tetrahedra_of_order_two_are_evaluated_exactly() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.0]])
    middles = [(corners[i] + corners[j]) / 2 for i, j in ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))]
    points = np.concatenate([corners, middles])
    places = np.random.default_rng(0).random((50, 3)) * [1, 2, 3]

    def square(x: Any) -> Any:
        return 1 + x[:, 0] * x[:, 1] - x[:, 2] ** 2 + 2 * x[:, 0]

    found = locate(points, np.arange(10)[None], places)
    held = places @ [1, 1 / 2, 1 / 3] <= 1
    np.testing.assert_array_equal(found.cell >= 0, held)
    np.testing.assert_allclose(found.of(square(points))[held], square(places)[held], atol=1e-12)


def test_distances_are_to_the_nearest_edge() -> None:
    points, _ = TRIANGLES
    facets, places = np.array([[0, 1], [1, 2], [2, 3], [3, 0]]), np.array([[1.0, 0.4], [3.0, 2.0], [-1.0, 0.5]])
    found = signed_distance(points, facets, places, np.array([True, False, False]))
    np.testing.assert_allclose(found, [0.4, -np.sqrt(2.0), -1.0])


def test_distances_in_space_are_to_the_nearest_triangle() -> None:
    """Of a box with its edges and corners, from within and from outside, where all three kinds of place count."""
    size = np.array([1.0, 2.0, 3.0])
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * size
    sides = [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]]
    facets = np.array([[a, b, c] for a, b, c, _ in sides] + [[a, c, d] for a, _, c, d in sides])
    places = np.random.default_rng(1).uniform(-1, 4, (3000, 3))
    beyond = np.maximum(np.maximum(-places, places - size), 0.0)
    within = (beyond == 0.0).all(axis=1)
    true = np.where(within, np.minimum(places, size - places).min(axis=1), -np.sqrt((beyond**2).sum(axis=1)))
    assert 50 < within.sum() < 1500
    np.testing.assert_allclose(signed_distance(corners, facets, places, within), true, atol=1e-12)


def test_many_places_are_found_as_few_are() -> None:
    points, cells = TRIANGLES
    places = np.random.default_rng(2).uniform(-0.1, 2.1, (2 * TOGETHER + 5, 2))
    found = locate(points, cells, places)
    few = locate(points, cells, places[TOGETHER - 3 : TOGETHER + 3])
    for whole, part in zip(found, few, strict=True):
        np.testing.assert_array_equal(whole[TOGETHER - 3 : TOGETHER + 3], part)


def moving(element: str, **keys: Any) -> dict[str, Any]:
    """u = 1 + 2 x - 3 y (P2: + x y) in a box with a hole that is drawn, given on its sides."""
    exact = "1 + 2*x - 3*y" + (" + x*y" if element == "P2" else "")
    hole = {"shape": "disk", "radius": {"uniform": [0.1, 0.3]}}
    problem = POISSON | {
        "domain": {"lengths": [2, 1], "without": [hole]}, "resolution": {"h": 0.2}, "unknowns": {"u": element},
        "coefficients": {"k": {"field": "expression", "formula": "1 + a*x", "where": {"a": {"uniform": [1, 2]}}}},
        "form": "inner(grad(u), grad(v))*dx + 0*k*u*v*dx",
        "boundary": {"default": {"u": {"dirichlet": formula(exact)}}},
    }  # fmt: skip
    return {"problem": problem, "samples": 4, "store": {"dtype": "float64"}, **keys}


@needs
@pytest.mark.parametrize("element", [pytest.param("P1", marks=pytest.mark.slow), "P2"])
def test_functions_of_the_elements_are_exact(element: str, tmp_path: Path) -> None:
    pdemill.generate(moving(element), out=tmp_path / "s.zarr", workers=0)
    data = pdemill.open(tmp_path / "s.zarr", resample=(32, 16))
    assert data.channels == ("k", "mask", "signed_distance")
    x, y = np.meshgrid(*data.coordinates(), indexing="ij")
    assert (x[0, 0], y[0, 0]) == (1 / 32, 1 / 32)
    exact = 1 + 2 * x - 3 * y + (x * y if element == "P2" else 0)
    columns = data.data.columns(data.data.shards[0])
    batch = data[[2, 0]]
    for row, number in enumerate((2, 0)):
        mask, distance = batch["x"][row, 1], batch["x"][row, 2]
        np.testing.assert_allclose(batch["y"][row, 0][mask > 0], exact[mask > 0], atol=1e-5)
        assert not batch["y"][row, 0][mask == 0].any()
        radius = columns["params"][number, -1]
        true = np.minimum.reduce([np.hypot(x - 1, y - 0.5) - radius, x, y, 2 - x, 1 - y])
        np.testing.assert_allclose(distance, true, atol=0.02)
        np.testing.assert_array_equal(mask > 0, distance > 0)
        a = columns["params"][number, 0]
        np.testing.assert_allclose(batch["x"][row, 0][mask > 0], (1 + a * x)[mask > 0], rtol=1e-5)
        np.testing.assert_array_equal(data[number]["x"], batch["x"][row])
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again[1]["y"], data[1]["y"])
    ys, kept = data[:]["y"][:, 0], data[:]["x"][:, 1] > 0
    norm = data.normaliser("y")
    np.testing.assert_allclose((norm.mean[0], norm.std[0]), (ys[kept].mean(), ys[kept].std()), rtol=1e-5)
    assert data.normaliser("x").mean[1] == pytest.approx(kept.mean())
    assert data[[]]["x"].shape == (0, 3, 32, 16)


@needs
def test_bodies_in_space_are_seen(tmp_path: Path) -> None:
    """u = 1 + 2 x - 3 y + z + x z in a box with a hole along z that is drawn."""
    exact = "1 + 2*x - 3*y + z + x*z"
    problem = POISSON | {
        "domain": {"lengths": [1, 1, 0.5], "without": [{"shape": "disk", "radius": {"uniform": [0.15, 0.25]}}]},
        "resolution": {"h": 0.4}, "unknowns": {"u": "P2"}, "form": "inner(grad(u), grad(v))*dx",
        "boundary": {"default": {"u": {"dirichlet": formula(exact)}}},
    }  # fmt: skip
    pdemill.generate({"problem": problem, "samples": 2, "certify": {"refine": 0}}, out=tmp_path / "s.zarr", workers=0)
    data = pdemill.open(tmp_path / "s.zarr", resample=(16, 16, 8))
    assert data.channels[-2:] == ("mask", "signed_distance")
    x, y, z = np.meshgrid(*data.coordinates(), indexing="ij")
    assert (x[0, 0, 0], y[0, 0, 0], z[0, 0, 0]) == (1 / 32, 1 / 32, 1 / 32)
    radii = data.data.columns(data.data.shards[0])["params"][:, 0]
    batch = data[:2]
    assert batch["y"].shape == (2, 1, 16, 16, 8)
    for number, radius in enumerate(radii):
        mask, distance = batch["x"][number, -2:]
        u = np.where(mask > 0, 1 + 2 * x - 3 * y + z + x * z, 0.0)
        np.testing.assert_allclose(batch["y"][number, 0], u, atol=1e-5)
        true = np.minimum.reduce([np.hypot(x - 0.5, y - 0.5) - radius, x, y, z, 1 - x, 1 - y, 0.5 - z])
        np.testing.assert_allclose(distance, true, atol=0.05)
        np.testing.assert_array_equal(mask > 0, distance > 0)
    assert data.normaliser("y").encode(batch["y"]).shape == (2, 1, 16, 16, 8)
    with pytest.raises(ValueError, match=r"resample=\(8, 8\) has 2 axes, and the mesh 3"):
        pdemill.open(tmp_path / "s.zarr", resample=(8, 8))
    with pytest.raises(ValueError, match=r"such as \[\[0, 0, 0\], \[1, 1, 1\]\]"):
        pdemill.open(tmp_path / "s.zarr", resample=(8, 8, 8), resample_box=[[0, 0], [1, 1]])


def images_of_inclusions(folder: Path, modulus: Any) -> Any:
    """Two samples with a disk whose radius is drawn, as images."""
    inclusion = {"shape": "disk", "radius": {"uniform": [0.2, 0.3]}}
    k = {"field": "regions", "values": {"inclusions": modulus, "default": 1.0}}
    problem = POISSON | {
        "domain": {"inclusions": [inclusion]}, "resolution": {"h": 0.2}, "coefficients": {"k": k},
        "form": "k*inner(grad(u), grad(v))*dx - v*dx",
    }  # fmt: skip
    pdemill.generate({"problem": problem, "samples": 2}, out=folder / "s.zarr", workers=0)
    return pdemill.open(folder / "s.zarr", resample=(64, 64))


@needs
@pytest.mark.slow
def test_regions_have_sharp_edges(tmp_path: Path) -> None:
    data = images_of_inclusions(tmp_path, {"uniform": [5, 6]})
    for number in range(2):
        value, radius = data.data.columns(data.data.shards[0])["params"][number]
        k = data[number]["x"][0]
        assert set(np.unique(k)) == {np.float32(1.0), np.float32(value)}
        x, y = np.meshgrid(*data.coordinates(), indexing="ij")
        far = np.abs(np.hypot(x - 0.5, y - 0.5) - radius) > 0.02
        np.testing.assert_array_equal((k > 2)[far], (np.hypot(x - 0.5, y - 0.5) < radius)[far])


@needs
@pytest.mark.slow
def test_inclusions_of_fixed_moduli_are_seen(tmp_path: Path) -> None:
    data = images_of_inclusions(tmp_path, 10.0)
    assert data.channels == ("x", "y", "region", "mask", "signed_distance")
    assert data[:0]["x"].shape == (0, 5, 64, 64)
    assert len(data.normaliser("x").mean) == 5
    x, y = np.meshgrid(*data.coordinates(), indexing="ij")
    for number in range(2):
        radius = data.data.columns(data.data.shards[0])["params"][number, 0]
        far = np.abs(np.hypot(x - 0.5, y - 0.5) - radius) > 0.02
        np.testing.assert_array_equal(data[number]["x"][2][far], (np.hypot(x - 0.5, y - 0.5) < radius)[far])


@needs
@pytest.mark.slow
def test_drawn_outlines_are_seen_in_one_box(tmp_path: Path) -> None:
    problem = POISSON | {"domain": {"shape": "disk", "radius": {"uniform": [0.5, 2]}}, "resolution": {"h": 0.3}}
    pdemill.generate({"problem": problem, "samples": 4}, out=tmp_path / "s.zarr", workers=0)
    radii = pdemill.open(tmp_path / "s.zarr").columns(pdemill.open(tmp_path / "s.zarr").shards[0])["params"][:, 0]
    data = pdemill.open(tmp_path / "s.zarr", resample=(64, 64), resample_box=[[-2, -2], [2, 2]])
    x, y = np.meshgrid(*data.coordinates(), indexing="ij")
    for number, radius in enumerate(radii):
        mask, u = data[number]["x"][-2], data[number]["y"][0]
        assert mask.mean() * 16 == pytest.approx(np.pi * radius**2, rel=0.05)
        np.testing.assert_allclose(u, np.where(mask > 0, (radius**2 - x**2 - y**2) / 4, 0), atol=0.03 * radius**2)
    narrow = pdemill.open(tmp_path / "s.zarr", resample=(8, 8))
    assert isinstance(narrow, Resampled)
    assert narrow.upper == pytest.approx((1.875, 1.875))


@needs
def test_what_cannot_be_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="resample is the cells of a grid"):
        Resampled(None, (64,))  # type: ignore[arg-type]
    spec = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1}
    pdemill.generate(spec, out=tmp_path / "s.zarr", workers=0)
    with pytest.raises(StoreError, match="it holds no triangles and no tetrahedra"):
        pdemill.open(tmp_path / "s.zarr", resample=(64, 64))
    with pytest.raises(ValueError, match="leave window, pairs, follow and sensors out"):
        pdemill.open(tmp_path / "s.zarr", resample=(64, 64), sensors={"random": 3})  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="give resample"):
        pdemill.open(tmp_path / "s.zarr", resample_box=[[0, 0], [1, 1]])  # type: ignore[call-overload]
