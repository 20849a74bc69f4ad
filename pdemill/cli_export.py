"""The command that copies a store into another library's format."""

from __future__ import annotations

from pathlib import Path

import click

from pdemill import console
from pdemill.exports import export as export_store
from pdemill.exports.format import formats


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
