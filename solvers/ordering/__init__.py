"""In which order the samples of a shard are solved; they are always stored as drawn."""
