"""An export holds the store's certified samples and what vouches for them; it is there whole or not at all."""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import CorruptStore, ExportError, IncompleteStore, MissingExtra, TooLarge
from pdemill.exports.format import formats
from tests.command import pdemill as command

PLATE = {
    "family": "poisson", "resolution": [8, 6], "source": {"field": "gaussian", "modes": 4},
    "boundary": {"left": {"dirichlet": {"uniform": [0, 1]}}, "bottom": "periodic", "top": "periodic"},
}  # fmt: skip

TENSOR = {
    "family": "darcy", "resolution": [8, 6], "coefficient": {"diagonal": [{"field": "lognormal"}, 2.0]},
}  # fmt: skip


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store, some of whose samples have no solution."""
    formula = {"field": "expression", "formula": "1 + a * sin(pi * x)", "where": {"a": {"uniform": [-2, 1]}}}
    force = {"field": "expression", "formula": "x"}
    problem = {"family": "darcy", "resolution": [8, 8], "coefficient": formula, "source": force}
    store = tmp_path_factory.mktemp("broken") / "store.zarr"
    assert pdemill.generate({"problem": problem, "samples": 40, "store": {"shard": 16}}, store, workers=0).failures
    return store


def arrays(store: Path, split: str) -> Any:
    return zarr.open_group(store, mode="r")[split]


def test_pdebench_files_hold_inputs_solutions_and_coordinates(darcy_store: Path, tmp_path: Path) -> None:
    made = pdemill.export(darcy_store, tmp_path / "out", to="pdebench")
    assert [path.name for path in made.files] == ["2D_darcy_test.hdf5", "2D_darcy_train.hdf5"]
    assert (made.samples, made.left_out) == ({"train": 40, "test": 7}, {"train": 0, "test": 0})
    for split in ("train", "test"):
        truth = arrays(darcy_store, split)
        with h5py.File(tmp_path / "out" / f"2D_darcy_{split}.hdf5") as file:
            assert np.array_equal(file["nu"], truth["input"][:, 0])
            assert np.array_equal(file["tensor"], truth["solution"][...])
            assert (file["tensor"].dtype, file.attrs["beta"]) == (np.float32, 1.0)
            assert np.allclose(file["x-coordinate"], (np.arange(16) + 0.5) / 16, rtol=1e-6)
            assert np.allclose(file["y-coordinate"], (np.arange(12) + 0.5) / 12, rtol=1e-6)


@pytest.mark.parametrize("to", ["pdebench", "well"])
def test_the_spec_and_the_certificates_come_along(darcy_store: Path, tmp_path: Path, to: str) -> None:
    made = pdemill.export(darcy_store, tmp_path / "out", to=to)
    truth = arrays(darcy_store, "test")
    with h5py.File(made.files[0]) as file:
        record = json.loads(file["pdemill/attributes"][()])
        names = [
            "algebraic_error", "error_estimate", "error_order", "flags", "iterations", "method", "rel_residual",
            "sample_id", "stored_error",
        ]  # fmt: skip
        assert sorted(file["pdemill/certificates"]) == names
        for name in names:
            assert np.array_equal(file["pdemill/certificates"][name], truth[name][...], equal_nan=True)
    method = truth["method"].attrs
    assert list(record.pop("methods").values()) == method["flag_meanings"].split()
    flags = truth["flags"].attrs
    assert record.pop("flags") == dict(zip(flags["flag_meanings"].split(), flags["flag_masks"], strict=True))
    assert record == dict(zarr.open_group(darcy_store, mode="r").attrs)


@pytest.mark.parametrize("to", ["pdebench", "well"])
def test_samples_without_a_solution_are_left_out_and_named(broken: Path, tmp_path: Path, to: str) -> None:
    made = pdemill.export(broken, tmp_path / "out", to=to)
    truth = arrays(broken, "train")
    good = np.flatnonzero(truth["method"][...])
    assert 0 < len(good) < 40
    assert (made.samples["train"], made.left_out["train"]) == (len(good), 40 - len(good))
    with h5py.File(made.files[0]) as file:
        fields = {"well": "t0_fields/u", "pdebench": "tensor"}
        assert np.array_equal(file[fields[to]], truth["solution"][...][good])
        assert np.array_equal(file["pdemill/certificates/sample_id"], good)
        assert np.array_equal(file["pdemill/left_out/sample"], np.setdiff1d(np.arange(40), good))
        assert file.attrs["samples_left_out"] == 40 - len(good)
        reasons = json.loads(file["pdemill/left_out/reason"][()])
        assert len(reasons) == 40 - len(good)
        assert all(reason.startswith("INVALID: coefficient must be positive") for reason in reasons)
        assert to == "well" or "beta" not in file.attrs  # the force is no number


def test_the_well_has_fields_scalars_and_boundaries(tmp_path: Path) -> None:
    pdemill.generate({"problem": PLATE, "splits": {"train": 5, "valid": 2}}, tmp_path / "store.zarr", workers=0)
    made = pdemill.export(tmp_path / "store.zarr", tmp_path / "out", to="well")
    folder = tmp_path / "out" / "data"
    files = folder / "train" / "poisson.hdf5", folder / "valid" / "poisson.hdf5"
    assert made.files == (*files, tmp_path / "out" / "stats.yaml")
    truth = arrays(tmp_path / "store.zarr", "train")
    channels = zarr.open_group(tmp_path / "store.zarr", mode="r").attrs["input_channels"]
    with h5py.File(made.files[0]) as file:
        assert {"source", "left_dirichlet"} == set(channels)  # type: ignore[arg-type]
        for number, name in enumerate(channels):  # type: ignore[arg-type]
            assert np.array_equal(file["t0_fields"][name], truth["input"][:, number])
            assert not file["t0_fields"][name].attrs["time_varying"]
        assert np.array_equal(file["t0_fields/u"], truth["solution"][...])
        assert file["t0_fields/u"].shape == (5, 1, 8, 6)
        assert file["t0_fields/u"].attrs["time_varying"]
        assert np.array_equal(file["scalars/left_dirichlet"], truth["params"][:, 0].astype(np.float32))
        kinds = {name: file["boundary_conditions"][name].attrs["bc_type"] for name in file["boundary_conditions"]}
        assert kinds == {"x_wall": "WALL", "y_periodic": "PERIODIC"}
        told = json.loads(file["boundary_conditions/x_wall"].attrs["conditions"])
        assert told == {"left": {"dirichlet": {"uniform": [0.0, 1.0]}}, "right": {"dirichlet": 0.0}}


@pytest.mark.parametrize("to", ["pdebench", "well"])
def test_the_same_store_gives_the_same_bytes(darcy_store: Path, tmp_path: Path, to: str) -> None:
    made = [pdemill.export(darcy_store, tmp_path / name, to=to).files for name in ("a", "b")]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]


@pytest.mark.parametrize("to", formats)
def test_a_store_that_is_not_finished_is_refused(darcy_store: Path, tmp_path: Path, to: str) -> None:
    store = shutil.copytree(darcy_store, tmp_path / "store.zarr")
    (store / "_manifest" / "train-00001.json").unlink()
    with pytest.raises(IncompleteStore, match="is not finished: run generate again"):
        pdemill.export(store, tmp_path / "out", to=to)
    assert [path.name for path in tmp_path.iterdir()] == ["store.zarr"]


def test_nothing_is_written_over(darcy_store: Path, tmp_path: Path) -> None:
    for taken in (tmp_path, darcy_store / "zarr.json"):
        with pytest.raises(ExportError, match="exists; choose another place, or remove it"):
            pdemill.export(darcy_store, taken, to="pdebench")
    assert not list(tmp_path.iterdir())


def test_a_store_is_no_place_for_an_export(darcy_store: Path, tmp_path: Path) -> None:
    store = shutil.copytree(darcy_store, tmp_path / "store.zarr")
    (tmp_path / "link").symlink_to(store / "train")
    for out in (store / "out", tmp_path / "link" / "deep" / "out"):
        with pytest.raises(ExportError, match=r"is inside the store .*/store\.zarr; choose another place"):
            pdemill.export(darcy_store, out, to="pdebench")
    assert sorted(path.name for path in store.iterdir()) == sorted(path.name for path in darcy_store.iterdir())
    assert not (store / "train" / "deep").exists()


def test_values_beyond_float32_are_refused(tmp_path: Path) -> None:
    problem = {"family": "darcy", "resolution": [4, 4], "source": 1e60, "coefficient": {"field": "lognormal"}}
    spec = {"problem": problem, "samples": 1, "store": {"dtype": "float64"}}
    assert pdemill.generate(spec, tmp_path / "store.zarr", workers=0).ok
    with pytest.raises(TooLarge, match="sample 0 of train: solution has numbers beyond float32"):
        pdemill.export(tmp_path / "store.zarr", tmp_path / "out", to="pdebench")
    assert [path.name for path in tmp_path.iterdir()] == ["store.zarr"]


@pytest.mark.parametrize("to", ["pdebench", "well"])
def test_nothing_stays_behind_where_a_store_turns_out_damaged(darcy_store: Path, tmp_path: Path, to: str) -> None:
    store = shutil.copytree(darcy_store, tmp_path / "store.zarr")
    file = store / "test" / "solution" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[40] ^= 4
    file.write_bytes(data)
    with pytest.raises(CorruptStore, match="sample 0 of test, shard 0"):
        pdemill.export(store, tmp_path / "out", to=to)
    column = store / "train" / "rel_residual" / "c" / "1"
    column.write_bytes(column.read_bytes()[:-1])
    with pytest.raises(CorruptStore, match="train/rel_residual cannot be read"):
        pdemill.export(store, tmp_path / "out", to=to)
    assert [path.name for path in tmp_path.iterdir()] == ["store.zarr"]


@pytest.mark.parametrize(("problem", "to", "reason"), [
    ({"resolution": [16]}, "pdebench", "grids in two dimensions"),
    ({"resolution": [16]}, "well", "grids in two and three dimensions"),
    (PLATE, "pdebench", "this store has .*source.* and u"),
    (TENSOR, "pdebench", "nu is a scalar, and coefficient_x one entry of a tensor or a vector"),
    (PLATE, "netcdf", "hold trajectories on grids"),
    (PLATE, "vtu", "hold meshes"),
], ids=["line-pdebench", "line-well", "channels", "tensor", "steady-netcdf", "grid-vtu"])  # fmt: skip
def test_what_a_format_cannot_hold_is_refused_with_the_reason(
    tmp_path: Path, problem: dict[str, Any], to: str, reason: str
) -> None:
    pdemill.generate({"problem": {"family": "poisson"} | problem, "samples": 1}, tmp_path / "store.zarr", workers=0)
    with pytest.raises(ExportError, match=f"cannot be exported to {to}: .*{reason}"):
        pdemill.export(tmp_path / "store.zarr", tmp_path / "out", to=to)
    with pytest.raises(ExportError, match="unknown format 'csv'; choose one of netcdf, pdebench, pt, vtu, well, xdmf"):
        pdemill.export(tmp_path / "store.zarr", tmp_path / "out", to="csv")


@pytest.mark.parametrize(("to", "module", "extra"), [("pt", "torch", "torch"), ("well", "h5py", "export")])
def test_a_library_that_is_missing_is_named_with_its_extra(
    darcy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"--to {to} needs {module}: pip install 'pdemill\[{extra}\]'"):
        pdemill.export(darcy_store, tmp_path / "out", to=to)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", ["pdebench", "well"])
def test_a_disk_that_does_not_take_the_file_is_one_clear_error(darcy_store: Path, tmp_path: Path, to: str) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(ExportError, match=r"^cannot write .*/out: File too large$"):
            pdemill.export(darcy_store, tmp_path / "out", to=to)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_memory_holds_a_shard_however_many_there_are(tmp_path: Path) -> None:
    problem = {"family": "poisson", "resolution": [32, 32], "source": {"uniform": [0, 1]}}
    peaks = []
    for samples in (32, 256):
        store = tmp_path / f"{samples}.zarr"
        spec = {"problem": problem, "samples": samples, "store": {"shard": 16}, "certify": {"refine": 0}}
        pdemill.generate(spec, store, workers=0)
        pdemill.export(store, tmp_path / f"warm-{samples}", to="pdebench")
        tracemalloc.start()
        pdemill.export(store, tmp_path / f"{samples}", to="pdebench")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] < 2**20
    assert (tmp_path / "256" / "2D_poisson_train.hdf5").stat().st_size > 2 * 2**20


def test_the_command_tells_what_it_wrote(broken: Path, tmp_path: Path) -> None:
    ran = command("export", broken, tmp_path / "out", "--to", "pdebench")
    assert ran.returncode == 0, ran.stderr
    counts, file = ran.stdout.splitlines()
    assert counts.startswith("train: ")
    assert counts.endswith(" without a certified solution left out")
    assert file == str(tmp_path / "out" / "2D_darcy_train.hdf5")
    again = command("export", broken, tmp_path / "out", "--to", "pdebench")
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    assert again.stderr.startswith("error: ")
    other = command("export", broken, tmp_path / "other", "--to", "csv")
    assert (other.returncode, "'csv' is not one of" in other.stderr) == (2, True)


def test_the_help_tells_what_every_format_is() -> None:
    told = " ".join(command("export", "-h").stdout.split())
    for name, made in formats.items():
        assert f"{name} {(made.__doc__ or '').splitlines()[0]}" in told


@pytest.mark.needs("ffcx")
def test_meshes_are_opened_by_paraview(tmp_path: Path) -> None:
    """Read back by meshio: points, cells, channels by name, vectors as such; certificates beside."""
    import meshio

    problem: dict[str, Any] = {
        "family": "weak_form", "resolution": [4, 3],
        "unknowns": {"u": {"element": "P2", "shape": "vector", "test": "v"}, "p": {"element": "P1", "test": "q"}},
        "coefficients": {"u_in": {"uniform": [1, 2]}},
        "form": "inner(grad(u), grad(v))*dx - p*div(v)*dx - q*div(u)*dx - u_in*y*v[0]*dx",
        "boundary": {"right": "natural", "default": {"u": {"dirichlet": [0.0, 0.0]}}},
    }  # fmt: skip
    store = tmp_path / "flow.zarr"
    assert pdemill.generate({"problem": problem, "samples": 3, "store": {"shard": 2}}, store, workers=0).ok
    made = pdemill.export(store, tmp_path / "out", to="vtu")
    names = [str(path.relative_to(made.out)) for path in made.files]
    assert names == [
        *(f"weak_form_train/0000{i}.vtu" for i in range(3)), "weak_form_train.json", "weak_form_train.pvd"
    ]  # fmt: skip
    data = pdemill.open(store)
    for number in range(3):
        found = meshio.read(tmp_path / f"out/weak_form_train/0000{number}.vtu")
        assert [block.type for block in found.cells] == ["triangle6"]
        assert np.array_equal(found.cells[0].data, data.shared()["cells"])
        assert np.array_equal(found.points[:, :2], data.shared()["points"])
        assert np.array_equal(found.point_data["u"][:, :2].T, data[number]["y"][:2])
        assert np.array_equal(found.point_data["p"], data[number]["y"][2])
        assert np.array_equal(found.point_data["u_in"], data[number]["x"][0])
    told = json.loads((tmp_path / "out/weak_form_train.json").read_text())
    assert told["certificates"]["sample_id"] == [0, 1, 2]
    assert told["pdemill"]["complete"]
    again = pdemill.export(store, tmp_path / "again", to="vtu")
    assert [path.read_bytes() for path in again.files] == [path.read_bytes() for path in made.files]


@pytest.mark.needs("ffcx", "netgen")
def test_meshes_of_their_own_with_regions_for_paraview(tmp_path: Path) -> None:
    """XDMF and VTU, read back by meshio: XDMF a grid at a time, since meshio reads no collections of other meshes."""
    import meshio

    problem: dict[str, Any] = {
        "family": "weak_form", "resolution": {"h": 0.3},
        "domain": {"inclusions": [{"shape": "disk", "radius": {"uniform": [0.2, 0.3]}}]},
        "unknowns": {"u": {"element": "P2", "shape": "vector"}},
        "coefficients": {"k": {"field": "regions", "values": {"inclusion0": 5, "default": {"uniform": [1, 2]}}}},
        "form": "k*inner(grad(u), grad(v))*dx - v[0]*dx",
        "boundary": {"default": {"u": {"dirichlet": [0.0, 0.0]}}},
    }  # fmt: skip
    store = tmp_path / "plate.zarr"
    assert pdemill.generate({"problem": problem, "samples": 2, "store": {"shard": 1}}, store, workers=0).ok
    made = pdemill.export(store, tmp_path / "out", to="xdmf")
    assert [path.name for path in made.files] == ["weak_form_train.h5", "weak_form_train.xdmf"]
    pdemill.export(store, tmp_path / "vtu", to="vtu")
    data, tree = pdemill.open(store), ElementTree.parse(tmp_path / "out/weak_form_train.xdmf")
    grids = tree.findall("Domain/Grid/Grid")
    assert [grid.find("Time").get("Value") for grid in grids] == ["0", "1"]  # type: ignore[union-attr]
    for number, grid in enumerate(grids):
        grid.remove(grid.find("Time"))  # type: ignore[arg-type]
        alone = ElementTree.Element("Xdmf", Version="3.0")
        ElementTree.SubElement(alone, "Domain").append(grid)
        ElementTree.ElementTree(alone).write(tmp_path / "out/one.xdmf")
        for found in (
            meshio.read(tmp_path / "out/one.xdmf"), meshio.read(tmp_path / f"vtu/weak_form_train/0000{number}.vtu")
        ):  # fmt: skip
            assert [block.type for block in found.cells] == ["triangle6"]
            assert np.array_equal(found.cells[0].data, data.shared()["cells"])
            assert np.array_equal(found.points[:, :2].astype(np.float32), data[number]["points"])
            assert np.array_equal(found.point_data["u"][:, :2].T, data[number]["y"])
            assert np.array_equal(found.point_data["k"], data[number]["x"][0])
            assert np.array_equal(found.cell_data["cell_regions"][0], data.shared()["cell_regions"])
    again = pdemill.export(store, tmp_path / "again", to="xdmf")
    assert [path.read_bytes() for path in again.files] == [path.read_bytes() for path in made.files]
