"""The column ``flags`` as a store describes it: a mask, a name and a text per bit (CF convention)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import StoreError

COLUMN = "flags"


@dataclass(frozen=True)
class Flags:
    """Masks and texts by name; none for stores without the column."""

    masks: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Self:
        """From the attributes of the column. Raises StoreError."""
        try:
            names = attributes["flag_meanings"].split()
            masks = {name: int(mask) for name, mask in zip(names, attributes["flag_masks"], strict=True)}
            texts = {name: str(text) for name, text in zip(names, attributes["flag_descriptions"], strict=True)}
        except (LookupError, TypeError, ValueError, AttributeError):
            raise StoreError("the store does not tell what its column flags means") from None
        return cls(masks, texts)

    def names(self, value: int) -> tuple[str, ...]:
        """The names of the bits that are set."""
        return tuple(name for name, mask in self.masks.items() if int(value) & mask)

    def counts(self, values: NDArray[Any]) -> dict[str, int]:
        """How many values have each bit set, where any has."""
        found = {name: int(np.count_nonzero(values & mask)) for name, mask in self.masks.items()}
        return {name: number for name, number in found.items() if number}


def flags_of(nodes: Mapping[str, Any], split: str) -> Flags:
    """The flags of a split, from the consolidated metadata of its store."""
    node = nodes.get(f"{split}/{COLUMN}")
    return Flags() if node is None else Flags.of(node.get("attributes", {}))
