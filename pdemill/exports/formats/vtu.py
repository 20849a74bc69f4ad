"""Files that ParaView opens: VTK's XML format of unstructured grids, a file per sample, and a collection per split.

Source: VTK File Formats (Kitware), "UnstructuredGrid" and "PVD": a collection names files with a time each, here the
number of the sample in the export, so that ParaView's time slider goes through the samples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from pdemill.exports.format import Format
from pdemill.exports.meshes import REGIONS, in_space, named, no_mesh
from pdemill.exports.source import Source, Split
from pdemill.extras import library

CELLS = {(2, 3): "triangle", (2, 6): "triangle6", (3, 4): "tetra", (3, 10): "tetra10"}
"""What cells are called, by axes and corners."""


class VTU(Format):
    """VTK files for ParaView: meshes, one .vtu per sample and a .pvd per split."""

    name = "vtu"

    def objection(self, source: Source) -> str | None:
        return no_mesh(source)

    def write(self, source: Source, folder: Path) -> None:
        meshio = library("meshio", "export", "--to vtu")
        points, cells = source.shared["points"], source.shared["cells"]
        kind = CELLS[points.shape[1], cells.shape[1]]
        of_cells = {REGIONS: [source.shared[REGIONS]]} if REGIONS in source.shared else {}
        for split in source.splits:
            name, files = f"{source.family}_{split.name}", list[str]()
            (folder / name).mkdir()
            columns: dict[str, list[Any]] = {}
            for part in split.parts():
                for row in range(part.rows.stop - part.rows.start):
                    fields = {key: values[row] for key, values in part.fields.items()}
                    own = fields.get("points", points)
                    made = meshio.Mesh(in_space(own), [(kind, cells)], named(split, fields), of_cells)
                    files.append(f"{name}/{len(files):05d}.vtu")
                    meshio.write(folder / files[-1], made, file_format="vtu")
                for key, values in part.columns.items():
                    columns.setdefault(key, []).extend(values.tolist())
            (folder / f"{name}.pvd").write_bytes(_collection(files))
            (folder / f"{name}.json").write_text(_record(source, split, columns), encoding="utf-8")


def _collection(files: list[str]) -> bytes:
    root = Xml.Element("VTKFile", type="Collection", version="0.1")
    listed = Xml.SubElement(root, "Collection")
    for number, file in enumerate(files):
        Xml.SubElement(listed, "DataSet", timestep=str(number), part="0", file=file)
    Xml.indent(root)
    return bytes(Xml.tostring(root, xml_declaration=True, encoding="utf-8"))


def _record(source: Source, split: Split, columns: dict[str, list[Any]]) -> str:
    """What vouches for the samples, as JSON: the store's attributes, certificates by name, what was left out."""
    return json.dumps(
        {
            "pdemill": json.loads(source.record),
            "certificates": {name: _without_nan(values) for name, values in columns.items()},
            "left_out": [{key: failure[key] for key in ("sample", "result", "reason")} for failure in split.left_out],
        },
        sort_keys=True,
        allow_nan=False,
    )


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
