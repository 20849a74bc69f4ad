"""Files that ParaView opens: XDMF, a description in XML of arrays in HDF5, a pair of files per split.

Source: XDMF Model and Format, version 3: a temporal collection of grids, a time each, here the number of the sample in
the export, so that ParaView's time slider goes through the samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from pdemill.exports.format import Format
from pdemill.exports.hdf5 import Record, new_file
from pdemill.exports.meshes import REGIONS, in_space, named, no_mesh
from pdemill.exports.source import Source, Split

CELLS = {(2, 3): "Triangle", (2, 6): "Triangle_6", (3, 4): "Tetrahedron", (3, 10): "Tetrahedron_10"}
"""What cells are called, by axes and corners."""
KINDS = {"f": "Float", "i": "Int"}


class XDMF(Format):
    """XDMF for ParaView: meshes, an .xdmf and an .h5 per split."""

    name = "xdmf"

    def objection(self, source: Source) -> str | None:
        return no_mesh(source)

    def write(self, source: Source, folder: Path) -> None:
        for split in source.splits:
            name = f"{source.family}_{split.name}"
            with new_file(folder / f"{name}.h5", source, split, "--to xdmf") as file:
                told = _written(file, f"{name}.h5", source, split)
            (folder / f"{name}.xdmf").write_bytes(told)


def _written(file: Any, name: str, source: Source, split: Split) -> bytes:
    """Fill the file of a split; its description."""
    points, cells, record = source.shared["points"], source.shared["cells"], Record(file, source, split)
    root = Xml.Element("Xdmf", Version="3.0")
    listed = Xml.SubElement(Xml.SubElement(root, "Domain"), "Grid", Name=split.name, GridType="Collection")
    listed.set("CollectionType", "Temporal")
    file["cells"] = cells.astype(np.int32)
    own = "points" in split.data.stored
    if not own:
        file["points"] = in_space(points)
    if REGIONS in source.shared:
        file[REGIONS] = source.shared[REGIONS]
    for part in split.parts():
        record.add(part)
        for row in range(part.rows.stop - part.rows.start):
            number = part.rows.start + row
            fields = {key: values[row] for key, values in part.fields.items()}
            group = file.create_group(f"samples/{number:05d}")
            if own:
                group["points"] = in_space(fields["points"])
            grid = Xml.SubElement(listed, "Grid", Name=f"{number:05d}", GridType="Uniform")
            Xml.SubElement(grid, "Time", Value=str(number))
            told = {"TopologyType": CELLS[points.shape[1], cells.shape[1]], "NumberOfElements": str(len(cells))}
            told["NodesPerElement"] = str(cells.shape[1])
            _item(Xml.SubElement(grid, "Topology", told), file["cells"], name)
            _item(Xml.SubElement(grid, "Geometry", GeometryType="XYZ"), (group if own else file)["points"], name)
            for key, values in named(split, fields).items():
                group[f"fields/{key}"] = values
                kind = {"Name": key, "AttributeType": "Scalar" if values.ndim == 1 else "Vector", "Center": "Node"}
                _item(Xml.SubElement(grid, "Attribute", kind), group[f"fields/{key}"], name)
            if REGIONS in file:
                kind = {"Name": REGIONS, "AttributeType": "Scalar", "Center": "Cell"}
                _item(Xml.SubElement(grid, "Attribute", kind), file[REGIONS], name)
    Xml.indent(root)
    return bytes(Xml.tostring(root, xml_declaration=True, encoding="utf-8"))


def _item(parent: Any, array: Any, name: str) -> None:
    """Where an array is."""
    told = {"Dimensions": " ".join(map(str, array.shape)), "NumberType": KINDS[array.dtype.kind], "Format": "HDF"}
    Xml.SubElement(parent, "DataItem", told, Precision=str(array.dtype.itemsize)).text = f"{name}:{array.name}"
