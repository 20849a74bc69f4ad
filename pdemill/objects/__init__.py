"""Buckets of object stores: opened by their addresses, with the operations that stores are written and read with."""


class Changed(Exception):
    """An object, or a file, is not the one that it was."""
