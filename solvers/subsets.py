"""Which samples of a split are refined, and which are audited.

In stores of schema 2 a sample's number decides, never how many others there are, so that a split may grow: sample i
is refined where i < LEAST_REFINED or u_i < ``certify.refine``, with u_i uniform from the counter of sample i. Where so
many samples are asked for, the first ones are taken, as no other choice keeps their number while a split grows; samples
are drawn independently. In stores of schema 1 samples were ranked by u within their split.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.spec.job import Spec
from pdemill.store.layout import SCHEMA

LEAST_REFINED = 4
"""Samples per split whose discretisation error is estimated, where the split has as many."""
SCHEME = f"refined: i < {LEAST_REFINED} or uniform(seed, split, i, 'certify') < refine; audited: i < audit.samples"
PURPOSE = "certify"
FEW = 20
"""Solves that the norm of an inverse takes: estimates for fewer samples have their algebraic errors by corrections."""

ORDERED = {True: 4, False: 2}
"""Samples of the first split whose order of convergence is observed, by whether the third grid is the coarser one."""

type Numbers = NDArray[np.intp]


def refined_count(spec: Spec, split: str) -> int:
    """How many samples of a split have their discretisation error estimated, on average."""
    samples, share = spec.splits[split], spec.certify.refine
    always = min(samples, LEAST_REFINED)
    return always + round(share * (samples - always)) if share else 0


def many_refined(spec: Spec) -> bool:
    """Whether so many samples are estimated that the norm of an inverse pays."""
    return sum(refined_count(spec, split) for split in spec.splits) > FEW


def refined_samples(spec: Spec, split: str, within: range | None = None, schema: int = SCHEMA) -> Numbers:
    """The samples of a split whose discretisation error is estimated, drawn from the seed; ``within`` some numbers."""
    numbers = range(spec.splits[split]) if within is None else within
    share = spec.certify.refine
    if schema == 1:
        count = min(spec.splits[split], max(LEAST_REFINED, round(share * spec.splits[split]))) if share else 0
        return np.intersect1d(_ranked(spec, split, count, PURPOSE), numbers)
    if share == 0.0:
        return np.empty(0, dtype=np.intp)
    chosen = [i for i in numbers if i < LEAST_REFINED or share == 1.0 or _level(spec, split, i) < share]
    return np.array(chosen, dtype=np.intp)


def ordered_count(spec: Spec, coarser: bool) -> int:
    """How many samples of the first split have their order of convergence observed, where a third grid is there."""
    return min(next(iter(spec.splits.values())), ORDERED[coarser]) if spec.certify.refine else 0


def audited_count(spec: Spec, split: str) -> int:
    """How many samples of a split are audited."""
    return min(spec.splits[split], spec.certify.audit.samples) if spec.certify.audit else 0


def audited_samples(spec: Spec, split: str, schema: int = SCHEMA) -> Numbers:
    """The samples of a split that are audited."""
    count = audited_count(spec, split)
    return _ranked(spec, split, count, "audit") if schema == 1 else np.arange(count, dtype=np.intp)


def _level(spec: Spec, split: str, number: int) -> float:
    return float(Draw(spec.seed, split, number, PURPOSE).uniform(1)[0])


def _ranked(spec: Spec, split: str, count: int, purpose: str) -> Numbers:
    """The samples of a split with the lowest levels, as schema 1 drew them."""
    if count == 0:
        return np.empty(0, dtype=np.intp)
    levels = Draw(spec.seed, split, 0, purpose).uniform(spec.splits[split])
    return np.sort(np.argsort(levels, kind="stable")[:count])
