"""The HTTP service: jobs, data sets, and the coordinator that hands their shards to workers."""
