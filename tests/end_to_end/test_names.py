"""Modules of the user's may have the names that parts of pdemill have, and once had at the top level."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEC: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [8, 8], "source": 1.0}, "samples": 2}
PARTS = ("solvers", "service", "workers")
SCRIPT = """
import json, sys, pdemill
import {imports}
assert pdemill.generate(json.loads(sys.argv[1]), "a.zarr", workers=1).ok
assert pdemill.verify("a.zarr").ok
import {imports}
assert all(part.mine for part in ({parts},))
"""


@pytest.mark.parametrize("kind", ["packages", "folders", "modules"])
def test_a_script_may_have_modules_of_these_names(kind: str, tmp_path: Path) -> None:
    parts = [part if kind == "modules" else f"{part}.generate" for part in PARTS]
    for part in parts:
        file = tmp_path / f"{part.replace('.', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine = True\n")
        if kind == "packages":
            (file.parent / "__init__.py").touch()
    (tmp_path / "script.py").write_text(SCRIPT.format(imports=", ".join(parts), parts=", ".join(parts)))
    command = [sys.executable, "script.py", json.dumps(SPEC)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
