"""From a JSON Schema and what was typed in to the fields of a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdemill.service.pages.form.schema import Kind, Schema, kind, options, resolve

CHOICE = "#"
"""The end of the name of a choice; its value is the id of an option."""


@dataclass(frozen=True)
class Field:
    """A control, a choice with the fields of what is chosen, or a group."""

    name: str
    label: str
    help: str
    kind: Kind
    plain: bool
    """Whether the choice is among words, so that no other fields come with it."""
    value: str
    default: str
    required: bool
    choices: tuple[tuple[str, str], ...]
    fields: tuple[Field, ...]
    faults: tuple[str, ...]


def field(
    schema: Schema, root: Schema, name: str, typed: Mapping[str, str], faults: Mapping[str, list[str]],
    required: bool = True, label: str = "",
) -> Field:  # fmt: skip
    """The field ``name`` and all below it."""
    schema = resolve(schema, root)
    what = kind(schema, root)
    label = label or name.rpartition("/")[2].replace("_", " ")
    value, default = typed.get(name, ""), _shown(schema.get("default"))
    choices: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()
    match what:
        case "choice":
            value, choices, fields = _choice(schema, root, name, typed, faults, required)
        case "group":
            fields = _members(schema, root, name, typed, faults)
        case "flag":
            choices = (("", f"default ({default})"), ("true", "yes"), ("false", "no"))
    text = str(schema.get("description", "")).partition("\n")[0]
    return Field(
        name,
        label,
        text,
        what,
        "enum" in schema,
        value,
        default,
        required,
        choices,
        fields,
        tuple(faults.get(name, ())),
    )


def _choice(
    schema: Schema, root: Schema, name: str, typed: Mapping[str, str], faults: Mapping[str, list[str]], required: bool
) -> tuple[str, tuple[tuple[str, str], ...], tuple[Field, ...]]:
    """The chosen id, all ids with labels, and the fields of what is chosen."""
    default = _shown(schema.get("default"))
    empty = () if required else (("", f"default ({default})" if default else "default"),)
    if "enum" in schema:
        return typed.get(name, ""), (*empty, *((str(entry), str(entry)) for entry in schema["enum"])), ()
    found = [option for option in options(schema, root) if option.schema.get("type") != "null"]
    chosen = typed.get(name + CHOICE, "")
    if required and chosen not in {option.id for option in found}:
        chosen = found[0].id
    choices = (*empty, *((option.id, option.label) for option in found))
    for option in found:
        if option.id == chosen and "const" not in option.schema:
            inner = field(option.schema, root, name, typed, {}, True, option.label)
            below = _members(option.schema, root, name, typed, faults) if inner.kind == "group" else (inner,)
            return chosen, choices, below
    return chosen, choices, ()


def _members(
    schema: Schema, root: Schema, name: str, typed: Mapping[str, str], faults: Mapping[str, list[str]]
) -> tuple[Field, ...]:
    """The fields of an object: first those that are required, then the others."""
    required = set(schema.get("required", ()))
    names = sorted(schema["properties"], key=lambda key: key not in required)
    found = [field(schema["properties"][key], root, f"{name}/{key}", typed, faults, key in required) for key in names]
    return tuple(part for part in found if part.kind != "constant")


def _shown(default: Any) -> str:
    """A default as one would type it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, list) and all(isinstance(entry, int | float) for entry in default):
        return ", ".join(f"{entry:g}" for entry in default)
    return f"{default:g}" if isinstance(default, int | float) else default if isinstance(default, str) else ""
