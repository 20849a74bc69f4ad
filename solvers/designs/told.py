"""What is told of the designs of a spec."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.spec.design import OfLevels
from pdemill.spec.job import Spec

MOST = 4096
"""Points whose discrepancy is computed, which takes the square of their number."""


def told_of(spec: Spec) -> dict[str, dict[str, Any]]:
    """Of every split with a design: its method, the scalars that it places, whether it can be extended, and, where it
    places quantiles, the centred L2 discrepancy of its first ``points`` to four digits; ``note``: what else to know.

    Source: Hickernell 1998, "A generalized discrepancy and quadrature error bound", equation 3.
    """
    return {name: _told(spec, name) for name, split in spec.each_split.items() if split.design is not None}


def _told(spec: Spec, name: str) -> dict[str, Any]:
    split = spec.each_split[name]
    design = split.design
    assert design is not None
    chosen = design.chosen({key: one.scalar for key, one in spec.placed_of(name).items()})
    found: dict[str, Any] = {"method": design.method, "scalars": list(chosen), "extensible": design.extensible}
    if isinstance(design, OfLevels):
        from scipy.stats import qmc  # late: it takes half a second to load

        count = min(split.samples, MOST)
        numbers = (design.places(chosen, split.samples, spec.seed, name, i) for i in range(count))
        levels = np.array([[place.level for place in places] for places in numbers])
        found |= {"discrepancy": float(f"{qmc.discrepancy(levels, method='CD'):.4g}"), "points": count}
    note = design.note(split.samples)
    return found | ({"note": note} if note else {})
