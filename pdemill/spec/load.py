"""Specs from files, dictionaries, presets and overrides; every fault with its path."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pdemill.addresses import on_disk
from pdemill.arguments import listed
from pdemill.errors import Fault, PdemillError, SpecError
from pdemill.spec.array_file import with_arrays
from pdemill.spec.job import Spec
from pdemill.spec.mesh_file import with_mesh
from pdemill.spec.plain import plain

MAX_BYTES = 1_000_000
SHOWN = 60


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-8 is a number and a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse(text: str, name: str = "spec") -> dict[str, Any]:
    """The dictionary in a JSON or YAML text."""
    if len(text) > MAX_BYTES:
        raise SpecError([Fault((), f"{name} is longer than {MAX_BYTES:,} characters")])
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - _Loader is a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SpecError([Fault((), f"{name} is not valid YAML or JSON: {reason}")]) from None
    if not isinstance(data, dict):
        raise SpecError([Fault((), f"{name} should be an object with the keys problem and splits or samples")])
    return data


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(plain(data))
    except RecursionError:
        raise SpecError([Fault((), "is nested too deeply")]) from None


def validate(data: Mapping[str, Any]) -> Spec:
    """The spec in a dictionary, or a SpecError that lists every fault."""
    if not isinstance(data, Mapping):
        raise SpecError([Fault((), "should be an object with the keys problem and splits or samples")])
    if "mixture" in data and "problem" not in data:
        raise SpecError([Fault(("mixture",), "is of several equations, and one is wanted here: take a member's spec")])
    try:
        return Spec.model_validate(_plain(data))
    except ValidationError as error:
        faults = [_fault(item) for item in _causes(error.errors(include_url=False))]
        if "splits" not in data:
            faults = [Fault(("samples",), f.message) if f.path == ("splits", "train") else f for f in faults]
        raise SpecError(faults) from None
    except RecursionError:
        raise SpecError([Fault((), "is nested too deeply")]) from None


def _causes(items: Sequence[Any]) -> list[Any]:
    """Without lists that are too short only because some of their entries are bad."""
    places = [item["loc"] for item in items]
    return [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(len(place) > len(item["loc"]) and place[: len(item["loc"])] == item["loc"] for place in places)
    ]


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "finite_number": "should be a finite number",
}


def _fault(item: Any) -> Fault:
    message = _WORDS.get(item["type"]) or item["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if item["type"] not in ("refused", *_WORDS) and isinstance(item["input"], str | int | float):
        message += f" (got {_short(item['input'])})"
    return Fault(tuple(item["loc"]), message)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


_KEY = re.compile(r"[^.\[\]]+(\[[0-9]+\])*(\.[^.\[\]]+(\[[0-9]+\])*)*")


def override(data: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A copy of ``data`` with ``KEY=VALUE`` settings applied; KEY is dotted, with [0], [1] .. for entries of lists, and
    VALUE is YAML."""
    result: dict[str, Any] = deepcopy(dict(data))
    for setting in listed("settings", settings, "texts KEY=VALUE"):
        key, equals, text = setting.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise SpecError([Fault((), f"--set {setting!r} should be KEY=VALUE, for example solver.rtol=1e-6")])
        path = tuple(int(part[1:]) if part[0] == "[" else part for part in re.findall(r"[^.\[\]]+|\[[0-9]+", key))
        place: Any = result
        for number, part in enumerate(path):
            if isinstance(part, int) and not (isinstance(place, list) and part < len(place)):
                told = f"has {len(place)} entries, [0] the first" if isinstance(place, list) else "is no list"
                raise SpecError([Fault(path[:number], f"--set finds no [{part}] here: it {told}")])
            if isinstance(part, str) and not isinstance(place, dict):
                below = Fault(path[:number], "is not an object").dotted
                raise SpecError([Fault(path, f"--set cannot go below {below!r}, which is not an object")])
            if number == len(path) - 1:
                place[part] = parse(f"value: {text}", f"--set {key}")["value"]
            else:
                place = place[part] if isinstance(part, int) else place.setdefault(part, {})
        if key == "samples":
            result.pop("splits", None)
    return result


def stored_in(attributes: Mapping[str, Any]) -> Spec:
    """The spec in the attributes of a store. Earlier versions wrote the defaults of then out as numbers; where the hash
    says that such a number had been left out, it is left out here. Others hashed alike whatever the order of channels
    is; where the hash says that it was one of those, so does it here. Raises SpecError."""
    told = attributes["spec"]
    spec = validate(told)
    once = spec.solver.written_out
    if once and spec.sha256() != attributes["spec_sha256"]:
        options = {key: value for key, value in told["solver"].items() if key not in once or value != once[key]}
        other = validate({**told, "solver": options})
        if other.sha256() == attributes["spec_sha256"]:
            return other
    then = spec.without_orders()
    return then if then.sha256() == attributes["spec_sha256"] else spec


def preset_names() -> list[str]:
    """The presets that ship with pdemill."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in files("pdemill.presets").iterdir() if entry.name.endswith(".yaml")
    )


def preset_text(name: str) -> str:
    """The YAML of a preset, with the source of every number in its comments."""
    if name not in preset_names():
        raise SpecError([Fault((), f"unknown preset {name!r}; choose one of {', '.join(preset_names())}")])
    return (files("pdemill.presets") / f"{name}.yaml").read_text(encoding="utf-8")


def read_spec(source: str | Path | Mapping[str, Any] | Spec) -> dict[str, Any]:
    """The dictionary in a file, a dictionary or a spec, not validated; files that it names are looked at."""
    if isinstance(source, Spec):
        return dict(json.loads(source.written()))
    if isinstance(source, Mapping):
        return _plain(source)
    try:
        path = on_disk(source, "the spec", PdemillError)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SpecError([Fault((), f"cannot read {str(source)!r}: {reason}")]) from None
    except PdemillError as error:
        raise SpecError([Fault((), str(error))]) from None
    return with_files(parse(text, str(source)), path.parent)


def gather(source: str | Path | Mapping[str, Any] | Spec, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Read as ``read_spec`` does, with overrides; nothing in it refers to a file any more."""
    return with_files(override(read_spec(source), settings), Path())


def with_files(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A spec that refers to no file: its mesh is in it, its arrays are named by their content."""
    members = data.get("mixture")
    if isinstance(members, list):
        found = [with_mesh(member, folder) if isinstance(member, Mapping) else member for member in members]
        data = {**data, "mixture": found}
    return with_arrays(with_mesh(data, folder), folder)


def load_spec(source: str | Path | Mapping[str, Any] | Spec, settings: Sequence[str] = ()) -> Spec:
    """A spec from a file, a dictionary or a spec, with overrides."""
    if isinstance(source, Spec) and not settings:
        return source
    return validate(gather(source, settings))


def read_preset(name: str) -> dict[str, Any]:
    """The dictionary in a preset."""
    return parse(preset_text(name), name)


def load_preset(name: str, settings: Sequence[str] = ()) -> Spec:
    """A preset as a spec, with overrides."""
    return validate(override(read_preset(name), settings))
