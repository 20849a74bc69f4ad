"""The command line in this process: what the console script calls, without the second in which a process starts."""

from __future__ import annotations

import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pdemill.cli import main


def pdemill(*arguments: str | Path, folder: str | Path = ".") -> CompletedProcess[str]:
    """Status, output and errors of ``pdemill ARGUMENTS`` in a folder; what would be a traceback is raised."""
    words = list(map(str, arguments))
    out, errors, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, chdir(folder), redirect_stdout(out), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["pdemill", *words])
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return CompletedProcess(words, status, out.getvalue(), errors.getvalue())
