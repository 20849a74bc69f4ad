"""The parts of checking a store: its files, its manifests, its shards solved again."""
