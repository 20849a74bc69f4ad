"""Designs of the scalars of a split: one file each."""
