"""What owners may have at a time: the server's limits, or those of their keys."""

from __future__ import annotations

from pdemill.service.keys import KeyRing, Owner
from pdemill.settings import Settings


def most_slots(settings: Settings, keys: KeyRing, owner: str) -> int | None:
    """The most units of an owner that workers may have at a time; None for as many as there are."""
    entry = keys.named(owner)
    if entry is not None and entry.max_slots is not None:
        return entry.max_slots
    return settings.max_slots or None


def most_bytes(settings: Settings, owner: Owner) -> int | None:
    """The most bytes that the stores of an owner may have together; None for no limit."""
    return owner.max_bytes or settings.max_stored_bytes or None
