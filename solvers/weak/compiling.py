"""Compiled forms, each made once per machine by a child process with limits, and kept on disk.

The place is NUMBA_CACHE_DIR, where that is set, or else the user's cache folder; where it cannot be written to, every
process compiles for itself. A form's folder is called by the content of all that its code depends on.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pdemill.errors import MissingExtra, SolverError
from pdemill.flock import FileLock
from pdemill.solvers.machine import machine

CPU_SECONDS, WALL_SECONDS, MEMORY_BYTES = 60, 180.0, 3 << 30
"""Limits of the child that compiles a form."""
PAUSE = 0.05
LIBRARY, TOLD = "form.so", "form.json"
COMPILERS = ("cc", "gcc", "clang")
NO_COMPILER = (
    "weak forms are compiled by a C compiler, and there is none on this machine: install gcc or clang "
    "(Debian, Ubuntu: apt-get install gcc libc6-dev; conda: conda install c-compiler; macOS: xcode-select --install)"
)
NO_DOLFINX = (
    "weak forms need FFCx, UFL and Basix, which come with DOLFINx: pip install 'pdemill[petsc]' on Linux x86_64; "
    "elsewhere conda install fenics-dolfinx"
)


class FormError(SolverError):
    """A form that cannot be compiled."""


def compiled_form(description: str) -> CompiledForm:
    """The library of a form, compiled where it is not there yet. Raises FormError, or MissingExtra where what compiles
    it is not installed."""
    return _loaded(description)


@cache
def _loaded(description: str) -> CompiledForm:
    compiler = _compiler()
    parts = {
        "form": description, "with": _versions(), "machine": machine(), "code": _code(), "compiler": compiler,
        "version": _version_of(compiler),
    }  # fmt: skip
    key = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    place = _place()
    if place is None:
        with tempfile.TemporaryDirectory(prefix="pdemill-form-") as made:
            _compile(description, Path(made), compiler)
            return CompiledForm(Path(made))
    folder = place / key[:2] / key
    if not _is_whole(folder):
        _make(description, folder, compiler)
    return CompiledForm(folder)


def _is_whole(folder: Path) -> bool:
    """Whether a form is there, and its library as it was made: code that was cut short would end the process."""
    try:
        told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
        return bool(told["sha256"] == sha256((folder / LIBRARY).read_bytes()).hexdigest())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make(description: str, folder: Path, compiler: str) -> None:
    """Fill a folder; of many processes that want the same form one compiles it, and the others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f"{folder.name}.lock")
    try:
        while not lock.take():
            time.sleep(PAUSE)
        if _is_whole(folder):
            return
        made = folder.with_name(f"{folder.name}.new")  # what somebody left who was killed goes with it
        for there in (folder, made):
            shutil.rmtree(there, ignore_errors=True)
        _compile(description, made, compiler)
        made.rename(folder)
    finally:
        lock.release()


def _compile(description: str, folder: Path, compiler: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    limits = [str(CPU_SECONDS), str(MEMORY_BYTES)]  # -P: a ufl.py or pdemill in the working folder is not ours
    command = [sys.executable, "-P", "-m", "pdemill.solvers.weak.child", str(folder), *limits]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        found = subprocess.run(
            [*command, compiler], input=description, capture_output=True, text=True, timeout=WALL_SECONDS, check=False,
            env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise FormError(f"the form takes more than {WALL_SECONDS:g} s to compile: make it smaller") from None
    if found.returncode == -signal.SIGKILL:
        raise FormError(
            "the process that compiles the form was killed, as machines do that run out of memory: try again"
        )
    if found.returncode < 0:
        raise FormError(
            f"the form takes more than {CPU_SECONDS} s of CPU time or {MEMORY_BYTES >> 30} GiB of memory to compile: "
            "make it smaller, or lower 'degree'"
        )
    if found.returncode:
        last = [line for line in found.stderr.strip().splitlines() if line.strip()][-1:]
        if last and last[0].startswith("MemoryError"):
            raise FormError(f"the form takes more than {MEMORY_BYTES >> 30} GiB of memory to compile: make it smaller")
        raise FormError(f"the form does not compile: {' '.join(last)[:600]}")


def _place() -> Path | None:
    """Where compiled forms are kept; None where nothing can be written."""
    given, home = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    base = Path(given) if given else Path(home) / "pdemill" if home else Path.home() / ".cache" / "pdemill"
    try:
        (base / "forms").mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, RuntimeError):
        return None
    return base / "forms" if os.access(base / "forms", os.W_OK) else None


def _compiler() -> str:
    for module in ("ffcx", "ufl", "basix"):
        if find_spec(module) is None:
            raise MissingExtra(NO_DOLFINX)
    try:
        given = shlex.split(os.environ.get("CC", ""))
    except ValueError:
        given = [os.environ["CC"]]
    for name, *options in [given] if given else [[name] for name in COMPILERS]:
        if found := shutil.which(name):
            return shlex.join([found, *options])
    raise MissingExtra(f"CC is {shlex.join(given)!r}, which is not there: unset it, or let it name a C compiler"
                       if given else NO_COMPILER)  # fmt: skip


def _versions() -> dict[str, str]:
    found = {}
    for name in ("fenics-ffcx", "fenics-ufl", "fenics-basix", "dolfinx-solver-real"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def _version_of(compiler: str) -> str:
    """What a compiler says of itself."""
    command = [*shlex.split(compiler), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WALL_SECONDS).stdout


def _code() -> str:
    """What turns a description into machine code, by content."""
    here = Path(__file__).parent
    return sha256(b"".join((here / name).read_bytes() for name in ("child.py", "loops.py"))).hexdigest()


class CompiledForm:
    """The functions of a form's library, and which ``coefficients`` and ``constants`` its residual (0), its derivative
    (1) and its outputs (2, ...) have, in their order."""

    def __init__(self, folder: Path) -> None:
        try:
            told = json.loads((folder / TOLD).read_text(encoding="utf-8"))["forms"]
            self._library: Any = ctypes.CDLL(str(folder / LIBRARY))
        except (OSError, ValueError) as error:
            raise FormError(f"a compiled form cannot be loaded: {error}; remove {folder}") from None
        self.constants = [tuple(form["constants"]) for form in told]
        self.coefficients = []
        for number, form in enumerate(told):
            names = form["coefficients"]
            places = (ctypes.c_int * max(1, len(names)))()
            count = self._library.pdemill_coefficients(number, places)
            self.coefficients.append(tuple(names[places[i]] for i in range(count)))
        pointers = [ctypes.c_void_p] * 2 + [ctypes.c_void_p, ctypes.c_int] * 2
        for name in ("pdemill_vector", "pdemill_matrix"):
            getattr(self._library, name).argtypes = (
                [ctypes.c_int] * 3
                + [ctypes.c_long]
                + pointers
                + [ctypes.c_void_p] * 2
                + [ctypes.c_int, ctypes.c_void_p]
            )
            getattr(self._library, name).restype = None

    def integrals(self, form: int, kind: int) -> list[int]:
        """The sides of the integrals over cells (kind 0) or facets on the boundary (1); -1 for all."""
        count = self._library.pdemill_integrals(form, kind)
        return [self._library.pdemill_side(form, kind, number) for number in range(count)]

    def add_vector(self, form: int, kind: int, number: int, *arguments: Any) -> None:
        """``pdemill_vector`` of ``pdemill.solvers.weak.loops``; arrays are given by their addresses."""
        self._library.pdemill_vector(form, kind, number, *arguments)

    def add_matrix(self, form: int, kind: int, number: int, *arguments: Any) -> None:
        """``pdemill_matrix`` of the same."""
        self._library.pdemill_matrix(form, kind, number, *arguments)
