"""Between a spec and what is typed into its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pdemill.errors import SpecError
from pdemill.service.pages.form.fields import CHOICE
from pdemill.service.pages.form.schema import Schema, best_option, kind, options, resolve
from pdemill.spec.load import parse

NOTHING = object()


def read(schema: Schema, root: Schema, name: str, typed: Mapping[str, str], wanted: bool = True) -> Any:
    """The value that was typed in, or ``NOTHING``. What cannot be read stays text, for the validator to refuse."""
    schema = resolve(schema, root)
    text = typed.get(name, "").strip()
    match kind(schema, root):
        case "constant":
            return schema["const"]
        case "choice" if "enum" not in schema:
            return _read_choice(schema, root, name, typed, wanted)
        case "choice":
            return next((entry for entry in schema["enum"] if str(entry) == text), text) if text else NOTHING
        case "group":
            return _read_group(schema, root, name, typed, wanted)
        case "list":
            return [_number(part) for part in text.replace(",", " ").split()] if text else NOTHING
        case "number" | "integer":
            return _number(text) if text else NOTHING
        case "flag":
            return {"true": True, "false": False}.get(text, NOTHING)
        case "yaml":
            return _parsed(text) if text else NOTHING
    return text or NOTHING


def _read_choice(schema: Schema, root: Schema, name: str, typed: Mapping[str, str], wanted: bool) -> Any:
    found = [option for option in options(schema, root) if option.schema.get("type") != "null"]
    chosen = typed.get(name + CHOICE, "")
    if not chosen and not wanted:
        return NOTHING
    option = next((option for option in found if option.id == chosen), found[0])
    return read(option.schema, root, name, typed)


def _read_group(schema: Schema, root: Schema, name: str, typed: Mapping[str, str], wanted: bool) -> Any:
    """An object; one that is not wanted and has nothing typed in is left out."""
    required = set(schema.get("required", ()))
    constants: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for key, part in schema["properties"].items():
        member = resolve(part, root)
        value = read(member, root, f"{name}/{key}", typed, key in required)
        if value is not NOTHING:
            (constants if "const" in member else found)[key] = value
    return {**constants, **found} if wanted or found else NOTHING


def _number(text: str) -> Any:
    for made in (int, float):
        try:
            return made(text)
        except ValueError:
            continue
    return text


def _parsed(text: str) -> Any:
    try:
        return parse(f"value: {text}" if "\n" not in text else "value:\n" + _indented(text))["value"]
    except (SpecError, KeyError):
        return text


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def write(schema: Schema, root: Schema, name: str, value: Any) -> dict[str, str]:
    """The form values that stand for a value."""
    schema = resolve(schema, root)
    if value is None:
        return {}
    match kind(schema, root):
        case "constant":
            return {}
        case "choice" if "enum" not in schema:
            option = best_option(schema, value, root)
            if option is None:
                return {}
            return {name + CHOICE: option.id, **write(option.schema, root, name, value)}
        case "group":
            found: dict[str, str] = {}
            for key, part in value.items():
                found |= write(schema["properties"][key], root, f"{name}/{key}", part)
            return found
        case "list":
            return {name: ", ".join(map(repr, value))}
        case "flag":
            return {name: "true" if value else "false"}
        case "yaml":
            return {name: yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip()}
    return {name: str(value)}
