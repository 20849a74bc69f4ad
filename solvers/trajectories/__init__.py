"""Equations in time: trajectories with a known error, however they are stepped through."""
