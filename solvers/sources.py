"""The sources that compiled code is made from: those of its module and of all modules that this imports, transitively.

Imports are followed where they are made at the top level of a module, because compiled code sees no others: into our
packages, the packages of the modules asked for, and any file that is not of an installed library.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

OURS = {"pdemill"}
INSTALLED = {"site-packages", "dist-packages"}
PARTS = ast.stmt | ast.ExceptHandler | ast.match_case
BEGAN = time.time()


@cache
def digest(modules: frozenset[str]) -> str | None:
    """A hash of the sources of imported modules and of what they import; the same in every process and on every clone.

    None where one of them has no source file, or a file that was written after this process began, which need not be
    what runs here.
    """
    packages = OURS | {_package(name) for name in modules}
    hashes: dict[str, str] = {}
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        read = _read(name)
        if read is None:
            return None
        hashes[name], imports = read
        waiting |= {found for found in imports if found not in hashes and _followed(found, packages)}
    return hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()


@cache
def _read(name: str) -> tuple[str, frozenset[str]] | None:
    """The hash of a module's source, and the modules that it imports."""
    file = _file(name)
    if file is None or file.suffix != ".py" or not file.is_file():
        return None
    times = file.stat()
    if max(times.st_mtime, times.st_ctime) > BEGAN:
        return None
    source = file.read_bytes()
    package = getattr(sys.modules[name], "__package__", None) or ""
    imports = frozenset(found for found in _imports(ast.parse(source), package) if found in sys.modules)
    return hashlib.sha256(source).hexdigest(), imports


def _imports(module: ast.Module, package: str) -> Iterator[str]:
    """Names that may be modules: those after ``from`` and ``import``, and the two joined."""
    waiting: list[ast.AST] = list(module.body)
    while waiting:
        match waiting.pop():
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                origin = resolve_name("." * level + (source or ""), package) if level else str(source)
                yield origin
                yield from (f"{origin}.{alias.name}" for alias in names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=orelse):
                waiting.extend(orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pass
            case node:
                waiting.extend(part for part in ast.iter_child_nodes(node) if isinstance(part, PARTS))


def _followed(name: str, packages: set[str]) -> bool:
    file, package = _file(name), _package(name)
    if file is None:  # a folder
        return False
    return package in packages or (package not in sys.stdlib_module_names and not INSTALLED & set(file.parts))


def _file(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if file else None


def _package(name: str) -> str:
    return name.partition(".")[0]
