"""SKR: Table 1 of its paper measured here, what sorting and recycling add, and the solvers one would pick instead.

First the ratio of GMRES(40) to GCRO-DR(40, 20), time / iterations, for the four data sets, seven preconditioners and
three tolerances of the paper, with its figures beside. Then for each data set at 1e-8: recycling with sorting, without,
and forgotten after every system; CG, MINRES, GAMG, MUMPS; and what `auto` takes. Then `auto` against GMRES(40) + ilu
where all samples have one matrix.

``--published`` measures the paper's own Darcy and Helmholtz matrices instead, as its scripts make them (about an hour).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.shared.contestants import Method
from benchmarks.shared.planned import choice
from benchmarks.shared.race import Contestant, Measured, race
from benchmarks.shared.report import Cell, Report, Table, arguments
from benchmarks.shared.sequences import Drawn
from benchmarks.shared.skr_paper import PRECONDITIONERS, SIZES, SORTING, ratios, tolerances
from benchmarks.skr_published import PRESETS, published
from pdemill.solvers.threads import one_thread
from pdemill.spec import Spec, load_preset

SETTINGS: dict[str, list[str]] = {"skr-darcy": ["problem.resolution=[80, 80]"]}
"""Sizes of the paper, where the preset has another."""
QUICK = {"skr-thermal": ["problem.resolution.h=0.04"]}
GMRES = {"method": "gmres", "restart": 40, "max_iterations": 20_000}
SKR: dict[str, Any] = {"method": "skr", "restart": 40, "recycle": 20}
ABLATED, ABLATION_RTOL = "sor", 1e-8
ONE_MATRIX = ("skr-thermal", "skr-poisson")
NOTE = (
    "Time / iterations of GMRES(40), divided by those of GCRO-DR(40, 20) on the same systems, sorted among themselves. "
    "The paper sorts and solves many more systems than are measured here, and its first systems weigh less. pdemill "
    "refuses icc for helmholtz, whose matrices it does not know to be definite; here they are, and it is used."
)


def table_one(report: Report, table: Table, preset: str, drawn: Drawn, names: Sequence[str], rtols: Sequence[float],
              rounds: int) -> None:  # fmt: skip
    """The rows of one data set."""
    systems = drawn.greedy()
    for rtol in rtols:
        cells: list[Cell] = []
        for name in names:
            options = {"preconditioner": name, "rtol": rtol}
            found = race({"gmres": Method(GMRES | options), "skr": Method(SKR | options)}, systems, rtol, rounds)
            time, steps = compared(found["gmres"], found["skr"])
            cells.append(f"{time:.1f} / {steps:.1f}" if time == time else "missed")
            facts = {key: value.facts() for key, value in found.items()}
            report.records.append({"preset": preset, "rtol": rtol, "preconditioner": name, **facts,
                                   "time_ratio": time, "iteration_ratio": steps,
                                   "paper": ratios(preset, rtol)[name]})  # fmt: skip
        table.add(f"{preset}, n = {drawn.unknowns:,}", f"{rtol:g}", "here", *cells)
        paper = ratios(preset, rtol)
        table.add("", "", f"paper, n = {SIZES[preset]:,}", *(f"{paper[n][0]:g} / {paper[n][1]:g}" for n in names))


def compared(base: Measured, other: Measured) -> tuple[float, float]:
    """Ratios of time and of iterations; NaN where one of the two missed the tolerance."""
    return base.milliseconds / other.milliseconds, base.iterations / other.iterations


def ablation(report: Report, preset: str, spec: Spec, drawn: Drawn, rounds: int) -> None:
    """One data set at 1e-8: the parts of SKR, and what else there is."""
    rtol = {"rtol": ABLATION_RTOL}
    skr = SKR | rtol | {"preconditioner": ABLATED}
    order = {id(system): place for place, system in enumerate(drawn.greedy())}
    auto = dict(choice(spec, 1000).options) | rtol

    def chained(systems: Sequence[Any]) -> list[Any]:
        return Method(skr)(sorted(systems, key=lambda system: order[id(system)]))

    def in_place(systems: Sequence[Any]) -> list[Any]:
        """Solved in the sorted order, answered in the given one."""
        ranks = sorted(range(len(systems)), key=lambda i: order[id(systems[i])])
        answers = dict(zip(ranks, chained(systems), strict=True))
        return [answers[i] for i in range(len(systems))]

    contestants: dict[str, Contestant] = {
        f"GMRES(40) + {ABLATED}": Method(GMRES | rtol | {"preconditioner": ABLATED}),
        "fresh deflated restarts": Method(skr, carried=False),
        "recycled, as drawn": Method(skr),
        "recycled, sorted": in_place,
        "CG + icc": Method({"method": "cg", "preconditioner": "icc"} | rtol),
        "MINRES + jacobi": Method({"method": "minres"} | rtol),
        "recycled CG + icc": Method({"method": "cg", "preconditioner": "icc", "recycle": 20} | rtol),
        "CG + GAMG": Method({"method": "cg", "preconditioner": "gamg"} | rtol),
        "MUMPS": Method({"method": "direct"} | rtol),
        f"auto: {auto['method']}": Method(auto),
    }
    found = race(contestants, drawn.systems, ABLATION_RTOL, rounds)
    title = f"{preset}, n = {drawn.unknowns:,}, {len(drawn.systems)} systems, {ABLATION_RTOL:g}"
    table = report.table(title, "method", "iterations", "ms per system", "faster than GMRES(40)", "fewer iterations")
    base = found[f"GMRES(40) + {ABLATED}"]
    for name, one in found.items():
        time, steps = compared(base, one) if one.iterations else (base.milliseconds / one.milliseconds, None)
        missed = f" ({one.missed} missed)" if one.missed else ""
        table.add(name + missed, one.iterations or None, one.milliseconds, time, steps)
        report.records.append({"preset": preset, "rtol": ABLATION_RTOL, "method": name, **one.facts()})


def through_auto(report: Report, specs: Mapping[str, Spec], samples: int, rounds: int) -> None:
    """The choice of `auto` for 1,000 samples, against GMRES(40) + ilu; factors kept, as from shard to shard."""
    title = f"Through auto: {samples} samples of a job of 1,000, {ABLATION_RTOL:g}"
    table = report.table(title, "data set", "auto", "ms", "GMRES(40) + ilu: ms", "faster")
    for preset, spec in specs.items():
        auto = dict(choice(spec, 1000).options) | {"rtol": ABLATION_RTOL}
        contestants: dict[str, Contestant] = {
            "gmres": Method(GMRES | {"preconditioner": "ilu", "rtol": ABLATION_RTOL}), "auto": Method(auto, kept=True),
        }  # fmt: skip
        found = race(contestants, Drawn.of(spec, samples).systems, ABLATION_RTOL, rounds)
        time = found["gmres"].milliseconds / found["auto"].milliseconds
        table.add(preset, str(auto["method"]), found["auto"].milliseconds, found["gmres"].milliseconds, time)
        report.records.append({"preset": preset, "auto": auto["method"], "time_ratio": time,
                               **{key: value.facts() for key, value in found.items()}})  # fmt: skip


def as_published(out: Path | None, samples: int, quick: bool) -> None:
    """The published matrices, in a report of their own."""
    specs = {preset: load_preset(preset, SETTINGS.get(preset, [])) for preset in PRESETS}
    with one_thread(), Report("skr-published", {"systems": samples}, out) as report:
        if quick:
            published(report, {preset: spec for preset, spec in specs.items() if preset in SETTINGS}, 2, ("ilu",))
        else:
            published(report, specs, samples)


def drawing(records: Sequence[dict[str, Any]], presets: Sequence[str]) -> Figure:
    """Time ratios at the tightest tolerance, here and in the paper."""
    figure = Figure(figsize=(3.2 * len(presets), 3.2), layout="constrained")
    axes: Any = figure.subplots(1, len(presets), squeeze=False, sharey=True)
    for ax, preset in zip(axes[0], presets, strict=True):
        rows = [row for row in records if row["preset"] == preset and "paper" in row]
        rows = [row for row in rows if row["rtol"] == min(row["rtol"] for row in rows)]
        names = [row["preconditioner"] for row in rows]
        ax.plot(names, [row["time_ratio"] for row in rows], "o-", label="pdemill")
        ax.plot(names, [row["paper"][0] for row in rows], "s--", color="0.5", label="paper")
        ax.axhline(1.0, color="0.8", zorder=0)
        ax.set_title(f"{preset}, {rows[0]['rtol']:g}", fontsize=9)
        ax.set_yscale("log")
        ax.tick_params(axis="x", rotation=45, labelsize=8)
    axes[0, 0].set_ylabel("time of GMRES(40) / time of SKR")
    axes[0, 0].legend(fontsize=8)
    return figure


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=2)
    parser.add_argument("--systems", type=int, default=12, help="of every cell of the first table (12)")
    parser.add_argument("--sorted", type=int, default=24, help="of the tables about sorting (24)")
    parser.add_argument("--presets", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--published", action="store_true", help="the matrices of the paper's scripts, all 42 cells")
    options = parser.parse_args(given)
    if options.published:
        as_published(options.out, options.systems, options.quick)
        return
    names: Sequence[str] = PRECONDITIONERS
    settings, presets, counts = SETTINGS, options.presets, (options.systems, options.sorted)
    if options.quick:
        names, settings, presets, counts = ("none",), QUICK, list(QUICK), (4, 6)
    parameters = {"presets": " ".join(presets), "systems": counts, "rounds": options.rounds}
    with one_thread(), Report("skr", parameters, options.out) as report:
        table = report.table("Table 1 of the SKR paper", "data set", "rtol", "", *names, note=NOTE)
        specs = {preset: load_preset(preset, settings.get(preset, [])) for preset in presets}
        drawn = {preset: Drawn.of(spec, counts[0]) for preset, spec in specs.items()}
        for preset in presets:
            rtols = tolerances(preset)[1:2] if options.quick else tolerances(preset)
            table_one(report, table, preset, drawn[preset], names, rtols, options.rounds)
        report.figure("ratios", drawing(report.records, presets))
        for preset, spec in specs.items():
            ablation(report, preset, spec, Drawn.of(spec, counts[1]), options.rounds)
        through_auto(report, {name: specs[name] for name in presets if name in ONE_MATRIX}, counts[1], options.rounds)
        quoted = report.table("Table 2 of the SKR paper: Darcy, n = 10,000, sor, 1e-8", "method", "ms", "iterations")
        for name, (milliseconds, iterations) in SORTING.items():
            quoted.add(name, milliseconds, iterations)


if __name__ == "__main__":
    main()
