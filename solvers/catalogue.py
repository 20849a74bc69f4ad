"""Brings in every field, obstacle, family, discretiser, method and design: the entry point ``pdemill.catalogue``."""

from importlib import import_module
from pkgutil import iter_modules

import pdemill.solvers.designs
import pdemill.solvers.discretisers
import pdemill.solvers.families
import pdemill.solvers.fields
import pdemill.solvers.methods
import pdemill.solvers.obstacles

for package in (
    pdemill.solvers.fields,
    pdemill.solvers.obstacles,
    pdemill.solvers.families,
    pdemill.solvers.methods,
    pdemill.solvers.discretisers,
    pdemill.solvers.designs,
):
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
