"""Measurements of pdemill, one table or set of tables per module; ``pdemill bench`` lists and runs them."""
