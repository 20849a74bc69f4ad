"""What the bits of a store depend on besides its spec: versions of software, and the kind of machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MACHINE = "machine"
"""The attribute of a store that tells the kind of machine; stores from before version 0.2 have none."""


@dataclass(frozen=True)
class Origin:
    """Versions by name, and instruction set, BLAS kernel and the like by name; no machine where none is told."""

    versions: Mapping[str, str]
    machine: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Origin:
        """What the root attributes of a store tell."""
        return cls(dict(attributes["versions"]), dict(attributes.get(MACHINE) or {}))

    def difference(self, other: Origin, called: str = "here") -> str:
        """In what this differs from the ``other``, in words, as far as both tell; empty where it does not."""
        pairs = [(self.versions, other.versions)]
        if self.machine and other.machine:
            pairs.append((self.machine, other.machine))
        return ", ".join(
            f"{name} {mine.get(name, 'absent')} ({called} {theirs.get(name, 'absent')})"
            for mine, theirs in pairs
            for name in {**mine, **theirs}
            if mine.get(name) != theirs.get(name)
        )

    def doubt(self, here: Origin) -> str:
        """Why other bits may be expected ``here``; empty where the same are."""
        difference = self.difference(here)
        return f"made with {difference}" if difference else "" if self.machine else "made on a machine it does not tell"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
