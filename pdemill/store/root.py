"""The root of a store: its attributes, and what it says of its arrays. Loads no Zarr library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pdemill.addresses import Place
from pdemill.errors import StoreError
from pdemill.store.disk import Readable
from pdemill.store.layout import SCHEMA, Shard, cut
from pdemill.store.origin import MACHINE
from pdemill.store.places import disk_at

ROOT = "zarr.json"


def read_root(files: Readable, where: Place) -> dict[str, Any]:
    """The root metadata of the store ``where``, whose files are at hand. Raises StoreError."""
    try:
        document = json.loads(files.read(ROOT))
        if "mixture" in document["attributes"]:
            raise StoreError(f"{where} is a mixture: give one of its members, {where}/NAME")
        schema = document["attributes"]["schema"]
        newer = int(schema) > SCHEMA
    except FileNotFoundError:
        raise StoreError(f"{where} is not a pdemill store: it has no {ROOT}") from None
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {ROOT}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{where} is not a pdemill store: its {ROOT} cannot be read as one") from None
    if newer:
        raise StoreError(f"{where} was written by a newer pdemill (schema {schema}); this one reads {SCHEMA}")
    if wrong := next(_misshapen(document), ""):
        raise StoreError(f"{where} cannot be read as a store: {wrong} in its {ROOT} is not of the right form")
    return dict(document)


def _misshapen(document: Mapping[str, Any]) -> Iterator[str]:
    """The parts of a root that whoever reads a store relies on and that are not of the right form, by name."""
    attributes = document["attributes"]
    spec = attributes.get("spec")
    splits = spec.get("splits") if isinstance(spec, dict) else None
    if not isinstance(splits, dict) or not splits or not all(_is_count(_samples(split)) for split in splits.values()):
        yield "spec"
    if not isinstance(spec, dict) or not isinstance(spec.get("problem"), dict):
        yield "spec"
    for name in ("versions", MACHINE):
        told = attributes.get(name, {} if name == MACHINE else None)
        if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
            yield name
    if not isinstance(attributes.get("plan"), dict):
        yield "plan"
    others = spec.get("fidelities", {}) if isinstance(spec, dict) else {}
    at, no = attributes.get("fidelities", {}), dict[str, Any]()
    told = [at.get(name, no) for name in others] if isinstance(at, dict) and isinstance(others, dict) else [no]
    if not all(isinstance(one, dict) and _is_count(one.get("shard_samples")) for one in told):
        yield "fidelities"
    if not _is_count(attributes.get("shard_samples")):
        yield "shard_samples"
    if not isinstance(attributes.get("complete"), bool):
        yield "complete"
    estimated = attributes.get("estimated_samples", {})
    if not isinstance(estimated, dict) or not all(number == 0 or _is_count(number) for number in estimated.values()):
        yield "estimated_samples"
    for name in ("input_channels", "solution_channels", "parameters"):
        names = attributes.get(name)
        if not isinstance(names, list) or not all(isinstance(value, str) for value in names):
            yield name
    nodes = document.get("consolidated_metadata")
    nodes = nodes.get("metadata") if isinstance(nodes, dict) else None
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        yield "consolidated_metadata"


def _samples(split: Any) -> Any:
    """The samples of a split in a spec: the split itself, or what it says beside others."""
    return split.get("samples") if isinstance(split, dict) else split


def splits_of(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Samples by group: the splits, then the splits at every other fidelity, such as ``train@128``."""
    own = {name: int(_samples(split)) for name, split in attributes["spec"]["splits"].items()}
    return own | {f"{split}@{name}": n for name in attributes["spec"].get("fidelities", {}) for split, n in own.items()}


def shards_of(attributes: Mapping[str, Any]) -> Iterator[Shard]:
    """All shards of a store, in order."""
    splits = splits_of(attributes)
    return cut(splits, int(attributes["shard_samples"]), shard_samples_of(attributes))


def shard_samples_of(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Samples per shard by group."""
    return {name: int(attributes_of(attributes, name)["shard_samples"]) for name in splits_of(attributes)}


def attributes_of(attributes: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The attributes of a store as one of its groups has them: those of its fidelity instead of the root's."""
    return {**attributes, **attributes.get("fidelities", {}).get(group.partition("@")[2], {})}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def read_attributes(root: Place) -> dict[str, Any]:
    """The root attributes of a store."""
    return dict(read_root(disk_at(root), root)["attributes"])


def in_time(attributes: Mapping[str, Any]) -> bool:
    """Whether a store holds trajectories."""
    return "time" in attributes["spec"]["problem"]


def is_pointwise(attributes: Mapping[str, Any]) -> bool:
    """Whether a store holds values at points instead of whole fields."""
    return attributes.get("layout") == "pointwise"


DESCRIPTION = "discretiser"
"""A key of ``plan`` that follows from the spec; stores from before version 0.2 have none."""


SUPERLU = "superlu"
"""A key of ``versions`` where ``direct`` is SuperLU's."""
OF_FACTORS = ("refined", "direct")
"""Keys of ``plan`` that depend on who factorises: the method of refined solves is chosen by estimates."""


def other_factors(attributes: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether a store was begun where MUMPS factorises and is looked at where SuperLU does, or the other way round."""
    return (SUPERLU in attributes["versions"]) != (SUPERLU in stored["versions"])


def as_written(attributes: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes made anew, as the writer of a store made them: with its versions and its machine, and without what it
    did not tell."""
    mine, theirs = attributes["plan"], stored["plan"]
    plan = {key: value for key, value in mine.items() if key != DESCRIPTION or key in theirs}
    if other_factors(attributes, stored):
        own = {key: value for key, value in plan.items() if key not in OF_FACTORS}
        plan = {key: own.pop(key, value) for key, value in theirs.items() if key in own or key in OF_FACTORS} | own
    told = {MACHINE: stored[MACHINE]} if MACHINE in stored else {}
    kept = {key: told.get(key, value) for key, value in attributes.items() if key != MACHINE or told}
    return {**kept, "versions": stored["versions"], "plan": plan}


def without_description(root: bytes) -> bytes:
    """The root metadata without what later versions tell besides, byte for byte what was written before."""
    document = json.loads(root)
    attributes = document["attributes"]
    plan = attributes.get("plan", {})
    if DESCRIPTION not in plan and MACHINE not in attributes:
        return root
    plan.pop(DESCRIPTION, None)
    attributes.pop(MACHINE, None)
    return json.dumps(document, indent=2).encode()
