"""Random fields and scalars, one file each."""
