"""Brings in every field, family and method of this package; named by the entry point ``pdemill.catalogue``."""

from importlib import import_module
from pkgutil import iter_modules

import solvers.families
import solvers.fields
import solvers.methods

for package in (solvers.fields, solvers.families, solvers.methods):
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
