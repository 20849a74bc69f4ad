"""A plan: the method that a job runs with, and the measurements that chose it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pdemill.addresses import Place
from pdemill.errors import CorruptStore
from pdemill.store.places import below, disk_at

FILE = "_manifest/plan.json"
"""Where the measurements of a plan lie in a store; the chosen method itself is in the store's attributes."""


def file_of(fidelity: str = "") -> str:
    """Where those lie of the plan for a fidelity; empty for the spec's own."""
    return f"_manifest/plan@{fidelity}.json" if fidelity else FILE


def is_plan(name: str) -> bool:
    """Whether a file of a store is such a plan."""
    return name == FILE or (name.startswith("_manifest/plan@") and name.endswith(".json"))


@dataclass(frozen=True)
class Candidate:
    """One method that could solve the job. Seconds are CPU seconds per sample, solve only.

    ``estimated_seconds``: by the method's formula. ``seconds``: measured, with what is done once per shard spread over
    the samples of a shard; None where it was not tried. ``iterations``: mean per sample. ``certified`` and ``failed``:
    samples of the trial that the method solved by itself, and that it did not. ``note``: why it was not tried, or set
    aside.
    """

    name: str
    method: Mapping[str, Any]
    estimated_seconds: float
    seconds: float | None = None
    iterations: float | None = None
    certified: int = 0
    failed: int = 0
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """The chosen method with all its options, why it was chosen, and what the trial took (CPU seconds)."""

    method: Mapping[str, Any]
    measured: bool
    reason: str
    trial_seconds: float
    candidates: tuple[Candidate, ...]
    discretiser: str = ""
    """The discretiser that made the matrices; plans of earlier versions do not tell."""

    def to_bytes(self) -> bytes:
        """The content of the store's file."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()


def read_plan(store: Place, fidelity: str = "") -> Plan | None:
    """The measurements in a store; None where the method was asked for, or chosen by formula."""
    try:
        data = disk_at(store).read(file_of(fidelity))
    except FileNotFoundError:
        return None
    return parse_plan(data, str(below(store, file_of(fidelity))))


def parse_plan(data: bytes, where: str) -> Plan:
    """The plan in the content of a file. Raises CorruptStore."""
    try:
        found = json.loads(data)
        return Plan(**{**found, "candidates": tuple(Candidate(**entry) for entry in found["candidates"])})
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStore(f"{where} is not a plan ({error}); delete it: the store does not depend on it") from None
