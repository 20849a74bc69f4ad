"""Generating a store on this machine: worker processes that share its lock."""
