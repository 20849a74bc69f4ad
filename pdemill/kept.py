"""What is kept of a domain with obstacles, by name: specs and stores call it the same."""

SIDE = "obstacles"
"""The side that all obstacles of a domain make together."""
MASK = "mask"
"""The input channel that tells what is kept (1) from what is cut (0)."""
