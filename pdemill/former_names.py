"""The old names of ``pdemill.solvers``, ``pdemill.service`` and ``pdemill.workers``, which lead there for one release.

They were packages beside pdemill. What else has such a name, beside a script or in another distribution, is left alone.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

NAMES = ("solvers", "service", "workers")
HOME = Path(__file__).resolve().parent


class FormerNames(MetaPathFinder):
    """Finds modules under their old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package not in NAMES:
            return None
        if rest:
            return ModuleSpec(fullname, _Same()) if _is_ours(sys.modules[package].__spec__) else None
        found = _found_by_others(package)
        if _is_ours(found):  # in a checkout, which also hides folders without __init__.py
            found = PathFinder.find_spec(package, [entry for entry in sys.path if Path(entry).resolve() != HOME.parent])
        if found is not None:
            return found
        message = f"{package} is pdemill.{package} now; the old name goes with the next release"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Same())


class _Same(Loader):
    """Gives a module that is there under its new name, and leaves it as it is."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"pdemill.{spec.name}")
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _found_by_others(package: str) -> ModuleSpec | None:
    """What an import would find if this finder were not there."""
    others = (finder for finder in sys.meta_path if not isinstance(finder, FormerNames))
    return next(filter(None, (finder.find_spec(package, None) for finder in others)), None)


def _is_ours(found: ModuleSpec | None) -> bool:
    """Whether a package is ours, by its old name or its new one."""
    if found is None or found.origin is None:
        return False
    return Path(found.origin).resolve() == (HOME / found.name.rpartition(".")[2] / "__init__.py").resolve()


def install() -> None:
    """From now on the old names are known."""
    sys.meta_path.insert(0, FormerNames())
