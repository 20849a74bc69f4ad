"""Discretisations: from the drawn functions of one sample to one sparse linear system."""
