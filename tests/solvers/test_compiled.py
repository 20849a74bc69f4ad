"""Kernels on disk are those of today's sources, and where none can be kept all is compiled anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CALLEE = """
from typing import NamedTuple
from scaled import constants
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.geometry import implements, reach2

class Plane(NamedTuple):
    height: float

@implements(reach2, Plane)
def _reach(shape, x, y):
    return shape.height * constants.FACTOR, 0

@compiled()
def scale(x):
    return constants.FACTOR * x
"""
CALLER = """
from numba import types
from pdemill.solvers.compiled import c_function, compiled
from .callee import scale

@compiled()
def twice(x):
    return 2.0 * scale(x)

@c_function(types.float64(types.float64))
def thrice(x):
    return 3.0 * scale(x)
"""
ELSEWHERE = """
from pdemill.solvers.compiled import compiled
from pdemill.solvers.walks.geometry import reach2

@compiled()
def radius(shape):
    return reach2(shape, 0.0, 0.0)[0]
"""
RUN = """
from scaled.callee import Plane
from scaled.caller import thrice, twice
from scaled.elsewhere import radius
from pdemill.solvers.compiled import compile_seconds
print(twice(1.0), thrice.ctypes(1.0), radius(Plane(1.0)))
print(sum(sum(kernel.stats.cache_hits.values()) for kernel in (twice, radius)) + thrice.cache_hits)
print(compile_seconds() > 0)
"""
LATE = """
import sys
from pathlib import Path
from scaled.callee import scale
Path(sys.argv[1]).write_text("FACTOR = 7.0")
print(scale(1.0))
"""
DYING = """
import os
from numba.core.caching import IndexDataCacheFile
IndexDataCacheFile.{at} = lambda *parts: os._exit(9)
"""
UNKEPT = """
import importlib, pkgutil
import numpy as np
import pdemill.solvers.draws, pdemill.solvers.krylov, pdemill.solvers.multigrid, pdemill.solvers.walks
from numba.core.dispatcher import Dispatcher
from pdemill.solvers.krylov.sums import total
from pdemill.solvers.multigrid import layout
from pdemill.solvers.multigrid.loading import unload
from pdemill.solvers.walks.philox import words

parts = [pdemill.solvers.draws]
for package in (pdemill.solvers.krylov, pdemill.solvers.multigrid, pdemill.solvers.walks):
    found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    parts += [importlib.import_module(part.name) for part in found]
kernels = {value for part in parts for value in vars(part).values() if isinstance(value, Dispatcher)}
assert len(kernels) > 100 and all(kernel.stats.cache_path is None for kernel in kernels)
assert total(np.array([1.0, 2.0])) == 3.0
assert words((0, 0), 0, 0, 0, 0).tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
level, x = np.zeros(64, np.int64), np.zeros((1, 1))
level[[layout.NZ, layout.NY, layout.NX]] = 1
unload(np.full(64, 3.0), level, level, x, np.array([2.0]), 1)
assert x == 6.0
assert pdemill.solvers.draws._turn(np.ones(1), np.ones(1), np.zeros(2)) is None
"""


def python(code: str, *arguments: str | Path, folder: Path, cache: Path, **environment: str) -> list[str]:
    """The words that a new process prints. It keeps no bytecode, which says nothing of two edits in one second."""
    path = os.pathsep.join([str(folder), *sys.path])
    unkept = {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, **unkept, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": path, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose kernels call each other."""
    folder = tmp_path / "scaled"
    folder.mkdir()
    texts = {"callee": CALLEE, "caller": CALLER, "elsewhere": ELSEWHERE, "constants": "FACTOR = 5.0"}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_process_that_dies_while_it_keeps_code_leaves_none_that_is_old(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    python(RUN, folder=tmp_path, cache=cache)
    (package / "constants.py").write_text("FACTOR = 6.0")
    for at in ("_save_data", "_save_index"):
        with pytest.raises(subprocess.CalledProcessError):
            python(DYING.format(at=at) + RUN, folder=tmp_path, cache=cache)
    assert python(RUN, folder=tmp_path, cache=cache)[:3] == ["12.0", "18.0", "6.0"]


def test_what_names_a_module_that_is_gone_is_compiled_anew(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = python(RUN, folder=tmp_path, cache=cache)
    (package / "callee.py").rename(package / "renamed.py")
    (package / "caller.py").write_text(CALLER.replace(".callee", ".renamed"))
    assert python(RUN.replace(".callee", ".renamed"), folder=tmp_path, cache=cache)[:3] == before[:3]


def test_callers_see_an_edit_of_what_they_call(package: Path, tmp_path: Path) -> None:
    def run() -> list[str]:
        return python(RUN, folder=tmp_path, cache=tmp_path / "cache")

    first = ["10.0", "15.0", "5.0"]
    assert run() == [*first, "0", "True"]
    callee = package / "callee.py"
    os.utime(callee, (0, 0))
    assert run() == [*first, "3", "False"]
    callee.write_text(
        CALLEE.replace("constants.FACTOR * x", "(constants.FACTOR + 1.0) * x").replace("height * c", "height + c")
    )
    assert run() == ["12.0", "18.0", "6.0", "0", "True"]
    (package / "constants.py").write_text("FACTOR = 7.0")
    assert run() == ["16.0", "24.0", "8.0", "0", "True"]


def test_nothing_is_kept_of_sources_that_change_under_a_process(package: Path, tmp_path: Path) -> None:
    def run() -> list[str]:
        return python(LATE, package / "constants.py", folder=tmp_path, cache=tmp_path / "cache")

    assert run() == ["5.0"]
    assert run() == ["7.0"]


def test_kernels_work_where_none_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    # numba would go on to __pycache__ beside the module
    only = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    python(UNKEPT, folder=tmp_path, cache=tmp_path / "file" / "cache", **only)


def test_without_a_compiler_kernels_say_what_to_do(tmp_path: Path) -> None:
    spec = {
        "problem": {"family": "darcy", "resolution": [16, 16], "coefficient": {"field": "lognormal", "modes": 8}},
        "samples": 1,
        "solver": {"method": "skr", "preconditioner": "icc"},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    ran = subprocess.run(
        [Path(sys.executable).with_name("pdemill"), "generate", "spec.json", "--out", "a.zarr"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    told = "error: NUMBA_DISABLE_JIT is set, and the solvers run compiled only: unset it and start again"
    assert ran.stderr.splitlines()[-1] == told
    assert "Traceback" not in ran.stderr
