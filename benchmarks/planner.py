"""Planner: for every preset, what `auto` takes, and what every method that admits the problem costs per sample; then
for presets on other grids, most of them small.

Solves only, to the tolerance of the preset, with what a long shard keeps. A method whose first solve takes twenty times
as long as that of the quickest is left at that. `auto` should be within 1.15 of the best; the last column is the share
of its trials in a job of 1,000 samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import process_time
from typing import Any

from benchmarks.shared.contestants import Method
from benchmarks.shared.planned import choice, rtol
from benchmarks.shared.race import race
from benchmarks.shared.report import Report, arguments
from benchmarks.shared.sequences import Drawn, make
from pdemill.solvers.operators.equation import relative_residual
from pdemill.solvers.threads import one_thread
from pdemill.spec import load_preset
from pdemill.spec.load import preset_names
from pdemill.spec.method import LinearMethod, methods
from pdemill.spec.problem import Problem

TARGET = 1.15
HOPELESS = 20.0
JOB = 1000
VARIANTS: tuple[dict[str, Any], ...] = (
    {"method": "cg", "preconditioner": "gamg"},
    {"method": "skr", "preconditioner": "sor"},
)
"""Options that one would try besides the defaults of every method."""
LIMIT = 2000
"""Iterations after which an iterative method is given up."""
OTHERS: dict[str, tuple[str, str]] = {
    **{f"fno-darcy, {n}²": ("fno-darcy", f"problem.resolution=[{n}, {n}]") for n in (8, 16, 24, 48)},
    **{f"skr-poisson, {n}²": ("skr-poisson", f"problem.resolution=[{n}, {n}]") for n in (16, 32)},
    **{f"darcy-3d, {n}³": ("darcy-3d", f"problem.resolution=[{n}, {n}, {n}]") for n in (8, 16)},
    "skr-thermal, h = 0.05": ("skr-thermal", "problem.resolution.h=0.05"),
    "skr-thermal, k lognormal": ("skr-thermal", "problem.coefficient={field: lognormal, std: 1}"),
}
QUICK = {"skr-poisson": ("skr-poisson", "problem.resolution=[24, 24]"),
         "fno-darcy": ("fno-darcy", "problem.resolution=[24, 24]")}  # fmt: skip


def label(options: Mapping[str, Any]) -> str:
    """How a method with its main option is called in the table."""
    return " + ".join(options[key] for key in ("method", "preconditioner") if key in options)


def candidates(problem: Problem, tolerance: float) -> Iterator[dict[str, Any]]:
    """Every method that admits a problem, with its defaults, and the variants; networks of ``dcdm`` have no default."""
    kinds = {name: kind for name, kind in methods.items() if name not in ("auto", "dcdm")}
    named = ({"method": name} for name, kind in kinds.items() if issubclass(kind, LinearMethod))
    for options in (*named, *VARIANTS):
        method = make(options)
        if method.objection(problem) is None:
            limit = {"max_iterations": LIMIT} if "max_iterations" in type(method).model_fields else {}
            yield make(options | limit | {"rtol": tolerance}).resolve(problem).model_dump(mode="json")


def hopeful(drawn: Drawn, found: Mapping[str, Mapping[str, Any]], tolerance: float, picked: str) -> dict[str, Method]:
    """The methods that are worth being measured: what `auto` picked, and those that are not far too slow."""
    tried: dict[str, tuple[Method, float]] = {}
    for name, options in found.items():
        contestant = Method(dict(options), kept=True)
        contestant(drawn.systems[:1])  # loads and compiles
        begin = process_time()
        answers = contestant(drawn.systems[:2])
        seconds = process_time() - begin
        solved = all(relative_residual(s, a.value) <= tolerance for s, a in zip(drawn.systems, answers, strict=False))
        if solved or name == picked:
            tried[name] = contestant, seconds
    least = min(seconds for _, seconds in tried.values())
    return {
        name: contestant
        for name, (contestant, seconds) in tried.items()
        if name == picked or seconds <= HOPELESS * least
    }


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--samples", type=int, default=16, help="of every preset (16)")
    parser.add_argument("--presets", nargs="*", default=preset_names(), choices=preset_names(), metavar="NAME")
    options = parser.parse_args(given)
    jobs: dict[str, tuple[str, ...]] = {name: (name,) for name in options.presets}
    jobs |= {name: job for name, job in OTHERS.items() if job[0] in options.presets}
    samples = options.samples
    if options.quick:
        jobs, samples = dict(QUICK), 4
    parameters = {"samples": samples, "rounds": options.rounds, "target": TARGET}
    with one_thread(), Report("planner", parameters, options.out) as report:
        columns = ("preset", "auto takes", "ms", "best", "ms", "auto / best", "the others, ms", f"trials of {JOB}")
        table = report.table("auto against every method", *columns)
        for preset, (base, *settings) in jobs.items():
            spec = load_preset(base, settings)
            if spec.problem.pointwise:
                table.add(preset, "walks", None, "the only method", None, None, None, None)
                continue
            tolerance, chosen, drawn = rtol(spec), choice(spec, JOB), Drawn.of(spec, samples)
            found: dict[str, Mapping[str, Any]] = {label(one): one for one in candidates(spec.problem, tolerance)}
            picked = label(chosen.options)
            contestants = hopeful(drawn, found | {picked: chosen.options}, tolerance, picked)
            measured = race(contestants, drawn.systems, tolerance, options.rounds, len(drawn.systems))
            times = {name: one.milliseconds for name, one in measured.items() if not one.missed or name == picked}
            best = min(times, key=lambda name: times[name])
            others = sorted((t, name) for name, t in times.items() if name not in (picked, best))
            shown = [f"{name} {t:.3g}" for t, name in others]
            shown += [f"{name} -" for name in found if name not in times]
            share = chosen.trial_seconds / (chosen.trial_seconds + JOB * times[picked] / 1e3)
            table.add(preset, picked, times[picked], best, times[best], times[picked] / times[best], ", ".join(shown),
                      f"{100 * share:.1f} %")  # fmt: skip
            report.records += [
                {
                    "preset": preset,
                    "method": name,
                    "auto": name == picked,
                    "reason": chosen.reason if name == picked else "",
                    "trial_seconds": chosen.trial_seconds if name == picked else 0.0,
                    **one.facts(),
                }
                for name, one in measured.items()
            ]


if __name__ == "__main__":
    main()
