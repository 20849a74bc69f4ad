"""Periodic boxes: pseudo-spectral methods in space, exponential integrators in time."""
