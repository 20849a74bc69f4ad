"""Families, fields, discretisations, ordering, solvers and certification: from a spec to certified shards."""
