"""Set-up shared by the tests of whole runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands before the C library, so that a file system lacks something, or is slow."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    out = tmp_path_factory.mktemp("library") / "locks.so"
    source = Path(__file__).with_name("locks.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(out), str(source), "-ldl"], check=True)
    return out
