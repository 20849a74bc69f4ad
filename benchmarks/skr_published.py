"""What SKR's paper reports, on the matrices that its scripts make: ``pdemill bench skr --published``.

For each data set, tolerance and preconditioner, in the same run: GMRES(40), GMRES(200), deflated restarts that forget
everything between systems, and GCRO-DR(40, 20); and MUMPS for the data set. A solver that gives up on a system has its
time and its 10,000 iterations counted, as in the paper: there they are what its ratios are made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from time import process_time
from typing import Any

import numpy as np

from benchmarks.shared.contestants import Method
from benchmarks.shared.race import Contestant
from benchmarks.shared.report import Report
from benchmarks.shared.skr_paper import PRECONDITIONERS, SIZES, counts, ratios, tolerances
from benchmarks.shared.skr_published import LIMIT, RECYCLE, AsPublished, published_systems
from pdemill.solvers.operators.system import System
from pdemill.spec import Spec

PRESETS = ("skr-darcy", "skr-helmholtz")
WITHIN = 0.1
"""How far counts may be from the paper's to agree."""
BASE, LONG, FRESH, SKR, MUMPS = "GMRES(40)", "GMRES(200)", "fresh deflated restarts", "SKR", "MUMPS"
NOTE = (
    "Mean iterations per system, and how many systems reached the cap of 10,000; ratios are GMRES(40) / SKR, time / "
    "iterations. SKR's iterations are without the 20 products by which a space is carried to the next matrix, which "
    "the paper's solver does not count. Times are those of one thread; the paper's are of 72 processes (ICC, ILU: one)."
)


def published(report: Report, specs: Mapping[str, Spec], samples: int, names: Sequence[str] = PRECONDITIONERS) -> None:
    """The tables of both data sets, and in how many cells counts agree."""
    agree: list[bool] = []
    for preset, spec in specs.items():
        systems = published_systems(spec, samples)
        size = systems[0].matrix.pattern.size
        direct = _measured(Method({"method": "direct"}), systems)
        report.records.append({"preset": preset, "method": MUMPS, **direct})
        table = report.table(
            f"{preset} as published, n = {size:,} (paper: {SIZES[preset]:,}), {samples} systems; MUMPS: "
            f"{direct['milliseconds']:.1f} ms, {100 * direct['negative']:.0f} % of the values below 0",
            "rtol", "", BASE, "paper", SKR, "paper", LONG, FRESH, "ratio", "paper", "ms: GMRES(40), (200), fresh, SKR",
            note=NOTE,
        )  # fmt: skip
        for rtol in tolerances(preset):
            for name in names:
                found = cell(systems, name, rtol)
                theirs, ratio = counts(preset, rtol)[name], ratios(preset, rtol)[name]
                mine = found[BASE]["iterations"], found[SKR]["iterations"]
                agree.append(all(abs(m / t - 1.0) <= WITHIN for m, t in zip(mine, theirs, strict=True)))
                time = found[BASE]["milliseconds"] / found[SKR]["milliseconds"]
                table.add(
                    f"{rtol:g}", name, _count(found[BASE]), theirs[0], _count(found[SKR]), theirs[1],
                    _count(found[LONG]), _count(found[FRESH]), f"{time:.1f} / {mine[0] / mine[1]:.1f}",
                    f"{ratio[0]:g} / {ratio[1]:g}", ", ".join(f"{found[m]['milliseconds']:.0f}" for m in METHODS),
                )  # fmt: skip
                for method, facts in found.items():
                    report.records.append(
                        {"preset": preset, "rtol": rtol, "preconditioner": name, "method": method, **facts,
                         "paper": theirs, "paper_ratio": ratio}
                    )  # fmt: skip
    told = report.table("Counts of GMRES(40) and SKR against the paper's", "cells", f"both within {WITHIN:.0%}")
    told.add(len(agree), sum(agree))


METHODS = (BASE, LONG, FRESH, SKR)


def cell(systems: Sequence[System], name: str, rtol: float) -> dict[str, dict[str, Any]]:
    """All methods with one preconditioner to one tolerance."""
    found = {
        BASE: _measured(AsPublished(False, name, rtol), systems),
        LONG: _measured(AsPublished(False, name, rtol, restart=200), systems),
        FRESH: _measured(AsPublished(True, name, rtol, carried=False), systems),
        SKR: _measured(AsPublished(True, name, rtol), systems),
    }
    found[SKR]["iterations"] -= RECYCLE * (len(systems) - 1) / len(systems)
    return found


def _measured(solve: Contestant, systems: Sequence[System]) -> dict[str, Any]:
    """Milliseconds and iterations per system, how many gave up, and the share of values below 0."""
    begin = process_time()
    answers = solve(systems)
    spent = process_time() - begin
    return {
        "milliseconds": 1e3 * spent / len(systems),
        "iterations": fmean(answer.iterations for answer in answers),
        "capped": sum(answer.iterations >= LIMIT for answer in answers),
        "negative": fmean(float(np.mean(answer.value < 0.0)) for answer in answers),
    }


def _count(facts: Mapping[str, Any]) -> str:
    capped = f" ({facts['capped']})" if facts["capped"] else ""
    return f"{facts['iterations']:.0f}{capped}"
