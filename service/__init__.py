"""The HTTP service: jobs, data sets, and the coordinator that hands their shards to workers."""

import pdemill  # noqa: F401 - it knows the old name
