"""What sequences of points share: how they are seeded, and how many points are made at once."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

BLOCK = 1024


def generator(seed: int, split: str, design: str) -> np.random.Generator:
    """What scrambles the sequence of a split."""
    digest = sha256(f"{seed}/{split}/design/{design}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
