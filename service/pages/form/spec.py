"""The form of a spec: its problem with one field per key, then samples, solver and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pdemill.errors import Fault
from pdemill.service.pages.form.fields import Field, field
from pdemill.service.pages.form.schema import Schema
from pdemill.service.pages.form.values import NOTHING, read, write
from pdemill.spec.schema import spec_schema

PARTS = ("problem", "splits", "seed", "solver", "certify", "store", "fidelities")
WANTED = ("problem", "splits")


@cache
def _schema() -> Schema:
    return spec_schema()


def fields(typed: Mapping[str, str], faults: Sequence[Fault] = ()) -> dict[str, Field]:
    """The fields of a spec by its keys; a fault without a field of its own shows at the one above it."""
    schema = _schema()
    made = {key: _field(schema, key, typed, {}) for key in PARTS}
    names = {name for part in made.values() for name in _names(part)}
    placed: dict[str, list[str]] = {}
    for fault in faults:
        name = fault.pointer
        while name and name not in names:
            name = name.rpartition("/")[0]
        placed.setdefault(name, []).append(fault.message)
    return {key: _field(schema, key, typed, placed) for key in PARTS}


def _field(schema: Schema, key: str, typed: Mapping[str, str], faults: Mapping[str, list[str]]) -> Field:
    return field(schema["properties"][key], schema, f"/{key}", typed, faults, key in WANTED)


def _names(part: Field) -> set[str]:
    return {part.name}.union(*map(_names, part.fields))


def read_spec(typed: Mapping[str, str]) -> dict[str, Any]:
    """The spec that was typed in, not validated."""
    schema = _schema()
    found = {key: read(schema["properties"][key], schema, f"/{key}", typed, key in WANTED) for key in PARTS}
    return {key: value for key, value in found.items() if value is not NOTHING}


def write_spec(spec: Mapping[str, Any]) -> dict[str, str]:
    """The form values that stand for a spec."""
    schema = _schema()
    data = dict(spec)
    if "samples" in data:
        data["splits"] = {"train": data.pop("samples")}
    typed: dict[str, str] = {}
    for key in PARTS:
        if key in data:
            typed |= write(schema["properties"][key], schema, f"/{key}", data[key])
    return typed
