"""Prints for the command line: progress, summaries, tables."""

from __future__ import annotations

import codecs
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from pdemill.console_rows import COUNTS, NOTHING, count_known, median_of, rows_of, worst_of
from pdemill.inspect import SplitReport, Stated, how_made
from pdemill.planning import Plan
from pdemill.progress import Summary, Tally
from pdemill.store.root import in_time, is_pointwise

WIDEST = 100_000
"""Columns of a line: tables are neither cut nor folded, so that what is in them can be copied and piped."""
out = Console(highlight=False, soft_wrap=True, emoji=False, markup=False, width=WIDEST)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
SHOWN_FAILURES = 5


def print_anything() -> None:
    """Let signs that a stream's encoding lacks be printed as ``?``, and names of files as the bytes they are."""
    codecs.register_error("pdemill", _replacement)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="pdemill")


def _replacement(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    codes = map(ord, error.object[error.start : error.end])
    return b"".join(bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else b"?" for code in codes), error.end


class Bar:
    """A progress bar on a terminal; elsewhere a line whenever another tenth is done."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=errors,
        )  # fmt: skip
        self._task = self._progress.add_task("solving", total=None, rate="")
        self._live = errors.is_terminal
        self._told = -1

    def __enter__(self) -> Bar:
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, *reason: object) -> None:
        if self._live:
            self._progress.stop()

    def __call__(self, tally: Tally) -> None:
        task = self._progress.tasks[0]
        per_second = tally.solved / task.elapsed if task.elapsed else 0.0
        details = f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"
        if tally.iterations:
            details += f", {tally.iterations / max(tally.solved, 1):.0f} iterations each"
        if tally.failed:
            details += f", {tally.failed} failed"
        if tally.restarts:
            details += f", {tally.restarts} restarts"
        if self._live:
            self._progress.update(self._task, total=tally.total, completed=tally.done, rate=details)
            return
        if not task.started:
            self._progress.start_task(self._task)
        tenth = 10 * tally.done // max(tally.total, 1)
        if tenth > self._told:
            self._told = tenth
            left = f", {(tally.total - tally.done) / per_second:.0f} s left" if per_second else ""
            errors.print(f"{tally.done:>7}/{tally.total} samples" + (f"  {details}{left}" if tally.solved else ""))


def print_summary(summary: Summary, store: str, attributes: dict[str, Any], reports: list[SplitReport]) -> None:
    """The last lines of ``generate``: counts, certificates, failures, where the store is."""
    certified = summary.total - len(summary.failures)
    steps = ", ".join(
        f"{name} {seconds:.1f}" for name, seconds in sorted(summary.cpu_seconds.items(), key=lambda s: -s[1])
    )
    told = f" (CPU s: {steps})" if steps else ""
    out.print(f"{certified} of {summary.total} samples certified in {summary.seconds:.1f} s{told}")
    if summary.lengthened:
        out.print(f"{summary.lengthened} of {summary.total} trajectories lengthened, the others solved from the start")
    if summary.from_start:
        out.print(f"nothing lengthened, all solved from the start: {summary.from_start}")
    if summary.grown:
        kept, again = summary.shards_kept, summary.samples_again
        out.print(f"the store has grown: {kept} shard{'' if kept == 1 else 's'} kept, {again} samples solved again")
    for line in _lines(attributes, reports):
        out.print(line)
    if flagged := sum(row.flagged for row in reports):
        out.print(f"flagged for a second look: {samples_flagged(flagged, _flag_texts(reports))}")
    print_failures([(f.split, f.sample, f.reason) for f in summary.failures])
    out.print(f"store: {store}")


def _lines(attributes: dict[str, Any], reports: list[SplitReport]) -> Iterator[str]:
    if is_pointwise(attributes):
        return _points_lines(reports)
    return (_time_lines if in_time(attributes) else _fields_lines)(attributes, reports)


def _time_lines(attributes: dict[str, Any], reports: list[SplitReport]) -> Iterator[str]:
    errors_, until, estimates = (
        _column(reports, name) for name in ("time_error_estimate", "valid_until", "error_estimate")
    )
    tolerance, end = attributes["plan"]["time_rtol"], attributes["spec"]["problem"]["time"]
    stored = worst_of(_column(reports, "stored_error"))
    spread = f"median {median_of(errors_)}, worst {worst_of(errors_)}"
    yield f"error in time: {spread}, tolerance {tolerance:.1e}; as stored {stored}"
    last = end["times"][-1] if end.get("times") else end["end"]
    short = int((until < last).sum())
    if short:
        least = f"{np.min(until):g}"
        yield f"right until t = {least} at least, as asked; {short} samples not until the end, {last:g} (valid_until)"
    own = {
        "spectral_tail": "share of the smallest modes", "invariant_defect": "violation of invariants",
        "budget_defect": "gaps in budgets", "algebraic_error": "error of linear systems",
    }  # fmt: skip
    for name, text in own.items():
        if all(name in report.columns for report in reports):
            found = _column(reports, name)
            yield f"{text}: median {median_of(found)}, worst {worst_of(found)}"
    known = count_known(estimates)
    spread = f"median {median_of(estimates)}, worst {worst_of(estimates)}"
    yield f"error against the grid refined twice, on {known} samples" + (f": {spread}" if known else "")


def _fields_lines(attributes: dict[str, Any], reports: list[SplitReport]) -> Iterator[str]:
    residuals, estimates = (_column(reports, name) for name in ("rel_residual", "error_estimate"))
    tolerance = attributes["plan"]["rtol"]
    yield f"relative residual: median {median_of(residuals)}, worst {worst_of(residuals)}, tolerance {tolerance:.1e}"
    if "stored_error" in reports[0].columns:
        solved, stored = (_column(reports, name) for name in ("algebraic_error", "stored_error"))
        yield f"error of u against its discrete system: worst {worst_of(solved)}, as it is stored {worst_of(stored)}"
    known = count_known(estimates)
    spread = f"median {median_of(estimates)}, worst {worst_of(estimates)}"
    certified = sum(report.certified for report in reports)
    yield f"discretisation error, estimated on {known} of {certified} samples" + (f": {spread}" if known else "")
    orders = _column(reports, "error_order") if "error_order" in reports[0].columns else NOTHING
    if observed := count_known(orders):
        yield f"order of convergence, observed on {observed} samples: median {median_of(orders, '{:.2f}')}"
    if "audit_error" not in reports[0].columns:
        return
    audits, intervals = (_column(reports, name) for name in ("audit_error", "audit_interval"))
    known = count_known(audits)
    walked = f"median {median_of(audits)} ± {median_of(intervals)}, worst {worst_of(audits)}"
    audited = f"{known} sample{'' if known == 1 else 's'}"
    yield f"error against the continuous equation, audited on {audited}" + (f": {walked}" if known else "")


def _points_lines(reports: list[SplitReport]) -> Iterator[str]:
    errors_, weights = (_column(reports, name) for name in ("error_estimate", "largest_weight"))
    yield f"standard error relative to u: median {median_of(errors_)}, worst {worst_of(errors_)}"
    if weights.size and weights.max() > 1:
        yield f"largest weight of a walk: {weights.max():.1f}"


def _flag_texts(reports: list[SplitReport]) -> dict[str, int]:
    """How many certified samples have each flag, by what it says."""
    found: dict[str, int] = {}
    for row in reports:
        for name, number in row.flag_counts.items():
            text = row.flags.texts[name]
            found[text] = found.get(text, 0) + number
    return found


def samples_flagged(flagged: int, by_text: Mapping[str, int]) -> str:
    """How many samples are flagged, and for what."""
    reasons = ", ".join(f"{text} ({number})" for text, number in by_text.items())
    return f"{flagged} sample{'' if flagged == 1 else 's'}: {reasons}"


def _column(reports: list[SplitReport], name: str) -> NDArray[Any]:
    return np.concatenate([report.columns[name] for report in reports])


def print_failures(failures: list[tuple[str, int, str]]) -> None:
    """The first few failures, on the error stream."""
    for split, sample, reason in failures[:SHOWN_FAILURES]:
        errors.print(f"sample {sample} of {split} failed: {reason}")
    if len(failures) > SHOWN_FAILURES:
        errors.print(f"... and {len(failures) - SHOWN_FAILURES} more failures")


def print_report(store: str | Path, attributes: dict[str, Any], reports: list[SplitReport]) -> None:
    """The tables of ``inspect``."""
    problem = attributes["spec"]["problem"]
    if is_pointwise(attributes):
        out.print(f"{store}: {problem['family']}, {problem['domain']['shape']}, {attributes['unknowns']} points")
    else:
        resolution = problem["resolution"]
        grid = " x ".join(map(str, resolution)) if isinstance(resolution, list) else f"h = {resolution['h']}"
        out.print(f"{store}: {problem['family']}, {grid}, {attributes['unknowns']} unknowns")
    for line in how_made(attributes):
        out.print(line)
    table = Table(box=None, pad_edge=False)
    table.add_column("split")
    for row in reports:
        table.add_column(row.split, justify="right")
    rows = rows_of(attributes, reports)
    for name, value in (COUNTS | rows).items():
        table.add_row(name, *map(value, reports))
    if any("flags" in row.columns for row in reports):
        table.add_row("flagged", *(str(row.flagged) for row in reports))
        for text in _flag_texts(reports):
            table.add_row(f"  {text}", *(str(_flag_texts([row]).get(text, 0)) for row in reports))
    out.print(table)
    runs = sum((row.runs for row in reports), Counter[tuple[int, str]]())
    if len(runs) > 1:
        told = (f"run {number} ({began}) {shards}" for (number, began), shards in sorted(runs.items()))
        out.print(f"shards made: {', '.join(told)}")
    print_failures([(f.split, f.sample, f.reason) for row in reports for f in row.failures])
    if not attributes["complete"]:
        out.print("not finished: run the generate command again")
        return
    stats = Table(box=None, pad_edge=False)
    for heading in ("channel", "mean", "std", "min", "max"):
        stats.add_column(heading, justify="left" if heading == "channel" else "right")
    for channel, s in attributes["stats"].items():
        if s["count"]:
            stats.add_row(channel, *(f"{s[key]:.4g}" for key in ("mean", "std", "min", "max")))
    out.print(stats)


def print_worst(found: list[Stated]) -> None:
    """The samples with the largest stated errors."""
    table = Table(box=None, pad_edge=False)
    for heading in ("worst", "error", "stated by", "residual", "flags"):
        table.add_column(heading, justify="right" if heading in ("error", "residual") else "left")
    for stated in found:
        residual = "-" if stated.residual is None else f"{stated.residual:.1e}"
        name = f"{stated.split} {stated.sample}"
        table.add_row(name, f"{stated.error:.1e}", stated.column, residual, " ".join(stated.flags) or "-")
    out.print(table)


def print_plan(plan: Plan) -> None:
    """Print the planner's measurements and its choice."""
    table = Table(box=None, pad_edge=False)
    for heading in ("method", "estimated", "measured", "iterations", "certified", ""):
        table.add_column(heading, justify="left" if heading in ("method", "") else "right")
    for entry in plan.candidates:
        tried = entry.seconds is not None
        table.add_row(
            entry.name,
            _milliseconds(entry.estimated_seconds),
            _milliseconds(entry.seconds) if entry.seconds is not None else "-",
            f"{entry.iterations:.0f}" if entry.iterations is not None else "-",
            f"{entry.certified} of {entry.certified + entry.failed}" if tried else "-",
            "chosen" if entry.method == plan.method else entry.note,
        )
    out.print(table)
    took = f"; the trial took {plan.trial_seconds:.1f} CPU s" if plan.measured else ""
    by = f"; discretiser: {plan.discretiser}" if plan.discretiser else ""
    out.print(f"plan: {plan.method['method']}, {plan.reason}{took}{by}")


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def print_job(state: Mapping[str, Any]) -> None:
    """One job, a line per fact."""
    out.print(f"job {state['id']}: {state['status']}, {state['progress']:g} %")
    out.print(f"samples: {state['samples_done']} of {state['samples_total']}, {state['samples_failed']} failed")
    if state["eta_seconds"] is not None:
        out.print(f"left: {state['eta_seconds']:.0f} s, at {state['samples_per_second']:.3g} samples/s")
    if state["message"]:
        out.print(f"message: {state['message']}")
    if state["expires"] is not None:
        out.print(f"store: deleted after {_minute(state['expires'])} UTC, unless it is asked for again")


def estimated(state: Mapping[str, Any]) -> str:
    """What a job is estimated to take."""
    memory = state["estimated_memory_bytes"] / 1e9
    return f"about {state['estimated_cpu_seconds']:.3g} CPU s, {memory:.1f} GB of memory in every process"


def _minute(time: str) -> str:
    """A time of the API's to the minute."""
    return time.replace("T", " ")[:16]


def print_jobs(states: list[dict[str, Any]], owners: bool = False) -> None:
    """Jobs as a table, with their ``owners`` or without; on a terminal, messages end with its line."""
    headings = ("job", *(["owner"] if owners else []), "status", "done", "samples", "created")
    rows = [
        (s["id"], *([s["owner"]] if owners else []), s["status"], f"{s['progress']:.0f} %", str(s["samples_total"]),
         s["created"].replace("T", " ").partition(".")[0].removesuffix("Z"))
        for s in states
    ]  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("done", "samples") else "left")
    taken = sum(2 + max(map(len, column)) for column in zip(headings, *rows, strict=True))
    table.add_column("message", no_wrap=True, max_width=max(errors.width - taken, 10) if out.is_terminal else None)
    for row, s in zip(rows, states, strict=True):
        table.add_row(*row, s["message"])
    out.print(table)


def print_results(results: Mapping[str, Any]) -> None:
    """The last lines of ``submit --wait``."""
    certified, total = (sum(split[key] for split in results["splits"]) for key in ("certified", "samples"))
    out.print(f"{certified} of {total} samples certified in {results['cpu_seconds']:.1f} CPU s")
    worst = results["worst_residual"]
    if worst is not None:
        out.print(f"relative residual: worst {worst:.1e}, tolerance {results['plan']['rtol']:.1e}")
    estimated, worst = [split["estimated"] for split in results["splits"]], results["worst_estimate"]
    if None not in estimated:
        told = f": worst {worst:.1e}" if worst is not None else ""
        out.print(f"discretisation error, estimated on {sum(estimated)} of {certified} samples{told}")
    if results.get("flagged"):
        by_text = {flag["meaning"]: flag["samples"] for flag in results["flags"]}
        out.print(f"flagged for a second look: {samples_flagged(results['flagged'], by_text)}")
    out.print(f"store: {results['store']['path']}")
