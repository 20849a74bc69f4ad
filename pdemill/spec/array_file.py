"""Arrays that a spec names by their file: known by their content afterwards, so that a spec refers to no file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdemill import arrays
from pdemill.addresses import scheme_of
from pdemill.errors import ArrayError, Fault, SpecError
from pdemill.spec.model import refuse

DEEPEST = 20
NAMING = ("directions",)
"""Keys, beside fields ``array``, whose values name an array."""


def without_file(value: Any) -> Any:
    """A part of a spec that names an array, where no file can be read: one that has ``file`` is refused."""
    if isinstance(value, dict) and "file" in value:
        raise refuse(("file",), "is read by the command line and by Python; here give array, the id", value["file"])
    return value


def with_arrays(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The spec with ``array``, the id, in place of the ``file`` of every field ``array`` and of ``directions``, found
    from ``folder``.

    Everything else is as it was, faults included. Raises SpecError for a file that cannot be read.
    """
    return dict(_replaced(data, folder, ()))


def ids_in(value: Any) -> set[str]:
    """The ids of all arrays in a part of a spec."""
    if isinstance(value, Mapping):
        naming = [value] if value.get("field") == "array" else []
        naming += [value[key] for key in NAMING if isinstance(value.get(key), Mapping)]
        own = {str(one["array"]) for one in naming if "array" in one}
        return own.union(*map(ids_in, value.values()))
    return set().union(*map(ids_in, value)) if isinstance(value, list | tuple) else set()


def with_one_row(value: Any, split: str, made: dict[str, bytes]) -> Any:
    """A part of a spec in which every field ``array`` is of the first row of a split alone, and fits whatever grid;
    ``made`` gets these arrays, as NPY files by id."""
    if isinstance(value, dict):
        found = {key: with_one_row(below, split, made) for key, below in value.items()}
        if found.get("field") == "array":
            whole = arrays.find(found["array"]).rows
            begin, end = (found.pop("rows", None) or {}).get(split, (0, whole.shape[0]))
            if (seed := found.pop("shuffle", None)) is not None:
                begin += int(arrays.order(end - begin, seed)[0])
            row = whole[begin : begin + 1]
            found["array"], data = arrays.packed(row)
            made[found["array"]] = data
            found["interpolate"] = found.get("interpolate") or (
                "spectral" if found["points"] == "periodic" else "linear"
            )
        return found
    return [with_one_row(below, split, made) for below in value] if isinstance(value, list) else value


def _replaced(value: Any, folder: Path, path: tuple[str | int, ...]) -> Any:
    if len(path) > DEEPEST:
        return value
    if isinstance(value, Mapping):
        if (value.get("field") == "array" or (path and path[-1] in NAMING)) and "file" in value:
            return _known(value, folder, (*path, "file"))
        return {key: _replaced(below, folder, (*path, key)) for key, below in value.items()}
    if isinstance(value, list):
        return [_replaced(below, folder, (*path, number)) for number, below in enumerate(value)]
    return value


def _known(value: Mapping[str, Any], folder: Path, path: tuple[str | int, ...]) -> dict[str, Any]:
    file = value["file"]
    if not isinstance(file, str):
        raise SpecError([Fault(path, "should be the name of a file that holds an array")])
    if "array" in value:
        raise SpecError([Fault(path, "stands for array, the id: leave one out")])
    whole = scheme_of(file) is not None or file.startswith("~")
    try:
        found = arrays.register(file if whole else str(folder / file))
    except ArrayError as error:
        raise SpecError([Fault(path, str(error))]) from None
    return {**{key: below for key, below in value.items() if key != "file"}, "array": found}
