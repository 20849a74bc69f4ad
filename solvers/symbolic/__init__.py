"""Equations as text: read, and taken apart into what spectral methods march."""
