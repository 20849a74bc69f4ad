"""Reduced bases: systems of few parameters, solved among the solutions of a few of them."""

BATCH = 16
"""Systems side by side: steps of few of them cost as much as of a block."""
