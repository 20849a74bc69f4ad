"""The way of a store into another format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pdemill.exports.formats  # noqa: F401 (brings the formats in)
from pdemill.addresses import on_disk, shown
from pdemill.errors import ExportError
from pdemill.exports.format import Format, formats
from pdemill.exports.place import new_folder
from pdemill.exports.source import Source


@dataclass(frozen=True)
class Exported:
    """The result of an export: its folder, its files, and per split the samples in it, those left out because they have
    no certified solution, and those left out by ``where``."""

    out: Path
    files: tuple[Path, ...]
    samples: Mapping[str, int]
    left_out: Mapping[str, int]
    deselected: Mapping[str, int]


def export(
    store: str | Path, out: str | Path, to: str, api_key: str | None = None, where: str | None = None,
    fidelity: str = "",
) -> Exported:  # fmt: skip
    """Write the certified samples of a finished store into the new folder ``out``, in another library's format; of a
    store at several fidelities those at one."""
    if to not in formats:
        raise ExportError(f"unknown format {to!r}; choose one of {', '.join(formats)}")
    chosen, target = formats[to](), on_disk(out, "the export", ExportError)
    source = Source(store, api_key, where, fidelity)
    empty = [split.name for split in source.splits if not len(split)]
    asked = f" where {where}" if where is not None else ""
    objection = (
        f"{empty[0]} has no certified sample{asked}" if empty else _of_boxes(chosen, source) or chosen.objection(source)
    )
    if objection is not None:
        raise ExportError(f"{shown(store)} cannot be exported to {to}: {objection}")
    with new_folder(target) as folder:
        chosen.write(source, folder)
    return Exported(
        out=target,
        files=tuple(sorted(path for path in target.rglob("*") if path.is_file())),
        samples={split.name: len(split) for split in source.splits},
        left_out={split.name: len(split.left_out) for split in source.splits},
        deselected={split.name: split.deselected for split in source.splits},
    )


def _of_boxes(chosen: Format, source: Source) -> str | None:
    """Why coordinates that all samples share do not do."""
    if chosen.shares_coordinates and "stretch" in source.attributes["spec"]["problem"]:
        return "its files have the same coordinates for all samples, and here problem.stretch makes those of each"
    return None
