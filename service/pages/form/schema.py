"""Reads a JSON Schema for the form: the kind of a node, and the choices it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

type Schema = dict[str, Any]
type Kind = Literal["constant", "choice", "group", "number", "integer", "flag", "text", "list", "yaml"]

SIMPLE = ("number", "integer")


@dataclass(frozen=True)
class Option:
    """One of several things that a value can be."""

    id: str
    label: str
    schema: Schema


def resolve(schema: Schema, root: Schema) -> Schema:
    """A schema with its reference followed; what stands beside the reference wins. Something or null is something."""
    while "$ref" in schema:
        target = root["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    some = [member for member in schema.get("anyOf", ()) if member.get("type") != "null"]
    if len(some) == 1 and len(schema["anyOf"]) == 2:
        return resolve(some[0] | {key: value for key, value in schema.items() if key != "anyOf"}, root)
    return schema


def kind(schema: Schema, root: Schema) -> Kind:
    """How a value of a resolved schema is asked for; what is too free for controls is asked for as YAML."""
    if "const" in schema:
        return "constant"
    if "enum" in schema or options(schema, root):
        return "choice"
    match schema.get("type"):
        case "object" if "properties" in schema:
            return "group"
        case "array" if _is_row(schema):
            return "list"
        case "number":
            return "number"
        case "integer":
            return "integer"
        case "boolean":
            return "flag"
        case "string":
            return "text"
    return "yaml"


def _is_row(schema: Schema) -> bool:
    """Whether an array is a row of numbers."""
    entries = schema.get("prefixItems") or [schema.get("items", {})]
    return all(entry.get("type") in SIMPLE for entry in entries)


def options(schema: Schema, root: Schema) -> list[Option]:
    """The alternatives for a value; choices within choices are laid out flat."""
    found: list[Option] = []
    for member in schema.get("anyOf") or schema.get("oneOf") or []:
        if "required" in member and len(member) == 1:
            continue
        name = member.get("$ref", "").rpartition("/")[2]
        part = resolve(member, root)
        inner = options(part, root)
        if inner:
            found += inner
        else:
            found.append(Option(name or _type(part), _label(part), part))
    return found


def _type(schema: Schema) -> str:
    return str(schema.get("const", schema.get("type", "value")))


def _label(schema: Schema) -> str:
    """The name of a choice: the tag that the spec uses for it, or its only key."""
    properties = schema.get("properties", {})
    for tag in ("family", "field", "method", "shape"):
        if "const" in properties.get(tag, {}):
            return f"{properties[tag]['const']}{_place(properties)}".replace("_", " ")
    if schema.get("type") == "null":
        return "default"
    if len(schema.get("required", ())) == 1:
        return str(schema["required"][0])
    return {"number": "a number", "integer": "a number", "array": "a list", "object": "an object"}.get(
        _type(schema), _type(schema)
    )


def _place(properties: Schema) -> str:
    """Where a family's problems are solved, in words; nothing for grids, the most common place."""
    name = properties.get("discretiser", {}).get("enum", ["auto", "box"])[-1]
    return {"box": "", "elements": " on a mesh", "walks": " at points"}.get(name, f" ({name})")


def best_option(schema: Schema, value: Any, root: Schema) -> Option | None:
    """The option that a value is meant for: the first that it looks like, its parts included if there is one."""
    found = [option for option in options(schema, root) if fits(option.schema, value, root)]
    return next((option for option in found if _parts_fit(option.schema, value, root)), found[0] if found else None)


def _parts_fit(schema: Schema, value: Any, root: Schema) -> bool:
    if not isinstance(value, dict) or "properties" not in schema:
        return True
    parts = ((resolve(schema["properties"][key], root), part) for key, part in value.items())
    return all(_part_fits(part, inner, root) for part, inner in parts)


def _part_fits(schema: Schema, value: Any, root: Schema) -> bool:
    choices = options(schema, root)
    return (
        best_option(schema, value, root) is not None if choices else fits(schema, value, root) or "type" not in schema
    )


def fits(schema: Schema, value: Any, root: Schema) -> bool:
    """Whether a value looks like an option's; details are the validator's matter."""
    if "const" in schema:
        return bool(value == schema["const"])
    match schema.get("type"):
        case "null":
            return value is None
        case "number" | "integer":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "object" if "properties" in schema:
            return isinstance(value, dict) and _fits_object(schema, value, root)
        case "object":
            return isinstance(value, dict)
    return False


def _fits_object(schema: Schema, value: dict[str, Any], root: Schema) -> bool:
    properties = schema["properties"]
    tags = {key: part["const"] for key, part in properties.items() if "const" in part}
    return (
        value.keys() <= properties.keys()
        and set(schema.get("required", ())) <= value.keys()
        and all(value.get(key, tag) == tag for key, tag in tags.items())
    )
