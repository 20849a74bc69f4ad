"""The command that runs the benchmarks of the source checkout."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import click

from pdemill import console
from pdemill.errors import PdemillError

FOLDER = Path(__file__).parents[1] / "benchmarks"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("table", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(table: str | None, arguments: tuple[str, ...]) -> None:
    """List the tables of measurements, or run one; ARGUMENTS go to it, for example --help."""
    scripts = {path.stem: path for path in sorted(FOLDER.glob("[!_]*.py"))}
    if not scripts:
        raise PdemillError("the benchmarks are in the source checkout of pdemill, which is not what is installed here")
    if table is None:
        for name, path in scripts.items():
            console.out.print(f"{name:<10} {(ast.get_docstring(ast.parse(path.read_bytes())) or '').splitlines()[0]}")
        return
    if table not in scripts:
        raise PdemillError(f"unknown table {table!r}; choose one of {', '.join(scripts)}")
    paths = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(scripts[table]), *arguments]
    sys.exit(subprocess.run(command, check=False, env=environment).returncode)
