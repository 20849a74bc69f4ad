"""Which preconditioners are applied by compiled code."""

KINDS = ("none", "jacobi", "sor", "icc", "ilu")
"""Those that are a diagonal, or two triangular solves in the order of the unknowns."""
