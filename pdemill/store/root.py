"""The root of a store: its attributes, and what it says of its arrays. Loads no Zarr library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdemill.errors import StoreError
from pdemill.store.disk import LocalDisk, Readable
from pdemill.store.layout import SCHEMA

ROOT = "zarr.json"


def read_root(files: Readable, where: str | Path) -> dict[str, Any]:
    """The root metadata of the store ``where``, whose files are at hand. Raises StoreError."""
    try:
        document = json.loads(files.read(ROOT))
        schema = document["attributes"]["schema"]
    except FileNotFoundError:
        raise StoreError(f"{where} is not a pdemill store: it has no {ROOT}") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(f"{where} is not a pdemill store: its {ROOT} cannot be read as one") from None
    if schema > SCHEMA:
        raise StoreError(f"{where} was written by a newer pdemill (schema {schema}); this one reads {SCHEMA}")
    return dict(document)


def read_attributes(root: str | Path) -> dict[str, Any]:
    """The root attributes of a store on disk."""
    return dict(read_root(LocalDisk(root), root)["attributes"])


def is_pointwise(attributes: Mapping[str, Any]) -> bool:
    """Whether a store holds values at points instead of whole fields."""
    return attributes.get("layout") == "pointwise"


DESCRIPTION = "discretiser"
"""A key of ``plan`` that follows from the spec; stores from before version 0.2 have none."""


def as_written(attributes: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes made anew, as the writer of a store made them: with its versions, and without what it did not tell."""
    plan = {key: value for key, value in attributes["plan"].items() if key != DESCRIPTION or key in stored["plan"]}
    return {**attributes, "versions": stored["versions"], "plan": plan}


def without_description(root: bytes) -> bytes:
    """The root metadata without it, byte for byte what was written before it was told."""
    document = json.loads(root)
    plan = document["attributes"].get("plan", {})
    if DESCRIPTION not in plan:
        return root
    del plan[DESCRIPTION]
    return json.dumps(document, indent=2).encode()
