"""Brings in every field, family, discretiser and method of this package; the entry point ``pdemill.catalogue``."""

from importlib import import_module
from pkgutil import iter_modules

import solvers.discretisers
import solvers.families
import solvers.fields
import solvers.methods

for package in (solvers.fields, solvers.families, solvers.methods, solvers.discretisers):
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
