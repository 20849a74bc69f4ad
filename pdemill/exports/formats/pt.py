"""Tensors of PyTorch as neuraloperator keeps them: {"x": [N, C, ...], "y": [N, C, ...]} per split, in a .pt file. Of
trajectories, y is [N, C, T, ...] and x the inputs, as Burgers1dTimeDataset has them.

Source: neuraloperator/neuraloperator, neuralop/data/datasets/pt_dataset.py: PTDataset reads
``ROOT/NAME_train_RESOLUTION.pt`` and ``ROOT/NAME_test_RESOLUTION.pt``.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pdemill.errors import ExportError
from pdemill.exports.format import Format
from pdemill.exports.source import Source, Split
from pdemill.extras import library


class Tensors(Format):
    """Dictionaries of PyTorch tensors, as neuraloperator reads them; any store."""

    name = "pt"
    shares_coordinates = False  # inputs and parameters hold the stretch

    def objection(self, source: Source) -> str | None:
        return None

    def write(self, source: Source, folder: Path) -> None:
        torch = library("torch", "torch", "--to pt")
        for split in source.splits:
            fields, certificates, scratch = _gathered(split, folder)
            resolution = fields["y"].shape[3 if source.in_time else 2]
            failures = split.left_out
            content = {
                **{name: torch.from_numpy(values) for name, values in fields.items()},
                "coordinates": {name: torch.from_numpy(values) for name, values in source.shared.items()},
                "certificates": {name: torch.from_numpy(values) for name, values in certificates.items()},
                "left_out": {
                    "sample": torch.tensor([failure["sample"] for failure in failures], dtype=torch.int64),
                    "reason": [f"{failure['result']}: {failure['reason']}" for failure in failures],
                },
                "samples_left_out": len(failures),
                "pdemill": source.record,
            }
            file = f"{source.family}_{split.name}_{resolution}.pt"
            try:
                torch.save(content, folder / file)
            except RuntimeError as error:  # what PyTorch makes of a disk that is full
                raise ExportError(f"cannot write {file}; is the disk full? ({str(error).splitlines()[0]})") from None
            for path in scratch:
                path.unlink()


def _gathered(split: Split, folder: Path) -> tuple[dict[str, Any], dict[str, Any], list[Path]]:
    """All samples of a split: fields in files mapped into memory, whose pages the system can take back, and columns."""
    fields: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    scratch: list[Path] = []
    for part in split.parts():
        for name, values in part.fields.items():
            if name not in fields:
                scratch.append(folder / f"{name}.scratch")
                fields[name] = _mapped(scratch[-1], (len(split), *values.shape[1:]), values.dtype)
            fields[name][part.rows] = values
        for name, values in part.columns.items():
            columns.setdefault(name, np.empty((len(split), *values.shape[1:]), values.dtype))[part.rows] = values
    return fields, columns, scratch


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An array in a file whose room on the disk is taken at once: a map that cannot be filled ends the process."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, prod(shape) * dtype.itemsize)
    return np.memmap(path, dtype, "r+", shape=shape)
