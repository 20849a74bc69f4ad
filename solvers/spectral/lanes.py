"""The vectors of compiled steps: eight numbers each."""

from __future__ import annotations

from pdemill.solvers.lanes import vectors

LANES = 8
"""Numbers in a vector."""
load, store, splat, turn = vectors(LANES)
