"""Shared by the HDF5 formats: files, arrays that are filled shard by shard, and the record of where they come from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO
from pathlib import Path
from typing import Any

import numpy as np

from pdemill.exports.place import reserve
from pdemill.exports.source import Part, Source, Split
from pdemill.extras import library

REASON = re.compile(r"error message = '([^']+)'")
"""Finds the system's message in one of HDF5."""
SLACK = 2**20
"""Bytes for what a file has beside its samples."""
RECORD = "pdemill"
"""Group with the spec, the certificates and what was left out."""


@contextmanager
def new_file(path: Path, source: Source, split: Split, purpose: str, fields: bool = True) -> Iterator[Any]:
    """A new HDF5 file for a split, its folder made; ``fields``: whether it holds them. Raises MissingExtra, OSError.

    Room on the disk is made sure of before: HDF5 may end the process after it could not close a file.
    """
    h5py = library("h5py", "export", purpose)
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons = sum(len(failure["reason"]) for failure in split.left_out)
    reserve(path, split.size * fields + len(source.record) + 2 * reasons + SLACK)
    try:
        with h5py.File(path, "w") as file:
            yield file
    except OSError as error:
        told = REASON.search(str(error))
        raise OSError(error.errno or EIO, told[1] if told else str(error).partition("\n")[0]) from error


def new_array(group: Any, name: str, shape: tuple[int, ...], dtype: Any, **attributes: Any) -> Any:
    """An array in one piece, without compression: what is read fastest, by samples or as a whole."""
    array = group.create_dataset(name, shape=shape, dtype=dtype)
    array.attrs.update(attributes)
    return array


class Record:
    """The group ``pdemill`` of a file: ``attributes`` (all of the store's, JSON), ``certificates/NAME`` [N, ...],
    ``left_out/sample`` and ``left_out/reason`` [K]. The root's ``samples_left_out`` is K."""

    def __init__(self, file: Any, source: Source, split: Split) -> None:
        self._group, self._samples = file.create_group(RECORD), len(split)
        self._group["attributes"] = source.record
        self._group.attrs["split"] = split.name
        file.attrs["samples_left_out"] = len(split.left_out)
        left_out = self._group.create_group("left_out")
        left_out["sample"] = np.array([failure["sample"] for failure in split.left_out], np.int64)
        reasons = [f"{failure['result']}: {failure['reason']}" for failure in split.left_out]
        left_out["reason"] = json.dumps(reasons)
        self._certificates = self._group.create_group("certificates")

    def add(self, part: Part) -> None:
        """The certificates of some samples."""
        for name, values in part.columns.items():
            if name not in self._certificates:
                new_array(self._certificates, name, (self._samples, *values.shape[1:]), values.dtype)
            self._certificates[name][part.rows] = values
