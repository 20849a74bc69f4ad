"""What SKR's paper reports, on the matrices that its scripts make: ``pdemill bench skr --published``.

For each data set, tolerance and preconditioner, in the same run: GMRES(40), GMRES(200), deflated restarts that forget
everything between systems, and GCRO-DR(40, 20); and MUMPS for the data set. A solver that gives up on a system has its
time and its 10,000 iterations counted, as in the paper: there they are what its ratios are made of. GMRES runs to the
tightest tolerance once, and its residuals tell the counts at the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from time import process_time
from typing import Any

import numpy as np

from benchmarks.shared.contestants import Method
from benchmarks.shared.report import Report
from benchmarks.shared.skr_paper import PRECONDITIONERS, SIZES, counts, ratios, tolerances
from benchmarks.shared.skr_published import (
    LIMIT,
    RECYCLE,
    RESTART,
    Recycled,
    Restarted,
    Tried,
    published_systems,
)
from pdemill.solvers.operators.system import System
from pdemill.spec import Spec

PRESETS = ("skr-darcy", "skr-helmholtz")
LONG_RESTART = 200
WITHIN = 0.1
"""How far counts may be from the paper's to agree."""
BASE, LONG, FRESH, SKR, MUMPS = "GMRES(40)", "GMRES(200)", "fresh deflated restarts", "SKR", "MUMPS"
NOTE = (
    "Mean iterations per system, and how many systems reached the cap of 10,000; ratios are GMRES(40) / SKR, time / "
    "iterations. SKR's iterations are without the 20 products by which a space is carried to the next matrix, which "
    "the paper's solver does not count. Times are of one thread; the paper's are of 72 processes (ICC, ILU: one). "
    "At the cap: the share of systems on which GMRES(40) stagnates here, and the share that the paper's mean tells, if "
    "the others took as many iterations as here."
)


def published(report: Report, specs: Mapping[str, Spec], samples: int, names: Sequence[str] = PRECONDITIONERS) -> None:
    """The tables of both data sets, and in how many cells counts agree."""
    found: list[Compared] = []
    for preset, spec in specs.items():
        systems = published_systems(spec, samples)
        size = systems[0].matrix.pattern.size
        Recycled("ilu")(systems[:1], 1e-2)  # compiles, or loads what was compiled
        direct = _direct(systems)
        report.records.append({"preset": preset, "method": MUMPS, **direct})
        table = report.table(
            f"{preset} as published, n = {size:,} (paper: {SIZES[preset]:,}), {samples} systems; MUMPS: "
            f"{direct['milliseconds']:.1f} ms, {100 * direct['negative']:.0f} % of the values below 0",
            "", "rtol", BASE, "paper", "at the cap", "paper", SKR, "paper", LONG, FRESH, "ratio", "paper",
            "ms: GMRES(40), (200), fresh, SKR", note=NOTE,
        )  # fmt: skip
        for name in names:
            for rtol, facts in by_tolerance(systems, name, tolerances(preset)).items():
                theirs, ratio = counts(preset, rtol)[name], ratios(preset, rtol)[name]
                mine = Compared(facts[BASE], facts[SKR], *theirs)
                found.append(mine)
                time = facts[BASE]["milliseconds"] / facts[SKR]["milliseconds"]
                steps = facts[BASE]["iterations"] / facts[SKR]["iterations"]
                table.add(
                    name, f"{rtol:g}", _count(facts[BASE]), theirs[0], f"{mine.capped:.0%}", f"{mine.capped_there:.0%}",
                    _count(facts[SKR]), theirs[1], _count(facts[LONG]), _count(facts[FRESH]),
                    f"{time:.1f} / {steps:.1f}", f"{ratio[0]:g} / {ratio[1]:g}",
                    ", ".join(f"{facts[m]['milliseconds']:.0f}" for m in METHODS),
                )  # fmt: skip
                for method, own in facts.items():
                    report.records.append(
                        {"preset": preset, "rtol": rtol, "preconditioner": name, "method": method, **own,
                         "paper": theirs, "paper_ratio": ratio}
                    )  # fmt: skip
    told = report.table(
        f"Counts against the paper's: cells that agree within {WITHIN:.0%}", "cells", "SKR", "means of GMRES(40)",
        "SKR and means of GMRES(40)", "SKR, and GMRES(40) where it does not stagnate; else it stagnates in both",
    )  # fmt: skip
    told.add(
        len(found), sum(c.skr for c in found), sum(c.gmres for c in found), sum(c.skr and c.gmres for c in found),
        sum(c.skr and (c.stagnates or c.gmres) for c in found),
    )  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """Facts of GMRES(40) and of SKR beside the paper's means."""

    base: Mapping[str, Any]
    recycled: Mapping[str, Any]
    base_there: float
    recycled_there: float

    @property
    def skr(self) -> bool:
        return abs(float(self.recycled["iterations"]) / self.recycled_there - 1.0) <= WITHIN

    @property
    def gmres(self) -> bool:
        return abs(float(self.base["iterations"]) / self.base_there - 1.0) <= WITHIN

    @property
    def capped(self) -> float:
        """The share of systems on which GMRES(40) reached the cap."""
        return float(self.base["capped"]) / len(self.base["steps"])

    @property
    def capped_there(self) -> float:
        """What the paper's mean makes of that share."""
        others = [steps for steps in self.base["steps"] if steps < LIMIT]
        usual = fmean(others) if others else 0.0
        return max(0.0, (self.base_there - usual) / (LIMIT - usual))

    @property
    def stagnates(self) -> bool:
        """Whether GMRES(40) does on some systems, here and there: means over such systems tell how many there were."""
        return self.capped > 0.0 and self.capped_there > 0.0


METHODS = (BASE, LONG, FRESH, SKR)

type Facts = dict[str, Any]


def by_tolerance(
    systems: Sequence[System], name: str, rtols: Sequence[float]
) -> dict[float, dict[str, dict[str, Any]]]:
    """All methods with one preconditioner, to every tolerance."""
    base, long = Restarted(name, RESTART)(systems, rtols), Restarted(name, LONG_RESTART)(systems, rtols)
    found = {}
    for rtol in rtols:
        found[rtol] = {
            BASE: _facts(base[rtol]), LONG: _facts(long[rtol]),
            FRESH: _facts(Recycled(name, carried=False)(systems, rtol)), SKR: _facts(Recycled(name)(systems, rtol)),
        }  # fmt: skip
        found[rtol][SKR]["iterations"] -= RECYCLE * (len(systems) - 1) / len(systems)
    return found


def _facts(tried: Sequence[Tried]) -> Facts:
    """Milliseconds and iterations per system, those of each, and how many gave up."""
    steps = [one.iterations for one in tried]
    return {
        "milliseconds": 1e3 * fmean(one.seconds for one in tried), "iterations": fmean(steps), "steps": steps,
        "capped": sum(one.iterations >= LIMIT for one in tried), "negative": fmean(one.negative for one in tried),
    }  # fmt: skip


def _direct(systems: Sequence[System]) -> Facts:
    begin = process_time()
    answers = Method({"method": "direct"})(systems)
    spent = process_time() - begin
    negative = fmean(float(np.mean(answer.value < 0.0)) for answer in answers)
    return {"milliseconds": 1e3 * spent / len(systems), "negative": negative}


def _count(facts: Mapping[str, Any]) -> str:
    capped = f" ({facts['capped']})" if facts["capped"] else ""
    return f"{facts['iterations']:.0f}{capped}"
