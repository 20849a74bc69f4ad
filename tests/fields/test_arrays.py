"""Users' own arrays as fields: exact on their own grid, interpolated elsewhere, kept with the store."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

import pdemill
from pdemill import arrays
from pdemill.draws import Draw
from pdemill.errors import SpecError, StoreError
from pdemill.points import TensorPoints
from pdemill.solvers.fields.array import OwnArray
from pdemill.spec import validate
from pdemill.spec.load import gather, load_spec
from tests.evolving import assert_same_bits
from tests.spectral.test_trajectories import arrays as stored

K = np.exp(np.random.default_rng(7).standard_normal((12, 16, 12)))
DARCY: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [16, 12], "coefficient": {"field": "array", "file": "k.npy"}},
    "samples": 12,
    "store": {"dtype": "float64", "shard": 5},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with K in it."""
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", K)
    return tmp_path


def _forget(patch: pytest.MonkeyPatch) -> None:
    """Let this process know of no array, as a new one does."""
    for known in ("_known", "_files", "_folders"):
        patch.setattr(arrays, known, {})


def _with(**coefficient: Any) -> dict[str, Any]:
    return {**DARCY, "problem": {**DARCY["problem"], "coefficient": {**DARCY["problem"]["coefficient"], **coefficient}}}


def test_sample_i_is_solved_with_row_i_and_the_store_needs_no_file_but_its_own(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pdemill.generate(DARCY, "a.zarr", workers=0).ok
    Path("k.npy").unlink()
    _forget(monkeypatch)
    found = stored(here / "a.zarr")
    np.testing.assert_array_equal(found["input"][:, 0], K)
    np.testing.assert_array_equal(found["params"][:, 0], np.arange(12))
    assert pdemill.verify("a.zarr").ok


def test_a_kept_array_that_was_changed_is_a_fault(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pdemill.generate(DARCY, "a.zarr", workers=0)
    (kept,) = (here / "a.zarr" / arrays.FOLDER).glob("*.npy")
    np.save(kept, K * 2.0)
    _forget(monkeypatch)
    assert any("is not the array that the spec names" in fault for fault in pdemill.verify("a.zarr").faults)


def test_bits_depend_on_neither_shards_nor_workers(here: Path) -> None:
    assert_same_bits(DARCY, here)


def test_every_kind_of_file_has_the_same_id(here: Path) -> None:
    np.savez("k.npz", k=K, other=K[:2])
    zarr.create_group("k.zarr").create_array("k", data=K)
    zarr.create_array("alone.zarr", data=K)
    with h5py.File("k.h5", "w") as file:
        file.create_group("nu").create_dataset("k", data=K)
    names = ["k.npy", "k.npz#/k", "k.zarr#/k", "k.zarr", "alone.zarr", "k.h5#/nu/k"]
    assert len({arrays.register(name) for name in names}) == 1
    np.save("f.npy", np.asfortranarray(K))
    np.save("big.npy", K.astype(">f8"))
    assert arrays.register("f.npy") == arrays.register("big.npy") == arrays.register("k.npy")
    assert arrays.register("k.npz#/other") != arrays.register("k.npy")


def test_a_file_that_has_changed_is_another_array(here: Path) -> None:
    first = arrays.register("k.npy")
    np.save("k.npy", K[:11])
    assert arrays.register("k.npy") != first


def test_splits_take_the_rows_that_are_said(here: Path) -> None:
    spec = _with(rows={"train": [2, 8], "test": [8, 12]})
    spec = {key: value for key, value in spec.items() if key != "samples"} | {"splits": {"train": 6, "test": 4}}
    pdemill.generate(spec, "a.zarr", workers=0)
    np.testing.assert_array_equal(stored(here / "a.zarr")["input"][:, 0], K[2:8])
    np.testing.assert_array_equal(stored(here / "a.zarr", "test")["input"][:, 0], K[8:12])


def _points(unit: np.ndarray[Any, Any], dimension: int) -> TensorPoints:
    axes = dict.fromkeys(("x", "y", "z")[:dimension], 2.0 * unit)
    return TensorPoints(axes, dict.fromkeys(axes, 2.0))


def _row(values: np.ndarray[Any, Any], **keys: Any) -> Any:
    field = OwnArray.model_validate({"field": "array", "array": arrays.hold(values[None]), **keys})
    return field.realise(Draw(0, "train", 0))


@pytest.mark.parametrize("where", ["cells", "nodes", "periodic"])
def test_linear_interpolation_is_of_second_order(where: str) -> None:
    errors = []
    for n in (16, 32, 64):
        own = {"cells": (np.arange(n) + 0.5) / n, "nodes": np.linspace(0, 1, n), "periodic": np.arange(n) / n}[where]
        inner = 0.1 + 0.8 * (np.arange(40) + 0.3) / 40
        found = _row(np.outer(np.sin(2 * np.pi * own), np.cos(2 * np.pi * own)), points=where, interpolate="linear")
        errors.append(
            abs(found(_points(inner, 2)) - np.outer(np.sin(2 * np.pi * inner), np.cos(2 * np.pi * inner))).max()
        )
    assert np.log2(errors[0] / errors[1]) > 1.8
    assert np.log2(errors[1] / errors[2]) > 1.8


@pytest.mark.parametrize("n", [16, 15])
@pytest.mark.parametrize(("m", "shift"), [(32, 0.0), (24, 0.5), (10, 0.0), (7, 0.5), (16, 0.5), (15, 0.25)])
def test_spectral_interpolation_is_exact_for_waves(n: int, m: int, shift: float) -> None:
    def wave(x: np.ndarray[Any, Any]) -> Any:
        line = 0.3 + np.sin(2 * np.pi * x) - 0.5 * np.cos(2 * np.pi * 7 * x + 0.4)
        return np.outer(line, np.cos(2 * np.pi * 3 * x) + 1.0)

    places = (np.arange(m) + shift) / m
    field = _row(wave(np.arange(n) / n), points="periodic")
    np.testing.assert_allclose(field(_points(places, 2)), wave(places), atol=1e-13)
    np.testing.assert_allclose(field(_points(places[1:4], 2)), wave(places[1:4]), atol=1e-13)


def test_nearest_takes_the_value_of_the_cell() -> None:
    found = _row(np.arange(4.0), interpolate="nearest")(_points(np.array([0.01, 0.3, 0.7, 0.99]), 1))
    assert found.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_periodic_equation_starts_from_rows(here: Path) -> None:
    x = np.arange(64) / 64
    start = np.array([np.sin(2 * np.pi * x + a) + 0.3 * np.cos(4 * np.pi * x) for a in (0.0, 0.4, 1.0)])
    np.save("u.npy", start)
    spec = {
        "problem": {
            "family": "burgers", "resolution": [64], "viscosity": 0.1,
            "initial": {"field": "array", "file": "u.npy", "points": "periodic"}, "time": {"end": 0.2, "intervals": 2},
        },
        "samples": 3,
        "store": {"dtype": "float64"},
    }  # fmt: skip
    assert pdemill.generate(spec, "a.zarr", workers=0).ok
    np.testing.assert_allclose(stored(here / "a.zarr")["solution"][:, 0, 0], start, atol=1e-14)
    assert pdemill.verify("a.zarr").ok


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((12, 16, 12), "a", object), "cannot read"),
        (K + 1j, "complex128"),
        (np.where(np.arange(12)[:, None, None] == 5, np.nan, K), "row 5 of"),
        (np.where(np.arange(12)[:, None, None] == 7, np.inf, K), "row 7 of"),
        (K[0, 0], "has the shape (12,)"),
        (K[:0], "has the shape (0, 16, 12)"),
        (K[:, :, :1], "has the shape (12, 16, 1)"),
        (K[:, :, 0], "has 1 axes of space, and this is in 2 dimensions"),
        (K[:11], "has 11 rows for the 12 samples of train"),
        (K[:, ::2], "the array is on 8x12 cells, the job on 16x12 cells"),
        (np.where(np.arange(12)[:, None, None] == 4, -1.0, K), "reaches down to -1 in row 4 of the array"),
    ],
)
def test_what_cannot_be_a_coefficient_is_refused(here: Path, values: Any, message: str) -> None:
    np.save("k.npy", values)
    with pytest.raises(SpecError) as told:
        pdemill.generate(DARCY, "a.zarr", workers=0)
    assert message in str(told.value)
    assert str(told.value).startswith("problem.coefficient")
    assert not Path("a.zarr").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"file": "none.npy"}, "problem.coefficient.file: cannot read none.npy: No such file"),
        ({"file": 3}, "problem.coefficient.file: should be the name of a file"),
        ({"array": "0" * 64}, "problem.coefficient.file: stands for array"),
        ({"rows": {"train": [3, 13]}}, "problem.coefficient.rows.train: should be [first, behind the last] of the 12"),
        ({"rows": {"test": [0, 12]}}, "problem.coefficient.rows: says nothing of the split train"),
        ({"interpolate": "spectral"}, "problem.coefficient.interpolate: spectral is from points: periodic"),
        ({"points": "nodes"}, "problem.coefficient.interpolate: is needed"),
    ],
)
def test_keys_that_do_not_fit_are_refused_with_their_path(here: Path, keys: Any, message: str) -> None:
    with pytest.raises(SpecError) as told:
        load_spec(_with(**keys))
    assert message in str(told.value)


def test_a_split_without_rows_of_its_own_is_refused(here: Path) -> None:
    spec = {**{key: value for key, value in DARCY.items() if key != "samples"}, "splits": {"train": 4, "test": 4}}
    with pytest.raises(SpecError, match=r"problem\.coefficient\.rows: is needed where there are several splits"):
        load_spec(spec)


def test_a_dictionary_that_is_validated_as_it_is_names_no_file(here: Path) -> None:
    with pytest.raises(SpecError, match=r"problem\.coefficient\.file"):
        validate(DARCY)
    spec = json.loads(json.dumps(_with(array="0" * 64)))
    del spec["problem"]["coefficient"]["file"]
    with pytest.raises(SpecError, match=r"problem\.coefficient\.array: no array 000000000000"):
        validate(spec)


def test_hostile_files_are_refused(here: Path) -> None:
    whole = Path("k.npy").read_bytes()
    Path("cut.npy").write_bytes(whole[:-8])
    Path("huge.npy").write_bytes(whole.replace(b"(12, 16, 12)", b"(10**12,)   "))
    Path("vast.npy").write_bytes(whole.replace(b"(12, 16, 12)", b"(9999999999,9)"[:12]))
    Path("text.npy").write_bytes(b"no array")
    Path("none.npz").write_bytes(b"PK")
    Path("plain.csv").write_bytes(b"1,2")
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("k.npy", whole)
        bomb.infolist()[0].file_size = arrays.MOST_PACKED + 1
    zarr.create_group("empty.zarr")
    for name in ("cut.npy", "huge.npy", "vast.npy", "text.npy", "none.npz", "plain.csv", "bomb.npz", "empty.zarr", "."):
        with pytest.raises(SpecError, match=r"^problem\.coefficient\.file: "):
            load_spec(_with(file=name))


def test_a_copy_that_is_there_is_left_as_it_is(here: Path) -> None:
    known = arrays.register("k.npy")
    arrays.keep(known, here)
    before = (here / arrays.name_of(known)).stat()
    arrays.keep(known, here)
    assert (here / arrays.name_of(known)).stat().st_ino == before.st_ino
    np.testing.assert_array_equal(np.load(arrays.name_of(known)), K)


def test_a_file_that_changes_while_it_is_used_makes_no_other_data(here: Path) -> None:
    spec = gather(DARCY)
    values = np.load("k.npy", mmap_mode="r+")
    values[3] *= 2.0
    values.flush()
    with pytest.raises(StoreError, match="is not the array that the spec names"):
        pdemill.generate(spec, "a.zarr", workers=0)


def test_fresh_walks_take_no_arrays(here: Path) -> None:
    problem = {
        "family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 4},
        "source": {"field": "array", "file": "k.npy", "interpolate": "linear"},
    }  # fmt: skip
    with pytest.raises(SpecError, match="takes no arrays here"):
        pdemill.walk_labels({"problem": problem, "samples": 4}, epoch=0)


def test_rows_are_shuffled_by_a_seed_whatever_the_number_of_samples(here: Path) -> None:
    shuffled = _with(shuffle=3)
    assert pdemill.generate(shuffled, "a.zarr", workers=0).ok
    rows = stored(here / "a.zarr")["params"][:, 0].astype(int)
    assert sorted(rows) == list(range(12))
    assert list(rows) != list(range(12))
    np.testing.assert_array_equal(stored(here / "a.zarr")["input"][:, 0], K[rows])
    assert pdemill.generate({**shuffled, "samples": 5}, "b.zarr", workers=0).ok
    np.testing.assert_array_equal(stored(here / "b.zarr")["params"][:, 0], rows[:5])
    assert validate(gather(_with())).sha256() != validate(gather(shuffled)).sha256()
    assert pdemill.verify("a.zarr").ok


def test_failed_samples_are_told_by_their_rows(here: Path) -> None:
    failed = pdemill.generate({**_with(shuffle=3), "certify": {"error_rtol": 1e-12}}, "a.zarr", workers=0).failures
    rows = stored(here / "a.zarr")["params"][:, 0].astype(int)
    assert len(failed) == 12
    for failure in failed:
        assert failure.reason.endswith(f" (row {rows[failure.sample]} of problem.coefficient)")


def test_a_file_of_the_form_of_pdebench_is_read_as_it_is(here: Path) -> None:
    """2D_DarcyFlow_beta*.hdf5: nu [N, x, y], tensor [N, 1, x, y] and coordinates."""
    with h5py.File("2D_DarcyFlow_beta1.0_Train.hdf5", "w") as file:
        file["nu"] = K.astype(np.float32)
        file["tensor"] = K[:, None].astype(np.float32)
        file["x-coordinate"], file["y-coordinate"] = (np.arange(16) + 0.5) / 16, (np.arange(12) + 0.5) / 12
        file.attrs["beta"] = 1.0
    nu, tensor = (arrays.register(f"2D_DarcyFlow_beta1.0_Train.hdf5#/{name}") for name in ("nu", "tensor"))
    assert nu == tensor
    assert pdemill.generate(_with(file="2D_DarcyFlow_beta1.0_Train.hdf5#/nu"), "a.zarr", workers=0).ok
    np.testing.assert_array_equal(stored(here / "a.zarr")["input"][:, 0], K.astype(np.float32))


def saved(path: str, told: bytes, *storages: bytes, packed: bool = False) -> None:
    """A file as torch.save writes it, of a pickle and storages."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        file.writestr("k/data.pkl", told)
        file.writestr("k/byteorder", b"little")
        for number, data in enumerate(storages):
            file.writestr(f"k/data/{number}", data)


class _Storage:
    """What torch.save hands to ``persistent_id``."""

    def __init__(self, kind: str, count: int, key: str = "0") -> None:
        self.told = ("storage", _Named("torch", kind), key, "cpu", count)


class _Named:
    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Tensor:
    def __init__(self, *told: Any) -> None:
        self.told = told


_InPython: Any = pickle._Pickler


class _Pickler(_InPython):  # type: ignore[misc]
    """Writes what PyTorch writes, without it."""

    def persistent_id(self, value: Any) -> Any:
        return value.told if isinstance(value, _Storage) else None

    def save(self, value: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(value, _Named):
            self.write(f"c{value.module}\n{value.name}\n".encode())
            return None
        if isinstance(value, _Tensor):
            self.save_reduce(_Named("torch._utils", "_rebuild_tensor_v2"), value.told, obj=value)
            return None
        return super().save(value, save_persistent_id)

    def save_reduce(self, func: Any, args: Any, *rest: Any, obj: Any = None) -> None:
        if not isinstance(func, _Named):
            super().save_reduce(func, args, *rest, obj=obj)
            return
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)


def pickled(value: Any) -> bytes:
    out = BytesIO()
    _Pickler(out, 2).dump(value)
    return out.getvalue()


def tensor(
    shape: tuple[int, ...], strides: tuple[int, ...], count: int, offset: int = 0, kind: str = "DoubleStorage"
) -> _Tensor:
    return _Tensor(_Storage(kind, count), offset, shape, strides, False, {})


def test_tensors_of_torch_are_read_without_it(here: Path) -> None:
    size = K.size
    saved("c.pt", pickled({"x": tensor(K.shape, (192, 12, 1), size), "y": [tensor((2,), (1,), size)]}), K.tobytes())
    saved("f.pt", pickled(tensor(K.shape, (1, 12, 192), size + 1, 1)), b"\0" * 8 + K.tobytes(order="F"))
    assert arrays.register("c.pt#/x") == arrays.register("f.pt") == arrays.register("k.npy")
    assert load_spec(_with(file="c.pt#/x")).samples == 12
    with pytest.raises(SpecError, match=r"c\.pt holds x, y/0: name one, such as c\.pt#/x"):
        load_spec(_with(file="c.pt"))


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch harmed",)


@pytest.mark.parametrize(
    "told",
    [
        pickle.dumps(_Evil(), 2),
        b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
        b"\x80\x02ctorch.storage\n_load_from_bytes\n(X\x01\x00\x00\x001tR.",
        b"\x80\x02ccollections\nOrderedDict\n)R}(X\x01\x00\x00\x00aK\x01ub.",
        b"\x80\x02c", b"", b"\x80\x02(", b"\x80\x02r\xff\xff\xff\xff.", b"\x80\x04\x8d" + b"\xff" * 7 + b"\x00abc.",
        b"\x80\x02X\x01", b"\x80\x02G\x00",
        pickled(tensor((12, 16, 12), (192, 12, 1), 10**9)),
        pickled(tensor((10**12, 16, 12), (0, 12, 1), K.size)),
        pickled(tensor((12, 16, 13), (192, 12, 1), K.size)),
        pickled(tensor((12, 16, 12), (192, 12, 1), K.size, 1)),
        pickled(tensor((12, 16, 12), (-192, 12, 1), K.size, 11 * 192)),
        pickled(tensor((12, 16, 12), (192, 12), K.size)),
        pickled(tensor((12, 16, 12), (192, 12, 1), K.size, kind="BFloat16Storage")),
        pickled(_Tensor(_Storage("DoubleStorage", K.size, "../k/data.pkl"), 0, (2, 2), (1, 1), False, {})),
    ],
)  # fmt: skip
def test_pickles_that_ask_for_more_than_tensors_are_refused(here: Path, told: bytes) -> None:
    saved("evil.pt", told, K.tobytes())
    with pytest.raises(SpecError, match=r"^problem\.coefficient\.file: "):
        load_spec(_with(file="evil.pt"))
    assert not Path("harmed").exists()


def test_archives_that_are_packed_or_of_another_kind_are_refused(here: Path) -> None:
    whole = pickled(tensor(K.shape, (192, 12, 1), K.size))
    saved("packed.pt", whole, K.tobytes(), packed=True)
    saved("long.pt", b"\0" * 2_000_000, K.tobytes())
    Path("old.pt").write_bytes(pickle.dumps(119547037146038801333356, 2))
    with zipfile.ZipFile("none.pt", "w") as file:
        file.writestr("k/other", b"")
    np.savez_compressed("damaged.npz", k=K)
    damaged = bytearray(Path("damaged.npz").read_bytes())
    damaged[200:210] = bytes(10)
    Path("damaged.npz").write_bytes(damaged)
    saved("locked.pt", whole, K.tobytes())
    locked = Path("locked.pt").read_bytes()
    Path("locked.pt").write_bytes(locked.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"))
    for name in ("packed.pt", "long.pt", "old.pt", "none.pt", "damaged.npz#/k", "locked.pt"):
        with pytest.raises(SpecError, match=r"^problem\.coefficient\.file: "):
            load_spec(_with(file=name))
