"""JSON Schema of the spec, with every registered family, field and method in it."""

from __future__ import annotations

from typing import Any

from pdemill.spec.condition import conditions
from pdemill.spec.design import designs
from pdemill.spec.field import fields, scalars
from pdemill.spec.forms import forms
from pdemill.spec.job import Spec
from pdemill.spec.method import methods
from pdemill.spec.model import Model
from pdemill.spec.obstacle import obstacles
from pdemill.spec.problem import Diagonal, families


def _link(node: Any) -> Any:
    """Replace every slot by a reference to the definition of what it can hold."""
    if isinstance(node, dict):
        if "x-slot" in node:
            rest = {key: _link(value) for key, value in node.items() if key != "x-slot"}
            return rest | {"$ref": f"#/$defs/{node['x-slot']}"}
        return {key: _link(value) for key, value in node.items()}
    return [_link(item) for item in node] if isinstance(node, list) else node


def _assemble(root: type[Model], slots: dict[str, tuple[list[type[Any]], list[dict[str, Any]]]]) -> dict[str, Any]:
    schema = root.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs", {})
    for slot, (members, extra) in slots.items():
        choices = list(extra)
        for member in members:
            part = member.model_json_schema()
            definitions |= part.pop("$defs", {})
            definitions[member.__name__] = part
            choices.append({"$ref": f"#/$defs/{member.__name__}"})
        definitions[slot] = {"anyOf" if slot == "Problem" else "oneOf": choices}  # some problems fit two discretisers
    linked: dict[str, Any] = _link(schema | {"$defs": definitions})
    return linked | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def _slots() -> dict[str, tuple[list[type[Any]], list[dict[str, Any]]]]:
    number = [{"type": "number"}]
    simple = [kind for name, kind in scalars.items() if name != "constant"]
    return {
        "Scalar": (simple, number),
        "Value": (simple + list(fields.values()), number),
        "Coefficient": ([Diagonal], [{"$ref": "#/$defs/Value"}]),
        "Condition": (list(conditions.values()), []),
        "Obstacle": (list(obstacles.values()), []),
        "Problem": ([form for name in families for form in forms(name)], []),
        "Method": (list(methods.values()), []),
        "Design": (list(designs.values()), []),
    }


def spec_schema() -> dict[str, Any]:
    """The schema of a whole spec."""
    return _assemble(Spec, _slots())


def family_schema(name: str) -> dict[str, Any]:
    """The schema of one family's ``problem`` part: one form for each discretiser."""
    slots = {key: part for key, part in _slots().items() if key != "Problem"}
    parts = [_assemble(form, slots) for form in forms(name)]
    if len(parts) == 1:
        return parts[0]
    definitions: dict[str, Any] = {}
    for part in parts:
        definitions |= part.pop("$defs")
        dialect = part.pop("$schema")
    return {"$schema": dialect, "$defs": definitions, "title": parts[0]["title"], "anyOf": parts}
