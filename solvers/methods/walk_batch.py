"""How many walks go together."""

BATCH = 256
"""Walks that are summed together and share one shifted Sobol sequence; batches begin at a multiple of it."""
