"""The command that trains a network for ``solver.method: dcdm``."""

from __future__ import annotations

import click

from pdemill import cli_jobs, console
from pdemill.engine import engine
from pdemill.spec.load import load_spec


@click.command("train-directions")
@click.argument("spec", required=False)
@click.option("--preset", metavar="NAME", help="A preset instead of a SPEC file; see 'pdemill presets'.")
@click.option("--out", required=True, metavar="NET.npz", help="The file for the network.")
@click.option("--minutes", type=click.FloatRange(min=0.0, max=10_000.0, min_open=True), default=30.0, show_default=True,
              help="CPU minutes to train for.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the first weights and the right-hand sides.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value, e.g. --set seed=1.")
def train_directions(
    spec: str | None, preset: str | None, out: str, minutes: float, seed: int, settings: tuple[str, ...]
) -> None:
    """Train a network on matrices like those of a spec, for solver.method dcdm. Needs PyTorch: pip install
    'pdemill[torch]'."""

    def report(seconds: float, steps: int, left: float) -> None:
        console.out.print(f"{seconds:.0f} s, {steps:,} steps: 10 directions leave {left:.1e}")

    found = engine.train_directions(load_spec(cli_jobs.chosen(spec, preset), settings), out, minutes, seed, report)
    console.out.print(
        f"{out}: {found.weights:,} weights after {found.steps:,} steps, {found.seconds:.0f} CPU s; 10 directions leave "
        f"{found.after:.1e} of residuals that were not trained on, {found.before:.1e} before training"
    )
    console.out.print(f"use it as solver: {{method: dcdm, directions: {{file: {out}}}}}")
