"""What ``pdemill.testing`` checks of families, fields, methods and discretisers, one file each."""
