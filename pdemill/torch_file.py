"""Tensors in files of ``torch.save``, read without PyTorch, and without running what a pickle asks for.

Such a file is a ZIP archive of a pickle, which tells of tensors, and of their storages. Only what makes plain tensors,
in dictionaries and lists, is let into the pickle; everything else is refused. Values are not read but mapped.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, NoReturn
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import ArrayError

KINDS = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1",
}  # fmt: skip
"""Types of values, by what PyTorch calls their storages."""
MOST_PICKLED = 1_000_000
"""Bytes of a pickle that tells of tensors."""
LOCAL_HEADER = 30
"""Bytes before the name in the header of a file in a ZIP archive; two lengths stand at its end."""


def open_tensors(path: Path) -> Any:
    """What a file holds: a tensor as an array, or dictionaries and lists of them. Raises ArrayError."""
    try:
        with ZipFile(path) as archive:
            members = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
            if "data.pkl" not in members:
                raise ArrayError(f"{path.name} holds no data.pkl: it is no file of torch.save")
            if "byteorder" in members and _small(archive, members["byteorder"]) != b"little":
                raise ArrayError(f"{path.name} was written on a machine of another byte order")
            return _Tensors(path, members, _small(archive, members["data.pkl"])).load()
    except (pickle.UnpicklingError, AttributeError, IndexError, AssertionError, RecursionError, OverflowError) as error:
        raise ArrayError(f"{path.name} holds no tensors that can be read: {error}") from None


def _small(archive: ZipFile, entry: ZipInfo) -> bytes:
    if max(entry.file_size, entry.compress_size) > MOST_PICKLED:
        raise ArrayError(f"{entry.filename} has {entry.file_size:,} bytes, more than tell of tensors")
    return archive.read(entry)


class _Tensors(pickle._Unpickler):
    """The pickle of a file; in Python, so that what is damaged cannot ask for memory."""

    def __init__(self, path: Path, members: dict[str, ZipInfo], told: bytes) -> None:
        super().__init__(BytesIO(told))
        self._path, self._members = path, members

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return dict
            case "torch._utils", "_rebuild_tensor_v2":
                return self._tensor
            case "torch", kind if kind in KINDS:
                return KINDS[kind]
        raise ArrayError(f"{self._path.name} asks for {module}.{name}: only plain tensors are read")

    def persistent_load(self, told: Any) -> NDArray[Any]:
        match told:
            case ("storage", str(kind), str(key), _, int(numbers)) if kind in KINDS.values():
                return self._storage(kind, f"data/{key}", numbers)
        raise ArrayError(f"{self._path.name} holds a storage of another kind than plain tensors have")

    def _storage(self, kind: str, name: str, numbers: int) -> NDArray[Any]:
        entry, size = self._members.get(name), np.dtype(kind).itemsize
        if entry is None or entry.compress_type != ZIP_STORED or not 0 <= numbers * size <= entry.file_size:
            raise ArrayError(f"{self._path.name} does not hold all of {name}, as torch.save writes it")
        with self._path.open("rb") as file:
            file.seek(entry.header_offset + LOCAL_HEADER - 4)
            begin = entry.header_offset + LOCAL_HEADER + sum(np.frombuffer(file.read(4), "<u2").tolist())
        return np.memmap(self._path, np.dtype(kind), "r", begin, (numbers,)) if numbers else np.empty(0, kind)

    def _tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> NDArray[Any]:
        numbers = [offset, *shape, *strides]
        if not isinstance(storage, np.ndarray) or len(shape) != len(strides) or not all(map(_is_count, numbers)):
            raise ArrayError(f"{self._path.name} holds a tensor that is none")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if 0 not in shape and (last >= storage.size or prod(shape) > storage.size):
            raise ArrayError(f"{self._path.name} holds a tensor of more values than there are")
        steps = tuple(step * storage.itemsize for step in strides)
        if 0 in shape:
            return np.empty(shape, storage.dtype)
        return np.lib.stride_tricks.as_strided(storage[offset:], tuple(shape), steps, writeable=False)

    def get_extension(self, code: int) -> NoReturn:
        raise ArrayError(f"{self._path.name} asks for an extension: only plain tensors are read")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def tensors(value: Any, at: str = "") -> dict[str, NDArray[Any]]:
    """The arrays in what was read, by the way to them: ``x``, ``train/x``."""
    if isinstance(value, np.ndarray):
        return {at: value}
    if isinstance(value, dict | list | tuple) and at.count("/") < 8:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return {name: part for key, below in parts for name, part in tensors(below, f"{at}/{key}".strip("/")).items()}
    return {}
