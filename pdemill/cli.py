"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pdemill import __version__, cli_bench, cli_directions, cli_export, cli_generate, cli_jobs, console, mixtures
from pdemill.engine import engine
from pdemill.errors import PdemillError, SpecError
from pdemill.inspect import report, worst
from pdemill.planning import read_plan
from pdemill.spec.load import load_spec, preset_names, preset_text

INTERRUPTED = 130
SHOWN_FAULTS = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pdemill")
def commands() -> None:
    """Mill parametric PDEs into certified training data for neural operators."""


@commands.command()
@click.argument("spec", required=False)
@click.option("--preset", metavar="NAME", help="A preset instead of a SPEC file; see 'pdemill presets'.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value, e.g. --set samples=10.")
def plan(spec: str | None, preset: str | None, settings: tuple[str, ...]) -> None:
    """Measure which method solves a spec fastest, on its first samples."""
    made = engine.plan(load_spec(cli_jobs.chosen(spec, preset), settings))
    console.print_plan(made)


@commands.command()
@click.argument("store")
@click.option("--picture", metavar="OUT.png", help="Also draw samples and certificates into a PNG.")
@click.option("--movie", metavar="OUT.gif", help="Also draw trajectories into a GIF.")
@click.option("--worst", "count", type=click.IntRange(min=1), metavar="N", help="Also list the N samples with the "
              "largest stated errors; with --picture draw these.")  # fmt: skip
def inspect(store: str, picture: str | None, movie: str | None, count: int | None) -> None:
    """Show what is in a store: how many samples are certified, residuals (of float64 solutions), errors (also of the
    stored bits), discretisation errors where they were estimated, standard errors at points, flags."""
    if (members := mixtures.members(store)) is not None:
        if picture or movie:
            raise PdemillError("pictures are of one store: inspect a member of the mixture")
        _inspect_members(members, count)
        return
    attributes, reports = report(store)
    console.print_report(store, attributes, reports)
    chosen = worst(reports, count) if count else []
    if count:
        console.print_worst(chosen)
    if (made := read_plan(store)) is not None:
        console.print_plan(made)
    if picture:
        from pdemill.picture import draw

        try:
            console.out.print(f"picture: {Path(picture).with_name(draw(store, picture, chosen).name)}")
        except (OSError, ValueError) as error:
            raise PdemillError(f"cannot draw into {picture}: {error}") from None
    if movie:
        from pdemill.movie import draw_movie

        try:
            console.out.print(f"movie: {Path(movie).with_name(draw_movie(store, movie).name)}")
        except (OSError, ValueError) as error:
            raise PdemillError(f"cannot draw into {movie}: {error}") from None


def _inspect_members(members: Sequence[mixtures.Found], count: int | None) -> None:
    """What is in a mixture, member by member."""
    for member in members:
        console.out.print(f"{member.name}: weight {member.weight:g}, {member.equation}")
        attributes, reports = report(member.store)
        console.print_report(str(member.store), attributes, reports)
        if count:
            console.print_worst(worst(reports, count))


@commands.command()
@click.argument("store")
@click.option("--samples", type=click.IntRange(min=0), help="Recompute certificates of this many samples per split.")
@click.option("--audit", default=0, type=click.IntRange(min=0), help="Measure this many labels per split by walks.")
@click.option(
    "--refine", default=0, type=click.IntRange(min=0),
    help="Estimate the discretisation error of this many samples per split that were not estimated yet.",
)  # fmt: skip
@click.option("--resolve", is_flag=True, help="Solve the shards of these samples again and compare every array.")
def verify(store: str, samples: int | None, audit: int, refine: int, resolve: bool) -> None:
    """Check every file of a store against its manifest, and every certificate against the equation.

    Of a stored field: its residual to solver.rtol and what rounding to store.dtype can add, its error against the
    discrete system to twice what is stated, its estimate of the discretisation error where there is one, its flags. Of
    values at points: the walks of two points per sample.
    """
    found = mixtures.verify(store, samples, audit, resolve, refine)
    _print_faults(found.faults)
    console.out.print(str(found))
    if not found.ok:
        sys.exit(1)


@commands.command()
@click.argument("store")
@cli_jobs.workers("Worker processes; -1: as many as there are cores.")
@click.option("--other-versions", is_flag=True, help="Repair a store that other versions or another CPU began.")
def repair(store: str, workers: int, other_versions: bool) -> None:
    """Hash every file of a store; solve again the shards that are damaged or missing."""
    with console.Bar() as bar:
        done = engine.repair(store, workers, bar, other_versions)
    _print_faults(done.faults)
    console.out.print(str(done))
    console.print_failures([(f.split, f.sample, f.reason) for f in done.summary.failures])
    if not done.summary.ok:
        sys.exit(1)


def _print_faults(faults: Sequence[str]) -> None:
    for fault in faults[:SHOWN_FAULTS]:
        console.errors.print(fault)
    if len(faults) > SHOWN_FAULTS:
        console.errors.print(f"... and {len(faults) - SHOWN_FAULTS} more")


@commands.command()
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="The JSON Schema of the family's 'problem' part.")
def families(name: str | None, schema: bool) -> None:
    """List the families, or explain one."""
    from pdemill.spec.forms import forms
    from pdemill.spec.problem import families as known

    if name is None:
        for family, model in known.items():
            console.out.print(f"{family:<22} {_first_line(model)}")
        return
    if name not in known:
        raise PdemillError(f"unknown family {name!r}; choose one of {', '.join(known)}")
    if schema:
        import json

        from pdemill.spec.schema import family_schema

        console.out.print_json(json.dumps(family_schema(name)))
        return
    import inspect as source

    console.out.print(source.getdoc(known[name]))
    for form in forms(name):
        _print_keys(f"Keys of 'problem' {form.place_of().where}:", form)


def _print_keys(heading: str, model: type[Any]) -> None:
    console.out.print(f"\n{heading}")
    for key, info in model.model_fields.items():
        default = "required" if info.is_required() else f"default {_short(info.default)}"
        console.out.print(f"  {key:<14} {default}")


def _first_line(model: type[Any]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _short(value: Any) -> str:
    import json

    dump = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    return json.dumps(dump)


@commands.command()
@click.argument("name", required=False)
def presets(name: str | None) -> None:
    """List the presets, or print one."""
    if name is not None:
        console.out.print(preset_text(name).rstrip())
        return
    for preset in preset_names():
        console.out.print(f"{preset:<18} {preset_text(preset).splitlines()[0].removeprefix('# ')}")


for _command in (
    cli_generate.generate,
    cli_generate.merge,
    cli_export.export,
    cli_export.pull,
    cli_bench.bench,
    cli_directions.train_directions,
    *cli_jobs.COMMANDS,
):
    commands.add_command(_command)


def main() -> None:
    """The console script: errors become one clear line and an exit status."""
    console.print_anything()
    try:
        commands(prog_name="pdemill", standalone_mode=False)
    except SpecError as error:
        for fault in error.faults:
            console.errors.print(f"error: {fault}")
        sys.exit(2)
    except PdemillError as error:
        console.errors.print(f"error: {error}")
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        console.errors.print("interrupted; finished shards are safe: run the same command again to go on")
        sys.exit(INTERRUPTED)
