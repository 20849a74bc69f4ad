"""The command that solves a spec into a store, alone or beside other runs."""

from __future__ import annotations

import os
import sys
from time import time

import click

from pdemill import cli_jobs, console, mixtures
from pdemill.engine import engine
from pdemill.inspect import report
from pdemill.progress import Summary
from pdemill.sharing import Ending, Part, end_time, part
from pdemill.spec.load import load_spec
from pdemill.spec.mixture import load_mixture

ENDED_EARLY = 75
"""Exit status of a run that was asked to end, or came to its time, with samples left: run it again."""


def _part(context: click.Context, parameter: click.Parameter, value: str | None) -> Part | None:
    try:
        return None if value is None else part(value, os.environ)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _until(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else end_time(value, time())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("spec", required=False)
@click.option("--preset", metavar="NAME", help="A preset instead of a SPEC file; see 'pdemill presets'.")
@click.option("--out", required=True, metavar="DIR.zarr", help="The store to make, or to finish.")
@cli_jobs.workers("Worker processes; -1: as many as there are cores.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value, e.g. --set samples=10.")
@click.option("--other-versions", is_flag=True, help="Finish a store that other versions or another CPU began.")
@click.option("--lengthen", metavar="DIR.zarr", help="Go on with trajectories of a finished store of fewer times.")
@click.option("--part", callback=_part, metavar="K/N", help="Take every N-th shard from the K-th, beside other runs; "
              "slurm: as its variables say.")  # fmt: skip
@click.option("--until", callback=_until, metavar="TIME", help="Begin no shard that would end later: 3h30m from now, "
              "or 2027-01-31T08:00.")  # fmt: skip
def generate(
    spec: str | None,
    preset: str | None,
    out: str,
    workers: int,
    settings: tuple[str, ...],
    other_versions: bool,
    lengthen: str | None,
    part: Part | None,
    until: float | None,
) -> None:
    """Solve every sample of a spec into a store. Run it again to finish what is missing.

    SIGTERM, SIGUSR1 and --until end a run after the shards at work, with exit status 75 if some are left.

    A field is certified when, of its float64 solution u, ||b - A u|| / ||b|| (2-norm) is at most solver.rtol and the
    error against the exact solution of the discrete system (L2, relative to u minus its mean) at most
    certify.algebraic_rtol, and when that error of the stored bits, rounding included, is at most certify.stored_rtol.

    The discretisation error is estimated on a subset, the first 4 samples of each split and a share certify.refine of
    the others; it is limited where certify.error_rtol is given, and then estimated for every sample. Values at points
    have standard errors, and no residual.
    """
    chosen, ending = cli_jobs.chosen(spec, preset), Ending(until)
    if (mixture := load_mixture(chosen, settings)) is not None:
        if lengthen is not None:
            raise click.UsageError("--lengthen is of one store: lengthen a member of the mixture")
        with console.Bar() as bar, ending.on_signals():
            summary = mixtures.generate(mixture, out, workers, bar, other_versions, part, ending)
        _end(summary)
        return
    job = load_spec(chosen, settings)
    with console.Bar() as bar, ending.on_signals():
        summary = engine.generate(job, out, workers, bar, other_versions, lengthen, part, ending)
    if summary.left or summary.elsewhere:
        _print_unfinished(summary)
    else:
        console.print_summary(summary, out, *report(summary.store))
    _exit(summary)


def _end(summary: Summary) -> None:
    """Tell how the members of a mixture ended."""
    if summary.left or summary.elsewhere:
        _print_unfinished(summary)
    else:
        solved = summary.total - len(summary.failures)
        console.out.print(f"{solved} of {summary.total} samples certified in {summary.seconds:.1f} s")
        console.print_failures([(f.split, f.sample, f.reason) for f in summary.failures])
        console.out.print(f"mixture: {summary.store}")
    _exit(summary)


def _exit(summary: Summary) -> None:
    if summary.left:
        sys.exit(ENDED_EARLY)
    if not summary.ok:
        sys.exit(1)


def _print_unfinished(summary: Summary) -> None:
    """The last lines of a run that leaves a store unfinished."""
    solved = summary.total - summary.left
    console.out.print(
        f"{solved - len(summary.failures)} of {summary.total} samples certified in {summary.seconds:.1f} s"
    )
    console.print_failures([(f.split, f.sample, f.reason) for f in summary.failures])
    if summary.left:
        console.out.print(f"ended early: {summary.left} samples are left; run the same command again to go on")
    if summary.elsewhere:
        console.out.print(
            f"{summary.elsewhere} samples of other parts are not there yet; who ends last finishes the store"
        )
    console.out.print(f"store: {summary.store}")


@click.command()
@click.argument("stores", nargs=-1, required=True)
@click.option("--out", required=True, metavar="DIR.zarr", help="The store to make, or to fill.")
@click.option("--other-versions", is_flag=True, help="Merge what other versions or another CPU made than the first.")
def merge(stores: tuple[str, ...], out: str, other_versions: bool) -> None:
    """Copy the finished shards of STORES, which are of one spec, into another store; nothing is solved.

    Exit status 1 if some are missing then: 'pdemill generate' with the spec solves them.
    """
    merged = engine.merge(stores, out, other_versions)
    console.out.print(str(merged))
    console.out.print(f"store: {out}")
    if merged.missing:
        sys.exit(1)


COMMANDS = (generate, merge)
