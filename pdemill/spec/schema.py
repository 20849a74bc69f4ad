"""JSON Schema of the spec, with every registered family, field and method in it."""

from __future__ import annotations

from typing import Any

from pdemill.spec.field import fields, scalars
from pdemill.spec.job import Spec
from pdemill.spec.method import methods
from pdemill.spec.model import Model
from pdemill.spec.problem import Diagonal, families, pointwise


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
        definitions[slot] = {"oneOf": choices}
    linked: dict[str, Any] = _link(schema | {"$defs": definitions})
    return linked | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def _slots() -> dict[str, tuple[list[type[Any]], list[dict[str, Any]]]]:
    number = [{"type": "number"}]
    simple = [kind for name, kind in scalars.items() if name != "constant"]
    return {
        "Scalar": (simple, number),
        "Value": (simple + list(fields.values()), number),
        "Coefficient": ([Diagonal], [{"$ref": "#/$defs/Value"}]),
        "Problem": (list(families.values()) + list(pointwise.values()), []),
        "Method": (list(methods.values()), []),
    }


def spec_schema() -> dict[str, Any]:
    """The schema of a whole spec."""
    return _assemble(Spec, _slots())


def family_schema(name: str) -> dict[str, Any]:
    """The schema of one family's ``problem`` part: whole fields, or values at points where the family offers them."""
    slots = {key: _slots()[key] for key in ("Scalar", "Value", "Coefficient")}
    whole = _assemble(families[name], slots)
    if name not in pointwise:
        return whole
    at_points = _assemble(pointwise[name], slots)
    definitions = whole.pop("$defs") | at_points.pop("$defs")
    dialect = whole.pop("$schema")
    del at_points["$schema"]
    return {"$schema": dialect, "$defs": definitions, "title": whole["title"], "oneOf": [whole, at_points]}
