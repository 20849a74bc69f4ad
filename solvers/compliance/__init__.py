"""The checks of ``pdemill.testing``: families, fields, methods and discretisers, one file each."""
