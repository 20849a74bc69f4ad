"""The commands that copy a store: as it is, or into another library's format."""

from __future__ import annotations

from pathlib import Path

import click

from pdemill import console
from pdemill.addresses import scheme_of
from pdemill.cli_jobs import server_options
from pdemill.client import Client
from pdemill.exports import export as export_store
from pdemill.exports.format import formats
from pdemill.pulling import pull as pull_store


class _Export(click.Command):
    """Tells of every format what it says of itself."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Formats"):
            formatter.write_dl([(name, (made.__doc__ or "").partition("\n")[0]) for name, made in formats.items()])


@click.command(cls=_Export)
@click.argument("store")
@click.argument("out")
@click.option("--to", required=True, type=click.Choice(list(formats)), help="One of the formats below.")
@click.option(
    "--api-key", envvar="PDEMILL_API_KEY", metavar="KEY", help="Where the server needs one (PDEMILL_API_KEY)."
)
@click.option("--where", metavar="CONDITION", help="Only such samples, as in 'error_estimate < 1e-3 and not flags'.")
@click.option("--fidelity", default="", metavar="NAME", help="Of several fidelities, this one; default: the spec's.")
def export(store: str, out: str, to: str, api_key: str | None, where: str | None, fidelity: str) -> None:
    """Copy the certified samples of a finished store, a folder or an address, into the new folder OUT."""
    made = export_store(store, out, to, api_key, where, fidelity)
    for split, samples in made.samples.items():
        left, other = made.left_out[split], made.deselected[split]
        told = [f"{split}: {samples} samples"]
        told += [f"{left} without a certified solution left out"] if left else []
        told += [f"{other} others left out by --where"] if other else []
        console.out.print(", ".join(told))
    for path in made.files:
        console.out.print(str(Path(out) / path.relative_to(made.out)))


def _samples(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int | None]:
    first, colon, last = value.partition(":")
    start, stop = int(first or 0) if (first or "0").isdecimal() else -1, int(last) if last.isdecimal() else None
    if not colon or start < 0 or (last and stop is None) or (stop is not None and stop <= start):
        raise click.BadParameter(f"should be FIRST:END, such as 0:1000 or 500:, not {value!r}")
    return start, stop


@click.command()
@click.argument("source")
@click.option("--out", required=True, metavar="DIR.zarr", help="The copy to make, or to go on with.")
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Only this split; may be repeated.")
@click.option(
    "--samples", default=":", callback=_samples, metavar="FIRST:END", help="Only shards with samples FIRST to END - 1."
)
@server_options
def pull(
    source: str, out: str, splits: tuple[str, ...], samples: tuple[int, int | None], server: str, api_key: str | None
) -> None:
    """Copy a finished store to this machine; run it again to go on with a copy that broke off.

    SOURCE: a job on the server, or the address of a store, https://... or s3://BUCKET/PREFIX. Each file is checked
    against its manifest.
    """
    with console.Bar() as bar:
        if scheme_of(source) is not None:
            pull_store(source, out, splits, samples, api_key, bar)
        else:
            with Client(server, api_key) as client:
                client.job(source).download(out, splits, samples, bar)
    console.out.print(f"store: {out}")


COMMANDS = (export, pull)
