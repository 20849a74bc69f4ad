"""Users' own arrays, known by their content: [rows, *space] in NPY, NPZ, Zarr, HDF5 or files of torch.save.

An array's id is the SHA-256 of its type, its shape and its values, whatever file holds them. Stores keep a copy under
``_arrays``, so that they need no file but their own.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import BytesIO
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import get_ident
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.addresses import Place, on_disk
from pdemill.draws import Draw
from pdemill.errors import ArrayError, StoreError
from pdemill.extras import library
from pdemill.store.disk import Readable
from pdemill.store.places import below, disk_at
from pdemill.store.placing import make_folders, write_once
from pdemill.torch_file import open_tensors, tensors

FOLDER = "_arrays"
MOST_AXES = 4
"""Of an array: rows, and up to three of space."""
MOST_PACKED = 1 << 32
"""Bytes of an array in an NPZ file, which is unpacked in memory."""
UNREADABLE = (
    ArrayError, OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, SyntaxError, BadZipFile, TokenError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What reading files that are no arrays raises."""
_BLOCK = 1 << 24
"""Bytes read at a time."""


@dataclass(frozen=True)
class Facts:
    """What is known of an array: its id, its type and shape, its least and its largest value, and the row of either."""

    id: str
    dtype: str
    shape: tuple[int, ...]
    low: float
    low_row: int
    high: float
    high_row: int

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Facts:
        found = json.loads(text)
        return cls(**{**found, "shape": tuple(found["shape"])})


@dataclass(frozen=True)
class UserArray:
    """An array that is at hand: its facts, and where its rows are."""

    facts: Facts
    rows: Any

    def row(self, number: int) -> NDArray[np.float64]:
        """One row, as float64."""
        return np.asarray(self.rows[number], np.float64)


_known: dict[str, UserArray] = {}
_files: dict[tuple[str, int, int], str] = {}
_folders: dict[Path, None] = {}
_buckets: dict[str, Readable] = {}
_fetched: list[TemporaryDirectory[str]] = []
"""A folder for what is fetched from buckets, once there is such a thing."""


def look_in(folder: Path) -> None:
    """Find arrays in this folder from now on."""
    _folders.setdefault(folder.absolute())


def look_in_store(root: Place) -> None:
    """Find the arrays of a store from now on."""
    if isinstance(root, Path):
        look_in(root / FOLDER)
    elif root not in _buckets:
        _buckets[root] = disk_at(root)


def find(id: str) -> UserArray:
    """The array with this id. Raises ArrayError where nobody has told where it is."""
    if id not in _known:
        for folder in list(_folders):
            if (folder / f"{id}.npy").is_file():
                _known[id] = _kept(id, folder)
                break
        else:
            for disk in list(_buckets.values()):
                if disk.exists(name_of(id)):
                    return _known.setdefault(id, _kept(id, _fetch(id, disk)))
            raise ArrayError(
                f"no array {id[:12]}... is known here: upload it, or give the command line or Python its file, as file"
            )
    return _known[id]


def hold(values: NDArray[Any]) -> str:
    """The id of an array in memory, [rows, *space]; it can be found from now on. Raises ArrayError."""
    facts = _facts(values, "the array")
    _known[facts.id] = UserArray(facts, values.copy())
    return facts.id


def packed(values: NDArray[Any]) -> tuple[str, bytes]:
    """The id of an array in memory, and its NPY file."""
    array = UserArray(_facts(values, "the array"), values)
    return array.facts.id, b"".join(_as_npy(array))


def register(file: str | Path, called: str = "") -> str:
    """The id of the array in a file, ``k.npy``, ``k.npz#/name``, ``k.zarr#/name``, ``k.h5#/name`` or ``k.pt#/name``; it
    can be found from now on. An axis of one channel behind the rows is left out. Reads it once, however often it is
    asked for. ``called``: its name in errors. Raises ArrayError."""
    called = called or str(file)
    name, _, inside = str(file).partition("#")
    path = on_disk(name, "the array", ArrayError)
    try:
        stat = path.stat()
    except OSError as error:
        raise ArrayError(f"cannot read {called}: {error.strerror}") from None
    key = f"{path.absolute()}#{inside}", stat.st_mtime_ns, stat.st_size
    if key not in _files or path.is_dir():
        try:
            rows = _without_channel(_opened(path, inside.strip("/")))
            array = UserArray(_facts(rows, called), rows)
        except ArrayError:
            raise
        except UNREADABLE as error:
            raise ArrayError(f"cannot read {called}: {str(error) or type(error).__name__:.200}") from None
        _known[array.facts.id] = array
        _files[key] = array.facts.id
    return _files[key]


def is_known(id: str) -> bool:
    """Whether an array can be found here."""
    try:
        find(id)
    except ArrayError:
        return False
    return True


def npy_bytes(id: str) -> int:
    """The length of an array as an NPY file."""
    facts = find(id).facts
    return len(_header(facts)) + prod(facts.shape) * np.dtype(facts.dtype).itemsize


def npy_parts(id: str, most: int) -> Iterator[bytes]:
    """An array as an NPY file, in parts of so many bytes; the last one may be shorter."""
    waiting = b""
    for block in _as_npy(find(id)):
        waiting += block
        whole = len(waiting) // most * most
        yield from (waiting[begin : begin + most] for begin in range(0, whole, most))
        waiting = waiting[whole:]
    if waiting:
        yield waiting


def forget(id: str) -> None:
    """Do not find this array again where it was found."""
    _known.pop(id, None)


def keep(id: str, root: Place) -> None:
    """Copy an array into a store, unless it is there, and take its rows from there from now on. Raises StoreError where
    the copy is not the array: its file has changed since it was read, or something has happened to the copy."""
    if isinstance(root, Path):
        root.mkdir(exist_ok=True)
    disk = disk_at(root)
    if not disk.exists(name_of(id)):
        array = find(id)
        make_folders(disk, FOLDER)
        facts, values = files_of(id)
        write_once(disk, facts, array.facts.to_text().encode())
        write_once(disk, values, _as_npy(array))
    if not is_kept(id, root):
        raise StoreError(
            f"{below(root, name_of(id))} is not the array that the spec names: remove it and run this again"
        )
    _known[id] = _kept(id, _folder_of(id, root))


def _folder_of(id: str, root: Place) -> Path:
    """The folder of this machine that has an array of a store: where it is in a bucket, a copy is made."""
    return root / FOLDER if isinstance(root, Path) else _fetch(id, disk_at(root))


def _fetch(id: str, disk: Readable) -> Path:
    """Copy an array from a bucket into a folder of this machine, which lasts as long as this process."""
    if not _fetched:
        _fetched.append(TemporaryDirectory(prefix="pdemill-arrays-"))
    folder = Path(_fetched[0].name)
    for name in files_of(id):
        target = folder / name.removeprefix(f"{FOLDER}/")
        partial = target.with_suffix(f".{os.getpid()}.{get_ident()}")
        partial.write_bytes(disk.read(name))
        partial.replace(target)
    return folder


def _kept(id: str, folder: Path) -> UserArray:
    rows = np.load(folder / f"{id}.npy", mmap_mode="r", allow_pickle=False)
    return UserArray(Facts.of((folder / f"{id}.json").read_text(encoding="utf-8")), rows)


def name_of(id: str) -> str:
    """The file in a store that holds an array."""
    return f"{FOLDER}/{id}.npy"


def files_of(id: str) -> tuple[str, str]:
    """The files of an array in a store: its facts, and its values."""
    return f"{FOLDER}/{id}.json", name_of(id)


def is_kept(id: str, root: Place) -> bool:
    """Whether a store holds an array as it was given; all of it is read."""
    try:
        kept = _kept(id, _folder_of(id, root))
        return kept.facts.id == id and _facts(kept.rows, id) == kept.facts
    except UNREADABLE:
        return False


def _as_npy(array: UserArray) -> Iterator[bytes]:
    yield _header(array.facts)
    for _, block in _blocks(array.rows, array.facts.dtype):
        yield block.tobytes()


def _header(facts: Facts) -> bytes:
    header = BytesIO()
    told = {"descr": facts.dtype, "fortran_order": False, "shape": facts.shape}
    np.lib.format.write_array_header_1_0(header, told)
    return header.getvalue()


def _opened(path: Path, inside: str) -> Any:
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    if path.suffix == ".npz":
        return _in_npz(path, inside)
    if path.is_dir():
        return _in_zarr(path, inside)
    if path.suffix in (".h5", ".hdf5"):
        return _in_hdf5(path, inside)
    if path.suffix in (".pt", ".pth"):
        found = tensors(open_tensors(path))
        return found[_chosen(list(found), inside, path)]
    raise ArrayError(f"cannot read {path.name}: give an array as .npy, .npz, .zarr, .h5 or .pt")


class _OneChannel:
    """The rows of an array [rows, 1, *space], as [rows, *space]."""

    def __init__(self, rows: Any) -> None:
        self._rows, self.dtype, self.shape = rows, rows.dtype, (rows.shape[0], *rows.shape[2:])

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        found = np.asarray(self._rows[index])
        return found[:, 0] if isinstance(index, slice) else found[0]


def _without_channel(rows: Any) -> Any:
    return _OneChannel(rows) if len(rows.shape) > 2 and rows.shape[1] == 1 else rows


def order(rows: int, seed: int) -> NDArray[np.intp]:
    """The numbers of some rows, shuffled: the same for the same seed, everywhere."""
    return np.argsort(Draw(seed, "rows", 0, "shuffle").uniform(rows), kind="stable")


def _in_npz(path: Path, inside: str) -> Any:
    with ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        size = archive.getinfo(f"{_chosen(names, inside, path)}.npy").file_size
    if size > MOST_PACKED:
        raise ArrayError(f"{path.name} unpacks to {size:,} bytes, more than {MOST_PACKED:,}: give it as .npy")
    with np.load(path, allow_pickle=False) as loaded:
        return loaded[_chosen(names, inside, path)]


def _in_zarr(path: Path, inside: str) -> Any:
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Group):
        node = node[inside or _chosen([name for name, _ in node.arrays()], inside, path)]
    return node


def _in_hdf5(path: Path, inside: str) -> Any:
    h5py = library("h5py", "export", "reading HDF5")
    file = h5py.File(path, "r")
    if not inside:
        inside = _chosen([name for name in file if isinstance(file[name], h5py.Dataset)], inside, path)
    return file[inside]


def _chosen(names: list[str], inside: str, path: Path) -> str:
    """The name of the array in a file that may hold several."""
    if inside in names or (not inside and len(names) == 1):
        return inside or names[0]
    if not names:
        raise ArrayError(f"{path.name} holds no array")
    raise ArrayError(f"{path.name} holds {', '.join(names)}: name one, such as {path.name}#/{names[0]}")


def _facts(rows: Any, name: str) -> Facts:
    """Read all of an array; refuses what cannot be a field."""
    shape, kind = tuple(int(n) for n in rows.shape), np.dtype(rows.dtype)
    if kind.kind not in "fiub" or kind.itemsize > 8:
        raise ArrayError(f"{name} holds {kind}: give real numbers")
    if not 2 <= len(shape) <= MOST_AXES or shape[0] < 1 or min(shape[1:]) < 2:
        raise ArrayError(f"{name} has the shape {shape}: give [rows, *space], one to three axes of two values or more")
    dtype = "<f4" if kind.kind == "f" and kind.itemsize <= 4 else "<f8"
    digest = sha256(json.dumps([dtype, shape]).encode())
    low, high, low_row, high_row = np.inf, -np.inf, 0, 0
    for begin, block in _blocks(rows, dtype):
        least, most = (by(block.reshape(len(block), -1), axis=1) for by in (np.min, np.max))
        if not np.isfinite(least + most).all():
            raise ArrayError(f"row {begin + int(np.argmin(np.isfinite(least + most)))} of {name} is not finite")
        if least.min() < low:
            low, low_row = float(least.min()), begin + int(least.argmin())
        if most.max() > high:
            high, high_row = float(most.max()), begin + int(most.argmax())
        digest.update(block.tobytes())
    return Facts(digest.hexdigest(), dtype, shape, low, low_row, high, high_row)


def _blocks(rows: Any, dtype: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """Some rows at a time, with the number of the first."""
    count = max(_BLOCK // (8 * prod(rows.shape[1:])), 1)
    for begin in range(0, rows.shape[0], count):
        yield begin, np.ascontiguousarray(rows[begin : begin + count], dtype)
