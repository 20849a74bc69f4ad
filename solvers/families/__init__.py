"""Families of parametric PDEs, one file each."""
