"""The root of a mixture: a Zarr group whose members are stores, each whole by itself. Loads no Zarr library."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pdemill.errors import StoreError
from pdemill.store.disk import Readable
from pdemill.store.root import ROOT

KEY = "mixture"
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,31}"
"""What members may be called: their folders are."""
SCHEMA = 1
"""Version of the attribute; readers refuse a higher one."""


def document(members: list[dict[str, Any]], sha256: str) -> bytes:
    """The root's ``zarr.json``. ``members``: name, weight, spec_sha256, equation and prefix of each."""
    told = {KEY: {"schema": SCHEMA, "sha256": sha256, "members": members}}
    return json.dumps({"zarr_format": 3, "node_type": "group", "attributes": told}, indent=1).encode() + b"\n"


def members_of(files: Readable, where: str) -> list[dict[str, Any]] | None:
    """What the root of a mixture says of its members; None where there is no root, or one of a single store. Raises
    StoreError for one that cannot be read."""
    try:
        attributes = json.loads(files.read(ROOT)).get("attributes", {})
    except (FileNotFoundError, ValueError, AttributeError):
        return None
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {ROOT}: {error.strerror or error}") from None
    told = attributes.get(KEY) if isinstance(attributes, dict) else None
    if told is None:
        return None
    if not isinstance(told, Mapping) or not isinstance(told.get("schema"), int):
        raise StoreError(f"{where} cannot be read: its {ROOT} is not of the right form")
    if told["schema"] > SCHEMA:
        raise StoreError(f"{where} was written by a newer pdemill (mixtures {told['schema']}); this one reads {SCHEMA}")
    members = told.get("members")
    if not isinstance(members, list) or not members or not all(map(_whole, members)):
        raise StoreError(f"{where} cannot be read: its {ROOT} does not tell its members")
    return members


def _whole(member: Any) -> bool:
    return (
        isinstance(member, dict)
        and all(isinstance(member.get(key), str) for key in ("name", "spec_sha256", "equation"))
        and re.fullmatch(NAME, member["name"]) is not None
        and isinstance(member.get("weight"), int | float)
        and isinstance(member.get("prefix"), list)
    )
