"""The domains that walks know, one file each."""
