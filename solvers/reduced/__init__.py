"""Reduced bases: systems of few parameters, solved among the solutions of a few of them."""
