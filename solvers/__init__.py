"""Families, fields, discretisations, ordering, solvers and certification: from a spec to certified shards."""

import pdemill  # noqa: F401 - it knows the old name
