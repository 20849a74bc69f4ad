"""Krylov methods with recycling, written here because they are what the project is about."""
