"""Buckets of object stores: opened by their addresses, with the operations that stores are written and read with."""
